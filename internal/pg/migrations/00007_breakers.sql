-- +goose Up
-- Circuit breakers per reporter and kind of news: what one person's word tells of one kind within an hour is counted apart from the rest.
-- Older notices are counted by their kind alone.
alter table notices add column about text check (about in ('find', 'release', 'change', 'retraction'));
create index notices_reporter_about on notices (reporter_id, about, created_at) where reporter_id is not null;
alter table holds add column about text not null default 'find' check (about in ('find', 'release', 'change', 'retraction'));
drop index holds_one_open;
create unique index holds_one_open on holds (reporter_id, about) where state = 'open';
-- A hold that nobody decides within minutes pages the coordinator, once.
alter table holds add column paged_at timestamptz;
create index holds_to_page on holds (opened_at) where state = 'open' and paged_at is null;
