-- +goose Up
-- Who is locked acts for nobody, and who is let in again does: boards and phones hear of those for whom they act.
-- +goose StatementBegin
create function account_acts_or_not() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id)
        select distinct d.organisation_id, 'detention', d.id, d.department_id from representations r
            join detentions m on m.id = r.detention_id join detentions d on d.id in (m.id, m.merged_into)
        where r.account_id = new.id and r.ended_at is null;
    return null;
end $$;
-- +goose StatementEnd
create trigger account_acts_or_not after update of state on accounts
    for each row when (new.state is distinct from old.state) execute function account_acts_or_not();
