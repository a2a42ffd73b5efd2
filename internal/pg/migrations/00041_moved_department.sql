-- +goose Up
-- A department whose city is corrected (a lawyer entered it in a hurry, a bus drove on) is in the sight of others from then on: its door and its people are read anew, by boards
-- that stand open and by phones (docs/adr/0021, 0022). The directory is shared, so that every organisation hears of it.
-- +goose StatementBegin
create function departments_moved() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id) select o.id, 'door', new.id, new.id from organisations o;
    insert into changes (organisation_id, kind, subject_id, department_id)
        select d.organisation_id, 'detention', d.id, d.department_id from detentions d where d.department_id = new.id;
    return null;
end $$;
-- +goose StatementEnd
create trigger departments_moved after update of city on departments for each row when (old.city is distinct from new.city)
    execute function departments_moved();
