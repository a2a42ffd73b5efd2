-- +goose Up
-- A lawyer who is made to open the app (docs/adr/0027). Two PINs open a session: one as its owner, one as the owner's shadow, an account of its
-- own that sees one department and has said nothing. Everyone who has PINs has a shadow and both hashes, whether or not a second PIN was
-- chosen; what opened a session is a keyed hash that looks the same for both: this table does not say who was made to.
alter table accounts drop constraint accounts_state_check;
alter table accounts add constraint accounts_state_check check (state in ('waiting', 'invited', 'active', 'locked', 'shadow'));
alter table accounts add column shadow_of uuid references accounts;
create index accounts_shadow_of on accounts (shadow_of) where shadow_of is not null;

create table pins (
    account_id  uuid primary key references accounts,
    shadow_id   uuid not null unique references accounts,
    pin_hash    bytea not null,
    duress_hash bytea not null,
    wrong       smallint not null default 0, -- wrong ones in a row
    set_at      timestamptz not null
);
alter table sessions add column face bytea;             -- null: no PIN was entered on it yet
alter table sessions add column open_until timestamptz; -- of who has PINs: shut when it is past, or none
alter table sessions drop constraint sessions_revoked_reason_check;
alter table sessions add constraint sessions_revoked_reason_check check (revoked_reason in ('signed_out', 'locked', 'token_reuse', 'replaced', 'wrong_pins'));

-- Which PIN was entered, until what follows it was done. Both have a row, and it looks the same.
create table pin_entries (
    id       uuid primary key,
    period   text not null,
    entry_ct bytea not null constraint pin_entries_entry_sealed check (is_sealed(entry_ct))
);

-- A shadow's grants are copies, as a lawyer's, and end when what they were copied from does: whoever takes a right away takes it from both.
alter table grants add column copy_of uuid references grants;
create unique index grants_copies on grants (copy_of, account_id) where copy_of is not null;
-- +goose StatementBegin
create function copies_follow() returns trigger language plpgsql as $$
begin
    update grants set cities = new.cities, valid_from = new.valid_from, valid_until = new.valid_until,
        needs_second = new.needs_second, approved_by = new.approved_by, revoked_at = new.revoked_at
    where copy_of = new.id;
    return null;
end $$;
-- +goose StatementEnd
create trigger copies_follow after update on grants for each row when (new.copy_of is null) execute function copies_follow();

-- A shift of a shadow says where its owner stands. It is nobody's presence: rosters, boards and dispatch leave it out.
alter table shifts drop constraint shifts_kind_check;
alter table shifts add constraint shifts_kind_check check (kind in ('lawyer', 'duty', 'shadow'));
-- +goose StatementBegin
create function shadows_keep_shadow_shifts() returns trigger language plpgsql as $$
begin
    if exists (select 1 from accounts where id = new.account_id and shadow_of is not null) then
        new.kind := 'shadow';
    end if;
    return new;
end $$;
-- +goose StatementEnd
create trigger shadows_keep_shadow_shifts before insert on shifts for each row execute function shadows_keep_shadow_shifts();
-- Of a shadow's shift nobody hears but the shadow: its row names no department (live: feed.go, news.go).
-- +goose StatementBegin
create or replace function shifts_changed() returns trigger language plpgsql as $$
begin
    insert into changes (organisation_id, kind, subject_id, department_id, was_department_id, account_id)
        values (new.organisation_id, 'shift', new.id, case when new.kind <> 'shadow' then new.department_id end,
            case when tg_op = 'UPDATE' and new.kind <> 'shadow' then nullif(old.department_id, new.department_id) end, new.account_id);
    return null;
end $$;
-- +goose StatementEnd

-- What a lawyer gives to a person they trust: it locks that one lawyer, and opens nothing.
create table buddy_codes (
    account_id uuid primary key references accounts,
    code_hash  bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

-- Who locked whom, to stop one account that locks everybody.
create table locks (
    account_id uuid not null references accounts,
    locked_by  uuid not null references accounts,
    at         timestamptz not null
);
create index locks_locked_by on locks (locked_by, at);
