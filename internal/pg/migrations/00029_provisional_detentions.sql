-- +goose Up
-- That the lawyer of an alarm is said to be detained (docs/adr/0031): not a detention until a coordinator says that it is. No trigger tells of
-- it, nothing matches, counts or lists it. next_at is when coordinators are asked again.
create table provisional_detentions (
    alarm_id        uuid primary key references alarms,
    organisation_id uuid not null references organisations,
    account_id      uuid not null references accounts,
    state           text not null check (state in ('provisional', 'confirmed', 'refused')),
    made_by         uuid not null references accounts,
    made_at         timestamptz not null,
    next_at         timestamptz not null,
    decided_by      uuid references accounts,
    decided_at      timestamptz,
    detention_id    uuid references detentions,
    period          text not null,
    held_ct         bytea constraint provisional_detentions_held_sealed check (held_ct is null or is_sealed(held_ct)),
    check ((state = 'provisional') = (decided_at is null)),
    check ((decided_at is null) = (decided_by is null)),
    check ((state = 'confirmed') = (detention_id is not null))
);
create index provisional_detentions_next on provisional_detentions (next_at) where state = 'provisional';
create index provisional_detentions_account on provisional_detentions (account_id) where state = 'confirmed';
create index provisional_detentions_held on provisional_detentions (decided_at) where held_ct is not null;
