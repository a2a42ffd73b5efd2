-- +goose Up
-- A notice climbs a ladder until somebody has seen it (docs/adr/0037).
alter table channels drop constraint channels_kind_check;
alter table channels add constraint channels_kind_check check (kind in ('fcm', 'webpush', 'telegram', 'sms', 'email', 'call'));
-- When whoever holds the address showed that they do; until then nothing is told there. The code that shows it is made of the salt under a key that
-- lies outside the database.
alter table channels add column confirmed_at timestamptz;
alter table channels add column code_salt bytea;
alter table channels add column code_until timestamptz;
alter table channels add column code_wrong smallint not null default 0;
update channels set confirmed_at = created_at;
-- When the next rung is tried.
alter table notices add column climb_at timestamptz not null default 'infinity';
create index notices_climb on notices (climb_at) where climb_at < 'infinity';
-- A coordinator's pause, which no provider's answer ends.
alter table channel_pauses add column paused_by uuid references accounts;
-- How often a code went to an address, for a day: the address under a key that lies outside the database.
create table code_sends (
    target_mac bytea not null,
    sent_at    timestamptz not null
);
create index code_sends_target on code_sends (target_mac, sent_at);
create index code_sends_old on code_sends (sent_at);
