-- +goose Up
-- A change may be somebody's: whoever acts for a person no more, or logged a record that is told apart from another, loses sight of what
-- changed, and is told so by it. They learn it once, of this change, and of none after it.
-- +goose StatementBegin
create function representations_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, account_id)
        select distinct d.organisation_id, 'detention', d.id, d.department_id, n.account_id from fresh n
            join detentions m on m.id = n.detention_id join detentions d on d.id in (m.id, m.merged_into);
    return null;
end $$;
-- +goose StatementEnd
drop trigger representations_added on representations;
drop trigger representations_changed on representations;
create trigger representations_added after insert on representations referencing new table as fresh
    for each statement execute function representations_changed();
create trigger representations_changed after update on representations referencing new table as fresh
    for each statement execute function representations_changed();

-- +goose StatementBegin
create or replace function detentions_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, was_department_id)
        select n.organisation_id, 'detention', n.id, n.department_id, nullif(o.department_id, n.department_id) from fresh n join stale o on o.id = n.id;
    -- The record that stands for a person shows what all of theirs say.
    insert into changes (organisation_id, kind, subject_id, department_id)
        select distinct d.organisation_id, 'detention', d.id, d.department_id from fresh n join stale o on o.id = n.id
            join detentions d on d.id = n.merged_into where n.merged_into is not distinct from o.merged_into;
    -- Who was told apart from, or became one with, another record: that one reads otherwise, too, and for those who knew it by this one.
    insert into changes (organisation_id, kind, subject_id, department_id, account_id)
        select d.organisation_id, 'detention', d.id, d.department_id, who.id from fresh n join stale o on o.id = n.id
            join detentions d on d.id in (n.merged_into, o.merged_into)
            cross join lateral (select n.recorded_by as id union select r.account_id from representations r where r.detention_id = n.id and r.ended_at is null) who
        where n.merged_into is distinct from o.merged_into;
    return null;
end $$;
-- +goose StatementEnd

-- An event may change what is shown, and no column of the record: moved within the same house. Where the record changed with it, one row is enough.
-- +goose StatementBegin
create function events_added() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id)
        select distinct d.organisation_id, 'detention', d.id, d.department_id from fresh n
            join detentions m on m.id = n.detention_id join detentions d on d.id in (m.id, m.merged_into)
        where not exists (select 1 from changes c where c.xact = pg_current_xact_id() and c.kind = 'detention' and c.subject_id = d.id);
    return null;
end $$;
-- +goose StatementEnd
create trigger events_added after insert on detention_events referencing new table as fresh
    for each statement execute function events_added();
