-- +goose Up
-- A coordinator corrects the city of a department, and with it who reads who is held there: phones of its new city must hear of them, and those of the old one forget
-- them (docs/adr/0021). Counted, so that what they see by says that it changed; boards look again by 00041.
alter table departments add column city_moves integer not null default 0;
-- +goose StatementBegin
create function departments_count_moves() returns trigger language plpgsql as $$
begin
    new.city_moves := old.city_moves + 1;
    return new;
end $$;
-- +goose StatementEnd
create trigger departments_count_moves before update of city on departments for each row when (old.city is distinct from new.city)
    execute function departments_count_moves();
