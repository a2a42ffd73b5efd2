-- +goose Up
-- Answers by SMS to numbers from which nobody reports (docs/adr/0038), for a day: how many a number had, and how many there were in all.
create table sms_strangers (
    number_mac  bytea not null,
    kind        text not null check (kind in ('relative', 'question', 'other')),
    answered_at timestamptz not null
);
create index sms_strangers_number on sms_strangers (number_mac, answered_at);
create index sms_strangers_kind on sms_strangers (kind, answered_at);
