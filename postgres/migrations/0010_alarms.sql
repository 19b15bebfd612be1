-- Alarms, severities, and what keeps an incident from paging.

ALTER TABLE incident
	ADD COLUMN alarm        text NOT NULL DEFAULT '', -- name of the alarm; '' when checks opened it
	ADD COLUMN severity     text NOT NULL DEFAULT '', -- critical, error, warning, info; '' is critical
	ADD COLUMN recovered_at timestamptz,              -- since when all is well
	ADD COLUMN expires_at   timestamptz,              -- when the acknowledgement ends
	ADD COLUMN course       jsonb NOT NULL DEFAULT '{}'; -- hold, window for failing anew, alerts, failures

-- Silences that people make while the daemon runs. A row is never changed but to
-- be ended: who wanted quiet, and why, must stay readable.
CREATE TABLE silence (
	id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	service  text        NOT NULL,
	check_name text      NOT NULL,
	location text        NOT NULL,
	begins   timestamptz NOT NULL,
	ends     timestamptz NOT NULL,
	made_by  text        NOT NULL CHECK (made_by <> ''),
	reason   text        NOT NULL CHECK (reason <> ''),
	created  timestamptz NOT NULL,
	ended    timestamptz,
	ended_by text        NOT NULL DEFAULT '',
	CHECK (begins < ends),
	CHECK (service <> '' OR check_name <> '' OR location <> '')
);
CREATE INDEX silence_ends ON silence (ends);
