-- +goose Up
-- Answers by SMS to numbers from which nobody reports (docs/adr/0038), for a day: how many a number had, and how many there were in all.
create table sms_strangers (
    number_mac  bytea not null,
    kind        text not null check (kind in ('relative', 'question', 'other')),
    answered_at timestamptz not null
);
create index sms_strangers_number on sms_strangers (number_mac, answered_at);
create index sms_strangers_kind on sms_strangers (kind, answered_at);

-- Of a message that made a report, or said one again, until its answer is gone: which report; and when a gateway first took an answer about a report. Only until
-- then is the same list the same people.
alter table sms_messages add column report_id uuid;
alter table sms_reports add column answered_at timestamptz;
update sms_reports set answered_at = received_at;

-- When a report was sent, by the gateway's clock: one that could not reach us for a night repeats what it holds. None: a node of the version before wrote it, which goes
-- on working while nodes are replaced one by one.
alter table sms_reports add column sent_at timestamptz;

-- What each sheet is made of beside the key and the counter, at random: a counter that a restored backup puts back must not print an old sheet again. It is no
-- secret without the key, which lies outside the database. None: printed before.
alter table sms_senders add column sheet_salt bytea;
