-- +goose Up
-- Calls for help to departments (docs/adr/0023): who was asked to go, who goes.

-- A call: the department needs a lawyer. wait_s is how long one lawyer is waited for; next_at is when somebody must look: the first offer
-- that runs out, or the time by which who goes should be there. What was written to the lawyers is sealed.
create table dispatches (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null constraint dispatches_client_id unique,
    department_id   uuid not null constraint dispatches_department references departments,
    state           text not null check (state in ('offered', 'unanswered', 'accepted', 'en_route', 'arrived', 'done', 'cancelled')),
    wait_s          integer not null check (wait_s between 30 and 3600),
    off_duty        boolean not null,
    taken_by        uuid references accounts,
    accepted_at     timestamptz,
    en_route_at     timestamptz,
    eta_at          timestamptz,
    arrived_at      timestamptz,
    ended_at        timestamptz,
    next_at         timestamptz not null,
    period          text not null,
    note_ct         bytea constraint dispatches_note_sealed check (note_ct is null or is_sealed(note_ct)),
    created_by      uuid not null references accounts,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    revision        integer not null default 1,
    check ((taken_by is null) = (state in ('offered', 'unanswered') or state = 'cancelled' and accepted_at is null)),
    check ((ended_at is not null) = (state in ('done', 'cancelled')))
);
create index dispatches_next on dispatches (next_at) where next_at <> 'infinity';
create index dispatches_organisation on dispatches (organisation_id, id);
create index dispatches_open on dispatches (organisation_id, department_id) where ended_at is null;
-- A lawyer is on one way at a time.
create unique index dispatches_one_way on dispatches (taken_by) where state in ('accepted', 'en_route');

-- An offer to one lawyer. Turn changes when it is made anew, so that its notice is a new one; random, since it says nothing.
create table offers (
    dispatch_id uuid not null references dispatches,
    account_id  uuid not null references accounts,
    state       text not null check (state in ('offered', 'accepted', 'declined', 'expired', 'taken', 'cancelled', 'returned')),
    turn        uuid not null,
    offered_at  timestamptz not null,
    expires_at  timestamptz not null,
    answered_at timestamptz,
    primary key (dispatch_id, account_id)
);
create index offers_account on offers (account_id, dispatch_id);
-- Whatever races: one lawyer goes.
create unique index offers_one_goes on offers (dispatch_id) where state = 'accepted';

-- Two notices for lawyers: come, and do not come any more.
alter table notices drop constraint notices_kind_check;
alter table notices add constraint notices_kind_check check (kind ~ '^[a-z_]{1,40}$');
alter table notices drop constraint notices_subject_kind_check;
alter table notices add constraint notices_subject_kind_check check (subject_kind ~ '^[a-z_]{1,40}$');

-- Boards and phones hear of calls, as of shifts.
-- +goose StatementBegin
create function dispatches_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, account_id) values (new.organisation_id, 'dispatch', new.id, new.department_id, new.taken_by);
    return null;
end $$;
-- +goose StatementEnd
create trigger dispatches_changed after insert or update on dispatches for each row execute function dispatches_changed();

-- +goose StatementBegin
create function offers_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, account_id)
        select organisation_id, 'dispatch', id, department_id, new.account_id from dispatches where id = new.dispatch_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger offers_changed after insert or update on offers for each row execute function offers_changed();
