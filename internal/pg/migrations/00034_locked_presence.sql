-- +goose Up
-- Where somebody is who is locked nobody knows: boards look again at their shifts when an account is locked or opened again (docs/adr/0031).
-- +goose StatementBegin
create function accounts_state_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, account_id)
        select s.organisation_id, 'shift', s.id, s.department_id, s.account_id from shifts s where s.account_id = new.id and s.state <> 'left';
    return null;
end $$;
-- +goose StatementEnd
create trigger accounts_state_changed after update of state on accounts for each row when (old.state is distinct from new.state)
    execute function accounts_state_changed();
