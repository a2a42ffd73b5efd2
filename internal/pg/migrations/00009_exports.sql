-- +goose Up
-- Evidence that leaves the house (docs/adr/0019): asked for by one person, decided by another. What is in it is read off the statements
-- as they were when it was asked for.
create table exports (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    department_id   uuid not null references departments,
    client_id       uuid not null constraint exports_client_id unique,
    from_at         timestamptz not null,
    to_at           timestamptz not null,
    state           text not null check (state in ('waiting', 'approved', 'rejected')),
    asked_by        uuid not null references accounts,
    asked_at        timestamptz not null,
    decided_by      uuid references accounts,
    decided_at      timestamptz,
    expires_at      timestamptz,
    constraint exports_second_person check (decided_by is distinct from asked_by),
    constraint exports_decided check ((state = 'waiting') = (decided_by is null) and (state = 'approved') = (expires_at is not null))
);
create index exports_organisation on exports (organisation_id, id);

-- Who has agreed to be named in evidence; without a row a lawyer is a letter.
create table evidence_names (
    account_id uuid primary key references accounts,
    agreed_at  timestamptz not null
);
