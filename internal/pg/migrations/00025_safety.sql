-- +goose Up
-- The lawyers' own safety (docs/adr/0024).

-- "If I do not say that I am well by then, look for me." next_at is when somebody must look: a reminder before, the end.
create table timers (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null constraint timers_client_id unique,
    account_id      uuid not null references accounts,
    until           timestamptz not null,
    next_at         timestamptz not null,
    reminded        boolean not null default false,
    state           text not null check (state in ('running', 'ended', 'fired')),
    period          text not null,
    note_ct         bytea constraint timers_note_sealed check (note_ct is null or is_sealed(note_ct)),
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    revision        integer not null default 1
);
create index timers_next on timers (next_at) where state = 'running';
create index timers_account on timers (account_id, id);

-- A call for help of a lawyer, by themself or by a timer that ran out. It is told again and further until a person takes it.
create table alarms (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null constraint alarms_client_id unique,
    account_id      uuid not null references accounts,
    timer_id        uuid references timers,
    test            boolean not null,
    raised_at       timestamptz not null,
    step            smallint not null default 0,
    next_at         timestamptz not null,
    turn            uuid not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid references accounts,
    shift_id        uuid references shifts,
    period          text not null,
    said_ct         bytea constraint alarms_said_sealed check (said_ct is null or is_sealed(said_ct))
);
create index alarms_next on alarms (next_at) where acknowledged_at is null;
create index alarms_organisation on alarms (organisation_id, id);
create index alarms_account on alarms (account_id, id);
create index alarms_said on alarms (raised_at) where said_ct is not null;
