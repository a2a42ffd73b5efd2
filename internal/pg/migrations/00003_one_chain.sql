-- +goose Up
-- One person, one chain (docs/adr/0014, 0015). Where someone is, whether a release is only reported, and which record a person's other
-- records were merged into, as columns: SQL counts and lists by them. All else that an event says is sealed.

-- place_kind: beside the department to which the record belongs, whether the person is in it, or on the way, or elsewhere.
alter table detentions add column place_kind text not null default 'department'
    check (place_kind in ('department', 'vehicle', 'open_air', 'hospital', 'court', 'other_region', 'unknown'));
-- A release is reported until a relative or a lawyer has seen the person.
alter table detentions add column release text check (release in ('reported', 'confirmed'));
update detentions set release = 'reported' where state = 'released';
-- The chain contradicts itself somewhere: a person proposes a correction.
alter table detentions add column contradicted boolean not null default false;
-- The record that stands for this person. It is derived from the merges below, never set by hand.
alter table detentions add column merged_into uuid references detentions;
alter table detentions add constraint detentions_not_into_itself check (merged_into <> id);
create index detentions_merged_into on detentions (merged_into) where merged_into is not null;
create index detentions_previous on detentions (previous_detention_id) where previous_detention_id is not null;
create index detentions_assembly_id on detentions (assembly_id, id) where assembly_id is not null;

-- A person's decision that two records are of one person; undone, everything is as it was: no event, observation or match moves.
create table merges (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null constraint merges_client_id unique,
    survivor_id     uuid not null references detentions,
    absorbed_id     uuid not null references detentions,
    key_id          uuid not null references data_keys,
    reason_ct       bytea constraint merges_reason_sealed check (reason_ct is null or is_sealed(reason_ct)),
    merged_by       uuid not null references accounts,
    merged_at       timestamptz not null,
    unmerged_by     uuid references accounts,
    unmerged_at     timestamptz,
    check (survivor_id <> absorbed_id),
    check ((unmerged_by is null) = (unmerged_at is null))
);
create unique index merges_absorbed_once on merges (absorbed_id) where unmerged_at is null;
create index merges_survivor on merges (survivor_id) where unmerged_at is null;

-- What a relative says through her search has no account: the sealed details name the search.
alter table detention_events alter column recorded_by drop not null;
alter table detention_events add constraint detention_events_said_by check (recorded_by is not null or kind in ('released', 'corrected'));

-- When somebody must next look at a custody: a limit that nears or passes, an item of the checklist that is due. One time for each
-- person, whatever the limit; who changes a chain sets it to now, and the watch over the clocks computes it anew.
create table clocks (
    detention_id uuid primary key references detentions,
    next_at      timestamptz not null
);
create index clocks_next on clocks (next_at) where next_at <> 'infinity';
insert into clocks (detention_id, next_at) select id, updated_at from detentions;

-- Alerts: any kind (the code's list is the list), with sealed words for its reader (which norm, which item) under the month's key, and
-- some also for the lawyers concerned.
alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind ~ '^[a-z_]{1,40}$');
alter table alerts add column for_lawyers boolean not null default false;
alter table alerts add column period text;
alter table alerts add column details_ct bytea constraint alerts_details_sealed check (details_ct is null or is_sealed(details_ct));
