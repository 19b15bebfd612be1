-- Frozen weekly reports. A figure once printed never changes: a row is written once,
-- and later facts make the next revision.

CREATE TABLE weekly_report (
	week       text        NOT NULL, -- ISO week, 2026-W47
	zone       text        NOT NULL, -- IANA zone in which the week was counted
	revision   int4        NOT NULL CHECK (revision > 0),
	body       text        NOT NULL, -- the report as JSON, byte for byte
	sha        bytea       NOT NULL, -- SHA-256 of body
	written_at timestamptz NOT NULL,
	PRIMARY KEY (week, zone, revision)
);

CREATE FUNCTION weekly_report_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'a written report is never changed: write the next revision';
END $$;

CREATE TRIGGER weekly_report_frozen BEFORE UPDATE OR DELETE ON weekly_report
	FOR EACH ROW EXECUTE FUNCTION weekly_report_frozen();
