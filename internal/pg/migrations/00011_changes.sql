-- +goose Up
-- What changed, for phones that were away and for boards that stand open (docs/adr/0021). Written by triggers, so that no feature can
-- forget it; read in the order (xact, seq), and only below the oldest transaction that is still open: what commits later stands later.
-- A row names a subject and where it is, never what changed: readers look at the subject again.
create table changes (
    xact              xid8 not null default pg_current_xact_id(),
    seq               bigint generated always as identity,
    organisation_id   uuid not null,
    kind              text not null,
    subject_id        uuid not null,
    department_id     uuid,
    was_department_id uuid,
    account_id        uuid,
    primary key (xact, seq)
);

-- When a transaction id was the oldest that was open, so that the sweep knows how old a change is: a trigger has no clock of ours.
create table change_marks (
    at   timestamptz primary key,
    xact xid8 not null
);

-- Statements over many rows write one list.
-- +goose StatementBegin
create function detentions_entered() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id) select organisation_id, 'detention', id, department_id from fresh;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function detentions_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, was_department_id)
        select n.organisation_id, 'detention', n.id, n.department_id, nullif(o.department_id, n.department_id) from fresh n join stale o on o.id = n.id;
    -- Who was told apart from, or became one with, another record: that one reads otherwise, too.
    insert into changes (organisation_id, kind, subject_id, department_id)
        select d.organisation_id, 'detention', d.id, d.department_id from fresh n join stale o on o.id = n.id
            join detentions d on d.id in (n.merged_into, o.merged_into) where n.merged_into is distinct from o.merged_into;
    return null;
end $$;
-- +goose StatementEnd
create trigger detentions_entered after insert on detentions referencing new table as fresh
    for each statement execute function detentions_entered();
create trigger detentions_changed after update on detentions referencing old table as stale new table as fresh
    for each statement execute function detentions_changed();

-- What hangs on a detention changes it for its readers.
-- +goose StatementBegin
create function hangs_on_detention() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id)
        select distinct d.organisation_id, 'detention', d.id, d.department_id from fresh n
            join detentions m on m.id = n.detention_id join detentions d on d.id in (m.id, m.merged_into);
    return null;
end $$;
-- +goose StatementEnd
create trigger observations_added after insert on observations referencing new table as fresh
    for each statement execute function hangs_on_detention();
create trigger representations_added after insert on representations referencing new table as fresh
    for each statement execute function hangs_on_detention();
create trigger representations_changed after update on representations referencing new table as fresh
    for each statement execute function hangs_on_detention();

-- The numbers that the watch over clocks keeps; that it looked, and found nothing new, is no change.
-- +goose StatementBegin
create function clocks_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id)
        select d.organisation_id, 'detention', d.id, d.department_id from fresh n join stale o on o.detention_id = n.detention_id
            join detentions d on d.id = n.detention_id
        where (n.breached, n.broken, n.overdue, n.due_at) is distinct from (o.breached, o.broken, o.overdue, o.due_at);
    return null;
end $$;
-- +goose StatementEnd
create trigger clocks_changed after update on clocks referencing old table as stale new table as fresh
    for each statement execute function clocks_changed();

-- An erased record: its key is destroyed.
-- +goose StatementBegin
create function detention_erased() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id)
        select organisation_id, 'detention', id, department_id from detentions where id = new.id and new.scope = 'detention';
    return null;
end $$;
-- +goose StatementEnd
create trigger detention_erased after update of wrapped on data_keys
    for each row when (new.wrapped is null and old.wrapped is not null) execute function detention_erased();

-- +goose StatementBegin
create function shifts_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, was_department_id, account_id)
        values (new.organisation_id, 'shift', new.id, new.department_id,
            case when tg_op = 'UPDATE' then nullif(old.department_id, new.department_id) end, new.account_id);
    return null;
end $$;
-- +goose StatementEnd
create trigger shifts_changed after insert or update on shifts for each row execute function shifts_changed();

-- +goose StatementBegin
create function access_reported() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id) values (new.organisation_id, 'door', new.department_id, new.department_id);
    return null;
end $$;
-- +goose StatementEnd
create trigger access_reported after insert on access_reports for each row execute function access_reported();
