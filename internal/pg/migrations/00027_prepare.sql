-- +goose Up
-- What is told of a shift before it begins, the calendar that shows it, and what its owner can do (docs/adr/0029).

-- When its owner was reminded, the evening before and an hour before: null is not yet. What is due is read off starts_at, so that a clock that
-- jumps, or a server that was down, leaves nothing to be put right.
alter table shifts add column evening_told_at timestamptz;
alter table shifts add column hour_told_at timestamptz;
create index shifts_evening on shifts (starts_at) where state = 'planned' and evening_told_at is null;
create index shifts_hour on shifts (starts_at) where state = 'planned' and hour_told_at is null;

-- That somebody was reminded is no change of a shift that phones must fetch.
drop trigger shifts_changed on shifts;
create trigger shifts_changed after insert or update of organisation_id, account_id, kind, department_id, city, assembly_id, state, starts_at, ends_at,
    confirmed_at, arrived_at, left_at, cancelled_at, revision on shifts for each row execute function shifts_changed();

-- One address of a calendar for an account; who renews it ends the one before.
create table calendar_feeds (
    account_id  uuid primary key references accounts,
    secret_hash bytea not null constraint calendar_feeds_secret unique,
    created_at  timestamptz not null
);

-- Bar number, training, languages, experience; sealed with the account's own key, so that erasing the account erases them.
alter table accounts add column credentials_ct bytea constraint accounts_credentials_sealed check (credentials_ct is null or is_sealed(credentials_ct));
