-- A process that only looks whether a partition is there can see it a moment before
-- the others are told to read the parent's list again, and then insert against the old
-- list ("no partition of relation found"). ATTACH holds SHARE UPDATE EXCLUSIVE on the
-- parent until it has told everybody: who takes that lock before it looks may insert
-- afterwards. Writers and readers do not wait for it.

-- ledger_make_day makes the partition of the UTC day that begins at day; true
-- when it was not there. It attaches a finished table, which unlike PARTITION OF
-- does not wait for readers. Once it returns, every session can insert.
CREATE OR REPLACE FUNCTION ledger_make_day(day timestamptz) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	part text := 'probe_result_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
	LOCK TABLE probe_result IN SHARE UPDATE EXCLUSIVE MODE;
	IF to_regclass(part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE probe_result INCLUDING ALL)', part);
	EXECUTE format('ALTER TABLE probe_result ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		part, day, day + interval '24 hours');
	RETURN true;
END $$;

-- span_make_month makes the partition of the UTC month that begins at month; true when
-- it was not there. Once it returns, every session can insert.
CREATE OR REPLACE FUNCTION span_make_month(month timestamptz) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	part text := 'span_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
BEGIN
	LOCK TABLE span IN SHARE UPDATE EXCLUSIVE MODE;
	IF to_regclass(part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE span INCLUDING ALL)', part);
	EXECUTE format('ALTER TABLE span ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		part, month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
	RETURN true;
END $$;

-- gallery_make_month makes the partition of the UTC month that holds an instant;
-- true when it was not there. Once it returns, every session can insert.
CREATE OR REPLACE FUNCTION gallery_make_month(moment timestamptz) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
	part  text := 'photo_view_' || to_char(month, 'YYYYMM');
BEGIN
	LOCK TABLE photo_view IN SHARE UPDATE EXCLUSIVE MODE;
	IF to_regclass(part) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE photo_view INCLUDING ALL)', part);
	EXECUTE format('ALTER TABLE photo_view ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		part, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
	RETURN true;
END $$;
