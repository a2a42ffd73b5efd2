-- +goose Up
-- What comes in while an operator talks was told to nobody (docs/adr/0028): due_at is when something was last due, claimed_at since when the
-- holder knows what there is. A claim that is renewed keeps it.
alter table calls add column due_at timestamptz;
alter table calls add column claimed_at timestamptz;

-- Up to where changes were swept (docs/adr/0021), so that no clock is asked what was: one that stood wrong for a while sweeps too much, and those
-- who come must be told so.
alter table change_marks add column swept boolean not null default false;
