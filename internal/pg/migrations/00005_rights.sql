-- +goose Up
-- The watch over rights and legal clocks (docs/adr/0017).

-- How a custody stands, for totals: how many legal limits are breached, how many items of the checklist are broken or overdue, and when
-- the next legal limit ends. Which ones stays sealed. Kept by whoever looks at the custody (next_at).
alter table clocks add column breached smallint not null default 0;
alter table clocks add column broken smallint not null default 0;
alter table clocks add column overdue smallint not null default 0;
alter table clocks add column due_at timestamptz;
create index clocks_wrong on clocks (detention_id) where breached > 0 or broken > 0 or overdue > 0;

-- What was told of a custody: each warning, each breach, once. The mark is a keyed hash of which limit and when it ended, so that a
-- corrected start is told anew, and a reader of the table learns neither.
create table clock_marks (
    detention_id uuid not null references detentions,
    mark         bytea not null check (length(mark) = 16),
    told_at      timestamptz not null,
    primary key (detention_id, mark)
);

-- Answers to the checklist, append-only. Which item it is says who is a woman, a child or hurt: all of it is sealed.
create table observations (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    detention_id    uuid not null references detentions,
    client_id       uuid not null constraint observations_client_id unique,
    key_id          uuid not null references data_keys,
    answer_ct       bytea not null constraint observations_answer_sealed check (is_sealed(answer_ct)),
    recorded_by     uuid not null references accounts,
    recorded_at     timestamptz not null
);
create index observations_detention on observations (detention_id, id);

-- How often an organisation asks for an item of the checklist, where it is not as shipped.
create table checklist_paces (
    organisation_id uuid not null references organisations,
    item            text not null check (item ~ '^[A-Z0-9_]{1,60}$'),
    due_minutes     integer check (due_minutes between 1 and 10080),
    repeat_minutes  integer check (repeat_minutes between 1 and 10080),
    set_by          uuid not null references accounts,
    set_at          timestamptz not null,
    primary key (organisation_id, item)
);

-- An alert that gathers: told again to its readers when it was last told this long ago.
alter table alerts add column told_at timestamptz;
