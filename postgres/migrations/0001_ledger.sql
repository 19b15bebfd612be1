-- What is looked at and what was seen. Instants are UTC; the program passes
-- every time, nothing here asks the database's clock.

CREATE TABLE checks (
	id   int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE
);

CREATE TABLE location (
	id   int2 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE
);

-- How a check was configured, and when: the slots that were expected are those
-- of the epoch-aligned grid of slot_ms that begin in [valid_from, valid_to), so
-- that a missing result is visible. valid_from is a slot's start of its own
-- revision; valid_to may cut the last slot short when the next revision has
-- another grid. Between a removal and a return there is no revision.
CREATE TABLE check_rev (
	check_id   int4        NOT NULL REFERENCES checks,
	rev        int4        NOT NULL,
	valid_from timestamptz NOT NULL,
	valid_to   timestamptz,          -- NULL: still valid
	slot_ms    int4        NOT NULL CHECK (slot_ms > 0),
	locations  int2[]      NOT NULL, -- ascending
	k          int2        NOT NULL CHECK (k > 0), -- locations that must fail for a bad slot
	kind       text        NOT NULL,
	target     text        NOT NULL,
	spec       jsonb       NOT NULL, -- without secrets
	spec_sha   bytea       NOT NULL, -- of everything above: equal means unchanged
	PRIMARY KEY (check_id, rev),
	CHECK (valid_to >= valid_from)
);

CREATE UNIQUE INDEX check_rev_open ON check_rev (check_id) WHERE valid_to IS NULL;

-- Why looks failed or could not be told, each text once per check and hour. The
-- body is the first one seen with that text in that hour.
CREATE TABLE probe_error (
	id      int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sha     bytea       NOT NULL UNIQUE, -- of check, hour, cause, class, phase, message and code
	hour    timestamptz NOT NULL,
	cause   text        NOT NULL, -- of an unknown result: late, suspect, missed, blind, shutdown
	class   text        NOT NULL,
	phase   text        NOT NULL,
	message text        NOT NULL,
	body    bytea,
	code    int4        NOT NULL
);

CREATE INDEX probe_error_hour ON probe_error (hour);

-- One row a slot, check and location: storing twice is storing once. Daily
-- partitions probe_result_YYYYMMDD (UTC), made by ledger_make_day.
CREATE TABLE probe_result (
	slot       timestamptz NOT NULL,
	check_id   int4        NOT NULL,
	latency_us int4        NOT NULL,
	loc        int2        NOT NULL,
	outcome    int2        NOT NULL, -- 0 unknown, 1 good, 2 bad
	attempts   int2        NOT NULL,
	code       int2        NOT NULL, -- HTTP status or DNS rcode, 0 none
	err_id     int4,                 -- probe_error.id, NULL none
	PRIMARY KEY (check_id, loc, slot)
) PARTITION BY RANGE (slot);

-- The last time a job reported in.
CREATE TABLE heartbeat (
	check_name text        PRIMARY KEY,
	last       timestamptz NOT NULL
);

-- ledger_make_day makes the partition of the UTC day that begins at day; true
-- when it was not there. It attaches a finished table, which unlike PARTITION OF
-- does not wait for readers.
CREATE FUNCTION ledger_make_day(day timestamptz) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	part text := 'probe_result_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
	IF to_regclass(part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE probe_result INCLUDING ALL)', part);
	EXECUTE format('ALTER TABLE probe_result ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		part, day, day + interval '24 hours');
	RETURN true;
EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN
	RETURN false; -- another process made it at the same time
END $$;

-- ledger_drop_before drops the partitions that end at or before cutoff and says
-- how many. It gives up (55P03) rather than hold back the writers.
CREATE FUNCTION ledger_drop_before(cutoff timestamptz) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
	part    text;
	dropped int4 := 0;
BEGIN
	PERFORM set_config('lock_timeout', '2s', true);
	FOR part IN
		SELECT c.relname
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'probe_result'::regclass AND c.relname ~ '^probe_result_\d{8}$'
		AND (substr(c.relname, 14) || ' 00:00:00+00')::timestamptz + interval '24 hours' <= cutoff
		ORDER BY c.relname
	LOOP
		EXECUTE format('DROP TABLE %I', part);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END $$;
