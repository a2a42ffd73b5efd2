-- +goose Up
-- What comes in by SMS (docs/adr/0038). A message is kept sealed until it is worked, then its answer until the gateway has it; afterwards the row says only
-- that this id was here, for as long as a gateway repeats.
create table sms_messages (
    id          uuid primary key,
    said_mac    bytea not null constraint sms_messages_once unique,
    from_mac    bytea,
    about_mac   bytea,
    state       text not null check (state in ('received', 'answering', 'over')),
    answered    boolean not null default false,
    wrong_code  boolean not null default false,
    received_at timestamptz not null,
    period      text not null,
    content_ct  bytea constraint sms_messages_sealed check (content_ct is null or is_sealed(content_ct)),
    check ((state = 'over') = (content_ct is null))
);
create index sms_messages_from on sms_messages (from_mac, received_at) where from_mac is not null;
create index sms_messages_about on sms_messages (about_mac, received_at) where about_mac is not null;
create index sms_messages_old on sms_messages (received_at);

-- Who may report by SMS. The row stays when the number goes: the counter must never go back, or an old sheet would work again.
create table sms_senders (
    account_id      uuid primary key references accounts,
    organisation_id uuid not null references organisations,
    number_mac      bytea,
    language        text not null check (language in ('kk', 'ru', 'en')),
    first_code      integer not null default 0,
    last_code       integer not null default 0,
    sheet_at        timestamptz,
    registered_at   timestamptz not null,
    constraint sms_senders_number unique (organisation_id, number_mac),
    check (0 <= first_code and first_code <= last_code)
);
create index sms_senders_by_number on sms_senders (number_mac) where number_mac is not null;
-- The codes that are still good: a code is taken by taking its row. In any order: two messages overtake each other.
create table sms_codes (
    account_id uuid not null references accounts,
    code       integer not null,
    code_mac   bytea not null,
    primary key (account_id, code)
);
create index sms_codes_mac on sms_codes (code_mac);

create table sms_reports (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    account_id      uuid not null references accounts,
    state           text not null check (state in ('waiting', 'confirmed', 'refused')),
    department_id   uuid references departments,
    detention_ids   uuid[] not null default '{}',
    list_mac        bytea not null,
    received_at     timestamptz not null,
    decided_by      uuid references accounts,
    decided_at      timestamptz,
    period          text not null,
    content_ct      bytea constraint sms_reports_sealed check (content_ct is null or is_sealed(content_ct)),
    check ((state = 'waiting') = (decided_at is null))
);
create index sms_reports_organisation on sms_reports (organisation_id, id);
create index sms_reports_account on sms_reports (account_id, received_at);

-- How a record came in, and whether it waits for a person: until then no family is told of it by itself.
alter table detentions add column via text not null default 'api' check (via in ('api', 'sms'));
alter table detentions add column unconfirmed boolean not null default false;
alter table matches drop constraint matches_review_reason_check;
alter table matches add constraint matches_review_reason_check
    check (review_reason in ('tier', 'guessing', 'reporter_limit', 'told_limit', 'another_record', 'person', 'common_name', 'same_person', 'unconfirmed'));

-- A relative's own code for asking by SMS.
alter table searches add column sms_code_mac bytea constraint searches_sms_code unique;
-- When a phone is known to have taken a message: a gateway says so later.
alter table deliveries add column delivered_at timestamptz;
