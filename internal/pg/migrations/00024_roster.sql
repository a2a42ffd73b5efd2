-- +goose Up
-- The roster (docs/adr/0025): who is on duty where and when. `left` is also a shift that was called off (cancelled_at): every scope that
-- asks for a present shift leaves both out.
alter table shifts add column client_id uuid constraint shifts_client_id unique;
alter table shifts add column kind text not null default 'lawyer' check (kind in ('lawyer', 'duty'));
alter table shifts add column city text;
alter table shifts add column assembly_id uuid references assemblies;
alter table shifts add column confirmed_at timestamptz;
alter table shifts add column arrived_at timestamptz;
alter table shifts add column left_at timestamptz;
alter table shifts add column cancelled_at timestamptz;
alter table shifts add column created_by uuid references accounts;
alter table shifts add column updated_at timestamptz;
alter table shifts add column revision integer not null default 1;
alter table shifts add constraint shifts_cancelled check (cancelled_at is null or state = 'left');
create index shifts_organisation on shifts (organisation_id, starts_at);
create index shifts_assembly on shifts (assembly_id) where assembly_id is not null;

-- Where a lawyer was when they checked in, rounded and sealed, for a day; then the row stays and the place goes.
create table check_ins (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    account_id      uuid not null references accounts,
    shift_id        uuid not null references shifts,
    client_id       uuid not null constraint check_ins_client_id unique,
    at              timestamptz not null,
    period          text not null,
    place_ct        bytea constraint check_ins_place_sealed check (place_ct is null or is_sealed(place_ct))
);
create index check_ins_account on check_ins (account_id, at);
create index check_ins_placed on check_ins (at) where place_ct is not null;

-- What an assembly is expected to need.
alter table assemblies add column expected_size integer check (expected_size between 1 and 1000000);
alter table assemblies add column departments uuid[] not null default '{}';
