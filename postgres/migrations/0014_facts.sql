-- Time that does not count, and the integer facts of frozen weeks.

-- What people declared: maintenance before it begins, corrections afterwards. A row
-- is never changed but to be cancelled, and never deleted: figures hang on it.
CREATE TABLE exclusion (
	id           int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	service      text        NOT NULL,
	kind         text        NOT NULL CHECK (kind IN ('planned', 'correction')),
	starts       timestamptz NOT NULL,
	ends         timestamptz NOT NULL,
	declared_at  timestamptz NOT NULL,
	author       text        NOT NULL CHECK (author <> ''),
	approver     text        NOT NULL DEFAULT '',
	reason       text        NOT NULL CHECK (reason <> ''),
	source       text        NOT NULL DEFAULT '', -- '' a person, 'file' the configuration
	cancelled_at timestamptz,
	cancelled_by text        NOT NULL DEFAULT '',
	CHECK (starts < ends),
	CHECK (kind = 'planned' OR (approver <> '' AND lower(approver) <> lower(author)))
);
CREATE INDEX exclusion_service ON exclusion (service, starts);
CREATE INDEX exclusion_ends ON exclusion (ends);
-- The file is applied again and again: each of its windows is declared once.
CREATE UNIQUE INDEX exclusion_file ON exclusion (service, starts, ends) WHERE source = 'file' AND cancelled_at IS NULL;

CREATE FUNCTION exclusion_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND OLD.cancelled_at IS NULL AND NEW.cancelled_at IS NOT NULL
		AND (to_jsonb(NEW) - 'cancelled_at' - 'cancelled_by') = (to_jsonb(OLD) - 'cancelled_at' - 'cancelled_by') THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION 'what was declared is never changed: cancel it and declare anew';
END $$;
CREATE TRIGGER exclusion_kept BEFORE UPDATE OR DELETE ON exclusion
	FOR EACH ROW EXECUTE FUNCTION exclusion_kept();

-- The facts of each service's frozen week, for trends; the report itself is in
-- weekly_report. Written once.
CREATE TABLE slo_week (
	zone       text        NOT NULL,
	iso_year   int2        NOT NULL,
	iso_week   int2        NOT NULL,
	service    text        NOT NULL,
	revision   int4        NOT NULL CHECK (revision > 0),
	target_ppm int4        NOT NULL,
	good_ms    int8        NOT NULL,
	bad_ms     int8        NOT NULL,
	unk_ms     int8        NOT NULL,
	excl_ms    int8        NOT NULL,
	facts_sha  text        NOT NULL, -- '' in reports from before it
	engine     text        NOT NULL,
	tzdata     text        NOT NULL,
	frozen_at  timestamptz NOT NULL,
	why        text        NOT NULL,
	PRIMARY KEY (zone, iso_year, iso_week, service, revision)
);

-- When a revision was found to hold a day after its week's end.
CREATE TABLE weekly_final (
	week         text        NOT NULL,
	zone         text        NOT NULL,
	revision     int4        NOT NULL,
	finalised_at timestamptz NOT NULL,
	PRIMARY KEY (week, zone, revision)
);

CREATE FUNCTION frozen_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'facts of a frozen week are never changed: write the next revision';
END $$;
CREATE TRIGGER slo_week_frozen BEFORE UPDATE OR DELETE ON slo_week
	FOR EACH ROW EXECUTE FUNCTION frozen_facts();
CREATE TRIGGER weekly_final_frozen BEFORE UPDATE OR DELETE ON weekly_final
	FOR EACH ROW EXECUTE FUNCTION frozen_facts();

-- The facts of reports that were written before this table was there. A zero
-- character, which a cause may hold as JSON and no text may, is left out.
INSERT INTO slo_week (zone, iso_year, iso_week, service, revision, target_ppm, good_ms, bad_ms, unk_ms, excl_ms,
	facts_sha, engine, tzdata, frozen_at, why)
SELECT w.zone, substr(w.week, 1, 4)::int2, substr(w.week, 7, 2)::int2, s ->> 'name', w.revision,
	(s ->> 'objective_ppm')::int4, (s ->> 'good_ms')::int8, (s ->> 'bad_ms')::int8,
	(s ->> 'unknown_ms')::int8, (s ->> 'excluded_ms')::int8, '', '', '', w.written_at, 'written before facts were kept apart'
FROM weekly_report w,
	json_array_elements(regexp_replace(w.body, '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g')::json -> 'services') s
ON CONFLICT DO NOTHING;

-- Results that come late for a week that was written. late_result counts them: a reader
-- that sees another number looks at the written weeks again.
CREATE SEQUENCE late_result;
CREATE TABLE frozen_until (
	one  bool PRIMARY KEY DEFAULT true CHECK (one),
	ends timestamptz NOT NULL -- of the newest week that was written
);
INSERT INTO frozen_until (ends)
SELECT COALESCE(max(w.written_at), '-infinity')
FROM weekly_report w;

CREATE FUNCTION late_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM fresh f, frozen_until u WHERE f.from_at < u.ends) THEN
		PERFORM nextval('late_result');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER late_note AFTER INSERT ON fold_mark
	REFERENCING NEW TABLE AS fresh
	FOR EACH STATEMENT EXECUTE FUNCTION late_note();
