-- +goose Up
-- What was planned, where a check-in changed it (docs/adr/0025): a copy for the next assembly is of the plan. Null is: as it stands.
alter table shifts add column planned_starts_at timestamptz;
alter table shifts add column planned_department_id uuid references departments;
alter table shifts add column planned_city text;
