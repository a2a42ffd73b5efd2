-- +goose Up
-- What people choose for a channel of their ladder (docs/adr/0041). Minutes since midnight in Almaty; quiet_to is out of it again.
alter table channels add column quiet_from smallint;
alter table channels add column quiet_to smallint;
alter table channels add constraint channels_quiet check ((quiet_from is null) = (quiet_to is null) and quiet_from between 0 and 1439 and quiet_to between 0 and 1439 and quiet_from <> quiet_to);
-- Of an SMS: in Latin letters, and for a family in which department somebody is.
alter table channels add column latin boolean not null default false;
alter table channels add column place boolean not null default false;
alter table channels add constraint channels_latin check (not latin or kind = 'sms');
alter table channels add constraint channels_place check (not place or kind = 'sms' and owner_kind = 'search');
-- Until when a delivery waits: the end of quiet hours, or a random moment.
alter table deliveries add column not_before timestamptz;
-- When a family's phone is next sent what says nothing, where that is this server's policy.
alter table channels add column cover_at timestamptz;
create index channels_cover on channels (coalesce(cover_at, created_at))
    where owner_kind = 'search' and kind in ('fcm', 'webpush') and dropped_at is null and confirmed_at is not null;
