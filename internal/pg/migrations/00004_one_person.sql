-- +goose Up
-- Two records of one person (docs/adr/0015): how a merge is undone, and who was looked at and is two people.

-- The phone's id of the undoing, so that a repeat undoes nothing that was decided later; and why.
alter table merges add column unmerge_client_id uuid constraint merges_unmerge_client_id unique;
alter table merges add column unmerge_reason_ct bytea constraint merges_unmerge_reason_sealed check (unmerge_reason_ct is null or is_sealed(unmerge_reason_ct));

-- A person's decision that two records are of two people: they are not proposed again. Lower id first, so that a pair is one row.
create table told_apart (
    one_id          uuid not null references detentions,
    other_id        uuid not null references detentions,
    organisation_id uuid not null references organisations,
    key_id          uuid not null references data_keys,
    reason_ct       bytea not null constraint told_apart_reason_sealed check (is_sealed(reason_ct)),
    decided_by      uuid not null references accounts,
    decided_at      timestamptz not null,
    primary key (one_id, other_id),
    check (one_id < other_id)
);
create index told_apart_other on told_apart (other_id);

-- The family was told of the same person by another record of theirs: there is nothing to decide while the two are one.
alter table matches drop constraint matches_review_reason_check;
alter table matches add constraint matches_review_reason_check
    check (review_reason in ('tier', 'guessing', 'reporter_limit', 'told_limit', 'another_record', 'person', 'common_name', 'same_person'));
