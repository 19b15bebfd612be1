-- What results fold to: verdict spans, facts and latencies of a day, the lives of
-- probers, blocks of archived results. Days are UTC days; all of a check's day is folded
-- up to slo_day.until, and later slots are folded by readers from the results.

-- Who folds. One row; a holder that has not renewed it for a while may be replaced. The
-- row is updated in each transaction that folds, so two can never fold at once.
CREATE TABLE fold_lease (
	one     bool PRIMARY KEY DEFAULT true CHECK (one),
	holder  text        NOT NULL,
	epoch   int8        NOT NULL,
	renewed timestamptz NOT NULL
);
INSERT INTO fold_lease (holder, epoch, renewed) VALUES ('', 0, 'epoch');

-- Slots of a check that changed after they were folded, or may have. Whoever inserts
-- results without folding them writes them here by the triggers below.
CREATE TABLE fold_mark (
	id       int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	check_id int4        NOT NULL,
	from_at  timestamptz NOT NULL,
	to_at    timestamptz NOT NULL
);
CREATE INDEX fold_mark_check ON fold_mark (check_id);

-- Facts of a check's UTC day up to until.
CREATE TABLE slo_day (
	check_id    int4        NOT NULL,
	day         timestamptz NOT NULL,
	until       timestamptz NOT NULL,
	good_ms     int4        NOT NULL,
	bad_ms      int4        NOT NULL,
	unknown_ms  int4        NOT NULL,
	probes      int4        NOT NULL,
	good_probes int4        NOT NULL,
	soft_fail   int4        NOT NULL,
	softs       bytea       NOT NULL, -- starts of the slots of soft failures, ms from the one before, as varints
	PRIMARY KEY (check_id, day),
	CHECK (good_ms + bad_ms + unknown_ms = extract(epoch FROM until - day) * 1000)
) WITH (fillfactor = 70);

-- Runs of equal verdicts, cut at midnight UTC, without gap or overlap over [day, until)
-- for scope 0 (the verdict) and each location that was asked. Monthly partitions
-- span_YYYYMM (UTC), made by span_make_month.
CREATE TABLE span (
	starts    timestamptz NOT NULL,
	check_id  int4        NOT NULL,
	dur_ms    int4,                 -- NULL: open, it ends at slo_day.until
	scope     int2        NOT NULL, -- 0 verdict, else location.id
	state     int2        NOT NULL, -- 0 unknown, 1 good, 2 bad
	cause     text,                 -- of a bad span the first error, of an unknown one why
	locations text,                 -- that failed, sorted, one a line
	PRIMARY KEY (check_id, scope, starts)
) PARTITION BY RANGE (starts);
CREATE INDEX span_not_good ON span (starts) WHERE scope = 0 AND state <> 1;
CREATE INDEX span_open ON span (check_id) WHERE dur_ms IS NULL;

-- Latencies of good looks: reports.Histogram's bytes.
CREATE TABLE latency_hist (
	check_id int4        NOT NULL,
	day      timestamptz NOT NULL,
	loc      int2        NOT NULL,
	n        int4        NOT NULL,
	hist     bytea       NOT NULL,
	PRIMARY KEY (check_id, day, loc)
) WITH (fillfactor = 70);

-- When a prober lived: ends is its last word. Why is running (then it was lost at ends,
-- unless it lives) or shutdown.
CREATE TABLE agent_span (
	agent  text        NOT NULL,
	loc    int2        NOT NULL,
	starts timestamptz NOT NULL,
	ends   timestamptz NOT NULL,
	why    text        NOT NULL,
	PRIMARY KEY (agent, loc, starts)
) WITH (fillfactor = 50);
CREATE INDEX agent_span_ends ON agent_span (ends);

-- An hour of results of a check from a location, without loss: ledger.Block's bytes.
-- Written from a partition just before it is dropped.
CREATE TABLE probe_block (
	check_id int4        NOT NULL,
	loc      int2        NOT NULL,
	hour     timestamptz NOT NULL,
	n        int4        NOT NULL,
	body     bytea       NOT NULL,
	PRIMARY KEY (check_id, loc, hour)
);

-- span_make_month makes the partition of the UTC month that begins at month; true when
-- it was not there.
CREATE FUNCTION span_make_month(month timestamptz) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	part text := 'span_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
BEGIN
	IF to_regclass(part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE span INCLUDING ALL)', part);
	EXECUTE format('ALTER TABLE span ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		part, month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
	RETURN true;
EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN
	RETURN false; -- another process made it at the same time
END $$;

-- fold_note marks what was inserted, unless the transaction folds it itself.
CREATE FUNCTION fold_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('keepwatch.folds', true) = 'on' THEN
		RETURN NULL;
	END IF;
	INSERT INTO fold_mark (check_id, from_at, to_at)
	SELECT f.check_id, min(f.slot), max(f.slot) + interval '1 millisecond'
	FROM fresh f
	GROUP BY f.check_id, date_trunc('day', f.slot, 'UTC');
	RETURN NULL;
END $$;

CREATE TRIGGER fold_note AFTER INSERT ON probe_result
	REFERENCING NEW TABLE AS fresh
	FOR EACH STATEMENT EXECUTE FUNCTION fold_note();

-- fold_configured marks what another configuration may have changed.
CREATE FUNCTION fold_configured() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz;
BEGIN
	since := CASE TG_OP
		WHEN 'INSERT' THEN NEW.valid_from
		WHEN 'DELETE' THEN OLD.valid_from
		ELSE LEAST(
			CASE WHEN (OLD.valid_from, OLD.slot_ms, OLD.locations, OLD.k) IS DISTINCT FROM (NEW.valid_from, NEW.slot_ms, NEW.locations, NEW.k)
				THEN LEAST(OLD.valid_from, NEW.valid_from) END,
			CASE WHEN OLD.valid_to IS DISTINCT FROM NEW.valid_to THEN LEAST(OLD.valid_to, NEW.valid_to) END)
	END;
	IF since IS NOT NULL THEN
		INSERT INTO fold_mark (check_id, from_at, to_at)
		VALUES (COALESCE(NEW.check_id, OLD.check_id), since, '9999-01-01 00:00:00+00');
	END IF;
	RETURN NULL;
END $$;

CREATE TRIGGER fold_configured AFTER INSERT OR UPDATE OR DELETE ON check_rev
	FOR EACH ROW EXECUTE FUNCTION fold_configured();

-- What was recorded before today is folded bit by bit; until then readers fold it.
INSERT INTO fold_mark (check_id, from_at, to_at)
SELECT v.check_id, min(v.valid_from), '9999-01-01 00:00:00+00'
FROM check_rev v
GROUP BY v.check_id;

-- The days whose results were archived in blocks.
CREATE TABLE probe_archive (
	day     timestamptz PRIMARY KEY,
	results int8        NOT NULL, -- by now, late ones included
	bytes   int8        NOT NULL, -- of the blocks' bodies
	at      timestamptz NOT NULL
);

-- ledger_drop_archived drops the partition of the UTC day that begins at day when it
-- holds as many results as were archived. It returns how many it holds, or -1 when there
-- is none, and gives up (55P03) rather than hold back the writers.
CREATE FUNCTION ledger_drop_archived(day timestamptz, archived int8) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
	part text := 'probe_result_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
	n    int8;
BEGIN
	IF to_regclass(part) IS NULL THEN
		RETURN -1;
	END IF;
	PERFORM set_config('lock_timeout', '2s', true);
	EXECUTE format('LOCK TABLE %I IN SHARE MODE', part); -- nobody inserts any more
	EXECUTE format('SELECT count(slot) FROM %I', part) INTO n;
	IF n = archived THEN
		EXECUTE format('DROP TABLE %I', part);
	END IF;
	RETURN n;
END $$;
