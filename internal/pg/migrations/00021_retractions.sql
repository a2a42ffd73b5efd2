-- +goose Up
-- A reporter whose word is taken back (docs/adr/0026): how far it is, and what it did. The reason is sealed.
create table retractions (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null constraint retractions_client_id unique,
    account_id      uuid not null references accounts,
    since           timestamptz,
    asked_by        uuid not null references accounts,
    asked_at        timestamptz not null,
    period          text not null,
    reason_ct       bytea not null constraint retractions_reason_sealed check (is_sealed(reason_ct)),
    reached         uuid,
    events          integer not null default 0,
    records         integer not null default 0,
    kept            integer not null default 0,
    done_at         timestamptz,
    check (account_id <> asked_by)
);
create index detention_events_reporter on detention_events (recorded_by, detention_id);
