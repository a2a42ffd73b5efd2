-- +goose Up
-- "Is X there?", asked of a department, and the answer (domain.md). Append-only. Who was asked for, who answered and the note are sealed:
-- with the key of the record or the search that it is about, so that they go with it, else with the month's.
create table inquiries (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    department_id   uuid not null references departments,
    client_id       uuid not null constraint inquiries_client_id unique,
    detention_id    uuid references detentions,
    search_id       uuid references searches,
    answer          text not null check (answer in ('confirmed', 'denied', 'no_answer')),
    asked_at        timestamptz not null,
    key_id          uuid references data_keys,
    period          text check (period ~ '^[0-9]{4}-[0-9]{2}$'),
    said_ct         bytea not null constraint inquiries_said_sealed check (is_sealed(said_ct)),
    recorded_by     uuid not null references accounts,
    recorded_at     timestamptz not null,
    check ((key_id is null) <> (period is null)),
    check (detention_id is null or search_id is null)
);
create index inquiries_department on inquiries (department_id, asked_at);
create index inquiries_detention on inquiries (detention_id) where detention_id is not null;
create index inquiries_search on inquiries (search_id) where search_id is not null;

-- When the family hears next at the latest, as an operator or the organisation's habit promised; promise_warn_at is when the coordinators are
-- told that it runs out, before she sees it broken; null when they were told.
alter table searches add column next_update_by timestamptz;
alter table searches add column promise_warn_at timestamptz;
create index searches_promise on searches (promise_warn_at) where promise_warn_at is not null;
