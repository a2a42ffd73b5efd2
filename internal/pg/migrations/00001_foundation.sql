-- +goose Up
-- The foundation: organisations, people who work here, departments, detentions, searches, matches, notices, audit.
-- Rule (docs/security/plain-columns.md): a column about a human is ciphertext (*_ct) unless that page lists it with
-- its reason; a test compares the page with information_schema. Ciphertext starts with the two bytes 'Q1'.

-- +goose StatementBegin
create function is_sealed(ct bytea) returns boolean language sql immutable parallel safe
    as $$ select substring(ct from 1 for 2) = '\x5131'::bytea and octet_length(ct) >= 30 $$;
-- +goose StatementEnd

-- The keyset that sealed this database. A server whose keyset has another fingerprint refuses to start.
create table keyset_mark (
    only_row    boolean primary key default true check (only_row),
    fingerprint bytea not null check (octet_length(fingerprint) = 32),
    created_at  timestamptz not null
);

create table organisations (
    id         uuid primary key,
    name       text not null check (length(name) between 1 and 200),
    created_at timestamptz not null
);

-- Sharing between two organisations is an explicit row: reader may read and match what owner logged in these cities
-- (none given: all).
create table organisation_shares (
    id          uuid primary key,
    owner_id    uuid not null references organisations,
    reader_id   uuid not null references organisations,
    cities      text[] not null default '{}',
    valid_from  timestamptz not null,
    valid_until timestamptz,
    created_at  timestamptz not null,
    check (owner_id <> reader_id)
);
create index organisation_shares_reader on organisation_shares (reader_id, owner_id);

-- A key per detention, search, account (and one per organisation and month for what belongs to nobody else), wrapped
-- by the period's key, which never enters the database. Destroying wrapped erases all that it sealed.
create table data_keys (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    scope           text not null check (scope in ('detention', 'search', 'account', 'organisation')),
    period          text not null check (period ~ '^[0-9]{4}-[0-9]{2}$'),
    wrapped         bytea,
    destroyed_at    timestamptz,
    constraint data_keys_wrapped_sealed check (wrapped is null or is_sealed(wrapped)),
    constraint data_keys_destroyed check ((wrapped is null) = (destroyed_at is not null))
);

-- People who work here ------------------------------------------------------------------------------------------

create table accounts (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid unique,
    key_id          uuid not null references data_keys,
    name_ct         bytea not null constraint accounts_name_sealed check (is_sealed(name_ct)),
    state           text not null check (state in ('waiting', 'invited', 'active', 'locked')),
    created_by      uuid references accounts,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    revision        integer not null default 1
);

-- Rights are time-bound grants. cities '{}' is every city. One that needs a second person gives nothing until approved.
create table grants (
    id              uuid primary key,
    account_id      uuid not null references accounts,
    organisation_id uuid not null references organisations,
    role            text not null check (role in ('lawyer', 'operator', 'coordinator', 'admin')),
    cities          text[] not null default '{}',
    valid_from      timestamptz not null,
    valid_until     timestamptz,
    needs_second    boolean not null default false,
    granted_by      uuid references accounts,
    approved_by     uuid references accounts,
    created_at      timestamptz not null,
    revoked_at      timestamptz,
    constraint grants_second_person check (approved_by is null or approved_by <> granted_by)
);
create index grants_account on grants (account_id);

create table devices (
    id         uuid primary key,
    account_id uuid not null references accounts,
    key_id     uuid not null references data_keys,
    name_ct    bytea not null constraint devices_name_sealed check (is_sealed(name_ct)),
    platform   text not null check (platform in ('ios', 'android', 'web', 'cli')),
    public_key jsonb,
    created_at timestamptz not null
);

create table invitations (
    id           uuid primary key,
    account_id   uuid not null references accounts,
    code_hash    bytea not null unique,
    created_by   uuid references accounts,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    used_at      timestamptz,
    used_session uuid
);
create index invitations_account on invitations (account_id);

create table sessions (
    id             uuid primary key,
    account_id     uuid not null references accounts,
    device_id      uuid not null references devices,
    created_at     timestamptz not null,
    last_used_at   timestamptz not null,
    expires_at     timestamptz not null,
    revoked_at     timestamptz,
    revoked_reason text check (revoked_reason in ('signed_out', 'locked', 'token_reuse', 'replaced'))
);
create index sessions_account on sessions (account_id);

-- Only hashes of tokens are kept. rotated_at: when this token was first exchanged; used_at: when its successor was.
create table refresh_tokens (
    hash           bytea primary key,
    session_id     uuid not null references sessions on delete cascade,
    successor_hash bytea,
    rotated_at     timestamptz,
    created_at     timestamptz not null
);
create index refresh_tokens_session on refresh_tokens (session_id);

-- Places -----------------------------------------------------------------------------------------------------------

create table departments (
    id            uuid primary key,
    code          text unique,
    client_id     uuid unique,
    kind          text not null check (kind in ('police_department', 'city_division', 'unit', 'temporary_detention',
                      'reception_centre', 'transport_police', 'vehicle', 'open_air', 'hospital', 'court')),
    name_kk       text not null,
    name_ru       text not null,
    name_en       text not null,
    city          text not null check (city ~ '^[a-z0-9-]{1,60}$'),
    city_ru       text not null default '',
    city_en       text not null default '',
    region        text not null default '',
    parent_id     uuid references departments,
    address       text not null default '',
    phone         text not null default '',
    lat           double precision check (lat between -90 and 90),
    lon           double precision check (lon between -180 and 180),
    geo_precision text not null default '',
    source        text not null default '',
    confidence    text not null default '',
    verified_at   timestamptz,
    verified_by   uuid references accounts,
    edited_at     timestamptz, -- when a person last changed the facts: an import leaves them alone
    created_by    uuid references accounts,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    revision      integer not null default 1,
    check ((lat is null) = (lon is null))
);
create index departments_city on departments (city);

create table assemblies (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null unique,
    title           text not null,
    city            text not null,
    place           text not null default '',
    starts_at       timestamptz not null,
    ends_at         timestamptz,
    created_by      uuid references accounts,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    revision        integer not null default 1
);

-- A lawyer on duty. What a lawyer may read follows the department of the present shift.
create table shifts (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    account_id      uuid not null references accounts,
    department_id   uuid references departments,
    state           text not null check (state in ('planned', 'present', 'left')),
    starts_at       timestamptz not null,
    ends_at         timestamptz not null,
    created_at      timestamptz not null,
    check (ends_at > starts_at)
);
create index shifts_account on shifts (account_id, ends_at);

-- Custody ----------------------------------------------------------------------------------------------------------

-- profile_ct holds every fact about the person (names in all forms, birth year, disclosure, consent, notes …).
create table detentions (
    id                    uuid primary key,
    organisation_id       uuid not null references organisations,
    client_id             uuid not null constraint detentions_client_id unique,
    batch_id              uuid not null,
    department_id         uuid not null constraint detentions_department references departments,
    assembly_id           uuid constraint detentions_assembly references assemblies,
    previous_detention_id uuid references detentions,
    state                 text not null check (state in ('held', 'released', 'hospitalised', 'whereabouts_unknown', 'died', 'withdrawn')),
    key_id                uuid not null references data_keys deferrable initially immediate,
    profile_ct            bytea not null constraint detentions_profile_sealed check (is_sealed(profile_ct)),
    recorded_by           uuid not null references accounts,
    off_shift             boolean not null,
    recorded_at           timestamptz not null,
    updated_at            timestamptz not null,
    revision              integer not null default 1
);
create index detentions_department_recorded on detentions (department_id, id);
create index detentions_recorded_by on detentions (recorded_by, id);

-- The chain: append-only. When it happened, what the paper says, where and who told is sealed in details_ct.
create table detention_events (
    id               uuid primary key,
    detention_id     uuid not null references detentions,
    client_id        uuid constraint detention_events_client_id unique,
    kind             text not null check (kind in ('taken', 'arrived', 'protocol_drawn', 'moved', 'sobriety_certified',
                         'request_made', 'searched', 'complaint_filed', 'counsel_appointed', 'regime_changed', 'court',
                         'sentenced', 'released', 'hospitalised', 'whereabouts_unknown', 'died', 'withdrawn', 'corrected')),
    to_department_id uuid constraint detention_events_department references departments,
    key_id           uuid not null references data_keys,
    details_ct       bytea not null constraint detention_events_details_sealed check (is_sealed(details_ct)),
    recorded_by      uuid not null references accounts,
    recorded_at      timestamptz not null
);
create index detention_events_detention on detention_events (detention_id, id);

create table representations (
    id           uuid primary key,
    detention_id uuid not null references detentions,
    account_id   uuid not null references accounts,
    valid_from   timestamptz not null,
    valid_until  timestamptz,
    created_by   uuid not null references accounts,
    created_at   timestamptz not null,
    ended_at     timestamptz,
    constraint representations_one unique (detention_id, account_id)
);
create index representations_account on representations (account_id);

-- Searches ---------------------------------------------------------------------------------------------------------

create table searches (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    client_id       uuid not null constraint searches_client_id unique,
    secret_hash     bytea not null check (octet_length(secret_hash) = 32),
    key_id          uuid not null references data_keys,
    profile_ct      bytea constraint searches_profile_sealed check (profile_ct is null or is_sealed(profile_ct)),
    language        text not null check (language in ('kk', 'ru', 'en')),
    city            text,
    state           text not null check (state in ('open', 'closed', 'erasing', 'erased')),
    entered_by      uuid references accounts,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    expires_at      timestamptz not null,
    erase_after     timestamptz,
    revision        integer not null default 1,
    check (profile_ct is not null or state = 'erased')
);
create index searches_open_expiry on searches (expires_at) where state = 'open';
create index searches_erase on searches (erase_after) where erase_after is not null;
create index searches_organisation on searches (organisation_id, id);

-- Keyed, truncated hashes of name forms. Each side has a PRF key of its own, so that a dump cannot join the two.
-- The search side is asked at each detention: its index keeps no pending list. The detention side is written in
-- bursts and asked rarely: there the list pays.
create table name_keys (
    side     text not null check (side in ('search', 'detention')),
    owner_id uuid not null,
    epoch    smallint not null,
    keys     integer[] not null,
    primary key (owner_id, side, epoch)
);
create index name_keys_search on name_keys using gin (keys) with (fastupdate = off) where side = 'search';
create index name_keys_detention on name_keys using gin (keys) with (fastupdate = on) where side = 'detention';

-- One reporter's word told so many families that the rest waits for a second person.
create table holds (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    reporter_id     uuid not null references accounts,
    state           text not null check (state in ('open', 'released', 'rejected')),
    opened_at       timestamptz not null,
    decided_by      uuid references accounts,
    decided_at      timestamptz,
    constraint holds_second_person check (decided_by is null or decided_by <> reporter_id)
);
create unique index holds_one_open on holds (reporter_id) where state = 'open';

create table matches (
    id            uuid primary key,
    search_id     uuid not null references searches,
    detention_id  uuid not null references detentions,
    tier          text not null check (tier in ('possible', 'likely', 'certain')),
    score         real not null,
    state         text not null check (state in ('proposed', 'notified', 'confirmed', 'rejected', 'retracted')),
    review_reason text check (review_reason in ('tier', 'guessing', 'reporter_limit', 'told_limit', 'another_record', 'person')),
    hold_id       uuid references holds,
    -- What the family was told last, not what the record says now: a change that waits for a second person is not shown.
    told_state         text check (told_state in ('held', 'released', 'hospitalised', 'withdrawn', 'call_hotline')),
    told_department_id uuid references departments,
    told_at            timestamptz,
    created_at    timestamptz not null,
    notified_at   timestamptz,
    decided_by    uuid references accounts,
    decided_at    timestamptz,
    decision_ct   bytea constraint matches_decision_sealed check (decision_ct is null or is_sealed(decision_ct)),
    updated_at    timestamptz not null,
    revision      integer not null default 1,
    constraint matches_pair unique (search_id, detention_id)
);
create index matches_detention on matches (detention_id);
create index matches_proposed on matches (created_at) where state = 'proposed';
create index matches_hold on matches (hold_id) where hold_id is not null;

-- Notices ----------------------------------------------------------------------------------------------------------

-- Where to tell someone: a search's or an account's phone.
create table channels (
    id          uuid primary key,
    owner_kind  text not null check (owner_kind in ('search', 'account')),
    owner_id    uuid not null,
    position    smallint not null,
    kind        text not null check (kind in ('fcm', 'call')),
    key_id      uuid not null references data_keys,
    address_ct  bytea constraint channels_address_sealed check (address_ct is null or is_sealed(address_ct)),
    address_mac bytea not null,
    created_at  timestamptz not null,
    dropped_at  timestamptz,
    constraint channels_address unique (owner_id, kind, address_mac)
);

-- Something a person must learn. Ids are random v4: they travel over third parties and carry no time.
create table notices (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    kind            text not null check (kind in ('match', 'update', 'retraction', 'correction', 'erased', 'alert')),
    subject_kind    text not null check (subject_kind in ('match', 'search', 'alert')),
    subject_id      uuid not null,
    subject_turn    uuid not null,
    owner_kind      text not null check (owner_kind in ('search', 'account')),
    owner_id        uuid not null,
    language        text not null check (language in ('kk', 'ru', 'en')),
    reporter_id     uuid references accounts,
    hold_id         uuid references holds,
    created_at      timestamptz not null,
    seen_at         timestamptz,
    superseded_at   timestamptz,
    constraint notices_once unique (subject_id, kind, subject_turn, owner_id)
);
create index notices_owner on notices (owner_id, created_at);
create index notices_reporter on notices (reporter_id, created_at) where reporter_id is not null;
create index notices_hold on notices (hold_id) where hold_id is not null;

create table deliveries (
    id          uuid primary key,
    notice_id   uuid not null references notices,
    channel_id  uuid not null references channels,
    state       text not null check (state in ('pending', 'accepted', 'dead', 'expired', 'superseded')),
    attempts    integer not null default 0,
    code        text not null default '',
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    accepted_at timestamptz,
    constraint deliveries_once unique (notice_id, channel_id)
);
create index deliveries_pending on deliveries (created_at) where state = 'pending';

create table channel_pauses (
    channel      text primary key,
    paused_until timestamptz not null
);

-- What coordinators and operators must look at.
create table alerts (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    kind            text not null check (kind in ('guessing', 'canary', 'token_reuse', 'hold', 'call_due', 'push_misconfigured',
                        'push_rejected', 'candidates_overflow', 'keys_running_out')),
    subject_kind    text not null default '',
    subject_id      uuid,
    dedupe          text not null,
    count           integer not null default 1,
    created_at      timestamptz not null,
    last_at         timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid references accounts
);
create unique index alerts_open on alerts (organisation_id, kind, dedupe) where acknowledged_at is null;

-- Guarding -----------------------------------------------------------------------------------------------------------

-- How often a name was asked for; the mac is keyed and rows leave after a day.
create table search_attempts (
    id        uuid primary key,
    name_mac  bytea not null,
    at        timestamptz not null
);
create index search_attempts_name on search_attempts (name_mac, at);
create index search_attempts_at on search_attempts (at);

create table spent_challenges (
    mac        bytea primary key,
    expires_at timestamptz not null
);

create table idempotency (
    owner       bytea not null,
    route       text not null,
    key         text not null,
    fingerprint bytea not null,
    state       text not null check (state in ('in_flight', 'done')),
    status      integer,
    period      text,
    response_ct bytea constraint idempotency_response_sealed check (response_ct is null or is_sealed(response_ct)),
    row_id      uuid not null,
    created_at  timestamptz not null,
    primary key (owner, route, key)
);
create index idempotency_created on idempotency (created_at);

-- Audit ----------------------------------------------------------------------------------------------------------------

-- actor is a pseudonym (PRF of account and month). commit_xid orders rows by commit visibility for the chain.
create table audit_entries (
    id              uuid primary key,
    commit_xid      xid8 not null default pg_current_xact_id(),
    organisation_id uuid references organisations,
    at              timestamptz not null,
    actor           bytea not null,
    action          text not null,
    subject_kind    text not null,
    subject_id      uuid,
    period          text not null,
    details_ct      bytea constraint audit_entries_details_sealed check (details_ct is null or is_sealed(details_ct)),
    chained         boolean not null default false
);
create index audit_entries_unchained on audit_entries (commit_xid) where not chained;

create table audit_chain (
    position bigint primary key,
    entry_id uuid not null unique references audit_entries,
    salt     bytea not null check (octet_length(salt) = 16),
    hash     bytea not null check (octet_length(hash) = 32)
);

-- A relative's reads of her own search: a daily count, no more.
create table audit_daily_reads (
    search_id uuid not null,
    day       date not null,
    count     integer not null,
    primary key (search_id, day)
);

-- Each node's last proof that jobs move.
create table heartbeats (
    node uuid primary key,
    at   timestamptz not null
);
