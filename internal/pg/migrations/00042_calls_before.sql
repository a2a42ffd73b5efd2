-- +goose Up
-- How the last call for a search went is shown with the next (docs/adr/0028).
create index calls_closed on calls (search_id, closed_at) where closed_at is not null;
