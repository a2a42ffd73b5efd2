-- +goose Up
-- Of PINs (docs/adr/0027). second_hash: what was chosen in a forced session as the other PIN opens it, too. None: nothing was changed since there is this column; every
-- change of PINs writes it. missed, missed_since: wrong PINs within a day, which a right one between them does not forgive.
alter table pins add column second_hash bytea;
alter table pins add column missed smallint not null default 0;
alter table pins add column missed_since timestamptz;
