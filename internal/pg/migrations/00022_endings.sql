-- +goose Up
-- Who ends custodies: one account that ends very many within an hour is looked at (docs/adr/0026).
create index detention_events_endings on detention_events (recorded_by, recorded_at) where kind in ('released', 'died', 'withdrawn');
