-- +goose Up
-- What a department takes for those inside, and when, as a coordinator was told; parcels_at is when they were.
alter table departments add column parcels text not null default '';
alter table departments add column parcels_at timestamptz;
