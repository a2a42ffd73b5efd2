-- +goose Up
-- Doors and obstructions (docs/adr/0019): what lawyers say, append-only.

-- A lawyer's statement about the door of a department. What they say is sealed; lawyer_id is whose statement it is, recorded_by who wrote
-- it down.
create table access_reports (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    department_id   uuid not null references departments,
    client_id       uuid not null constraint access_reports_client_id unique,
    lawyer_id       uuid not null references accounts,
    recorded_by     uuid not null references accounts,
    recorded_at     timestamptz not null,
    supersedes      uuid references access_reports,
    period          text not null,
    report_ct       bytea not null constraint access_reports_sealed check (is_sealed(report_ct))
);
create index access_reports_department on access_reports (department_id, recorded_at);

-- How a lawyer was hindered, and by whom: sealed.
create table obstructions (
    id              uuid primary key,
    organisation_id uuid not null references organisations,
    department_id   uuid not null references departments,
    client_id       uuid not null constraint obstructions_client_id unique,
    lawyer_id       uuid not null references accounts,
    recorded_by     uuid not null references accounts,
    recorded_at     timestamptz not null,
    period          text not null,
    incident_ct     bytea not null constraint obstructions_sealed check (is_sealed(incident_ct))
);
create index obstructions_department on obstructions (department_id, recorded_at);
