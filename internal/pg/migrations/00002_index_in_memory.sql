-- +goose Up
-- Names are found by an index in the servers' memory (docs/adr/0012): the database holds no key of a name any more.
--
-- names_xid is the transaction that last changed what the index holds of a row. A server reads by it what became visible since it
-- looked last, in whatever order transactions commit. Triggers renew it, so that no statement can forget to.
--
-- name_keys goes at once and not a version later: two indexes that each know a part would miss people in silence. A node of the
-- version before answers with errors from here on, until it is replaced: phones and jobs repeat, nothing is lost or told wrongly
-- (docs/running.md).
alter table searches add column names_xid xid8 not null default pg_current_xact_id();
alter table detentions add column names_xid xid8 not null default pg_current_xact_id();
create index searches_names on searches (names_xid);
create index detentions_names on detentions (names_xid);

-- +goose StatementBegin
create function names_changed() returns trigger language plpgsql as $$
begin
    new.names_xid := pg_current_xact_id();
    return new;
end $$;
-- +goose StatementEnd

create trigger searches_names before insert or update of profile_ct, state, key_id on searches
    for each row execute function names_changed();
create trigger detentions_names before insert or update of profile_ct, state, key_id on detentions
    for each row execute function names_changed();

-- A destroyed key takes the name away. A record's key has the record's id.
-- +goose StatementBegin
create function names_destroyed() returns trigger language plpgsql as $$
begin
    update searches set names_xid = pg_current_xact_id() where id = new.id and new.scope = 'search';
    update detentions set names_xid = pg_current_xact_id() where id = new.id and new.scope = 'detention';
    return null;
end $$;
-- +goose StatementEnd

create trigger data_keys_names after update of wrapped on data_keys
    for each row when (new.wrapped is null and old.wrapped is not null) execute function names_destroyed();

drop table name_keys;

-- How often a name was asked for is counted in memory too: equal hashes with a time beside them showed which names are asked for
-- how often. The names of a request are sealed under the month's key; rows leave after a day, and with this migration.
drop table search_attempts;
create table search_attempts (
    id        uuid primary key,
    names_ct  bytea not null constraint search_attempts_names_sealed check (is_sealed(names_ct)),
    at        timestamptz not null,
    names_xid xid8 not null default pg_current_xact_id()
);
create index search_attempts_at on search_attempts (at);
create index search_attempts_names on search_attempts (names_xid);
create trigger search_attempts_names before insert or update of names_ct on search_attempts
    for each row execute function names_changed();

-- A common name has thousands of proposals; the rules look at what was told.
create index matches_told_search on matches (search_id) where state in ('notified', 'confirmed');
create index matches_told_detention on matches (detention_id) where notified_at is not null;

-- Too many people share the name to compare it with all of them: a person decides.
alter table matches drop constraint matches_review_reason_check;
alter table matches add constraint matches_review_reason_check
    check (review_reason in ('tier', 'guessing', 'reporter_limit', 'told_limit', 'another_record', 'person', 'common_name'));

-- How well two names agree is kept in twentieths, and below certain not at all: all the digits, beside one known name, narrow the other down.
update matches set score = case tier when 'certain' then floor(score::numeric * 20) / 20 when 'likely' then .5 else .25 end;
