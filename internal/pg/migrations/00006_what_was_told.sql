-- +goose Up
-- What a family was told beside state and department (docs/adr/0007): place, court, sentence, whether a release is confirmed. Sealed with
-- the search's key.
alter table matches add column told_ct bytea constraint matches_told_sealed check (told_ct is null or is_sealed(told_ct));
