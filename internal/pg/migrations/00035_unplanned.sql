-- +goose Up
-- What a check-in opened that nobody had planned, and when we heard of it: whoever holds a lawyer's phone reads a department by saying that they
-- are there.
alter table check_ins add column unplanned_id uuid references departments;
alter table check_ins add column received_at timestamptz;
update check_ins set received_at = at;
alter table check_ins alter column received_at set not null;
create index check_ins_unplanned on check_ins (account_id, received_at) where unplanned_id is not null;
