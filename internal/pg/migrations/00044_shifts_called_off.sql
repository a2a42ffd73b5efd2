-- +goose Up
-- When its owner was told that a shift is off on which they counted (docs/adr/0029). Those of before are none's business any more.
alter table shifts add column off_told_at timestamptz;
update shifts set off_told_at = cancelled_at where cancelled_at is not null;
create index shifts_off on shifts (starts_at) where cancelled_at is not null and off_told_at is null;
