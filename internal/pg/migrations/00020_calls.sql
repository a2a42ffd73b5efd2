-- +goose Up
-- Calls that operators have to make (docs/adr/0028): one open call for a search at a time.
create table calls (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    search_id       uuid not null references searches,
    not_before      timestamptz not null,
    attempts        smallint not null default 0,
    claimed_by      uuid references accounts,
    claimed_until   timestamptz,
    outcome         text check (outcome in ('reached', 'no_answer', 'wrong_number', 'refused')),
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    closed_at       timestamptz,
    period          text,
    note_ct         bytea constraint calls_note_sealed check (note_ct is null or is_sealed(note_ct)),
    check ((claimed_by is null) = (claimed_until is null))
);
create unique index calls_open on calls (search_id) where closed_at is null;
create index calls_queue on calls (organisation_id, not_before) where closed_at is null;

-- Those that were due before there was a queue.
insert into calls (id, organisation_id, search_id, not_before, created_at, updated_at)
    select distinct on (a.subject_id) a.id, a.organisation_id, a.subject_id, a.created_at, a.created_at, a.created_at
    from alerts a join searches s on s.id = a.subject_id and s.state = 'open' where a.kind = 'call_due' and a.acknowledged_at is null order by a.subject_id, a.created_at;
