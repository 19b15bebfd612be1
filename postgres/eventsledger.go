package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/telemetry/event"
)

// minutesMark is the mark's key; another source of derived events would have its own.
const minutesMark = "minutes"

const sqlEventsMark = `
SELECT m.at
FROM nr_mark m
WHERE m.source = @source`

// Mark returns the start of the first minute not yet summarised; zero when none was.
func (s Events) Mark(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.DB.pool.QueryRow(ctx, sqlEventsMark, pgx.NamedArgs{"source": minutesMark}).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, translate(fmt.Errorf("read mark: %w", err))
	}
	return at, nil
}

// A minute of a check is complete after `wait`: one minute, or one slot when
// slots are longer. Asking by that, not by the minute itself, gives each result
// to exactly one window, whatever the length of its slot; asking per location
// lets the primary key answer.
const sqlEventsMinutes = `
WITH watched AS (
	SELECT r.check_id, l.loc, r.valid_from, r.valid_to,
	       GREATEST(ceil(r.slot_ms / 60000.0), 1) * interval '1 minute' AS wait
	FROM check_rev r CROSS JOIN LATERAL unnest(r.locations) AS l (loc)
), seen AS (
	SELECT p.check_id, p.loc, date_trunc('minute', p.slot, 'UTC') AS minute, p.slot, p.outcome, p.latency_us,
	       e.cause, NULLIF(e.message, '') AS message
	FROM watched w
	JOIN probe_result p ON p.check_id = w.check_id AND p.loc = w.loc
		AND p.slot >= @from::timestamptz - w.wait AND p.slot < @to::timestamptz - w.wait
		AND p.slot >= w.valid_from AND (w.valid_to IS NULL OR p.slot < w.valid_to)
	LEFT JOIN probe_error e ON e.id = p.err_id
	WHERE w.valid_to IS NULL OR w.valid_to > @from::timestamptz - w.wait
), summed AS (
	SELECT s.check_id, s.loc, s.minute,
	       count(*) AS total,
	       count(*) FILTER (WHERE s.outcome = 1) AS good,
	       count(*) FILTER (WHERE s.outcome = 2) AS bad,
	       count(*) FILTER (WHERE s.outcome = 0) AS unknown,
	       count(*) FILTER (WHERE s.outcome = 0 AND s.cause = 'suspect') AS suspect,
	       COALESCE(min(s.latency_us) FILTER (WHERE s.outcome <> 0), 0) AS lowest,
	       COALESCE(avg(s.latency_us) FILTER (WHERE s.outcome <> 0), 0)::int8 AS mean,
	       COALESCE(percentile_disc(0.95) WITHIN GROUP (ORDER BY s.latency_us) FILTER (WHERE s.outcome <> 0), 0) AS p95,
	       COALESCE(max(s.latency_us) FILTER (WHERE s.outcome <> 0), 0) AS highest,
	       COALESCE((array_agg(s.message ORDER BY s.slot) FILTER (WHERE s.message IS NOT NULL))[1], '') AS first_error
	FROM seen s
	GROUP BY s.check_id, s.loc, s.minute
)
SELECT c.name, l.name, m.minute, m.total, m.good, m.bad, m.unknown, m.suspect,
       m.lowest, m.mean, m.p95, m.highest, m.first_error, COALESCE(d.n, 0)
FROM summed m
JOIN checks c ON c.id = m.check_id
JOIN location l ON l.id = m.loc
LEFT JOIN nr_dropped d ON d.minute = m.minute AND d.check_name = c.name AND d.location = l.name
ORDER BY m.minute, c.name, l.name`

// Minutes returns the summaries that became complete in [from, to), both full minutes.
func (s Events) Minutes(ctx context.Context, from, to time.Time) ([]event.Minute, error) {
	rows, err := s.DB.pool.Query(ctx, sqlEventsMinutes, pgx.NamedArgs{"from": from, "to": to})
	if err != nil {
		return nil, translate(fmt.Errorf("read minutes: %w", err))
	}
	ms, err := pgx.CollectRows(rows, scanMinute)
	if err != nil {
		return nil, translate(fmt.Errorf("read minutes: %w", err))
	}
	return ms, nil
}

func scanMinute(row pgx.CollectableRow) (event.Minute, error) {
	var m event.Minute
	var lowest, mean, p95, highest int64 // microseconds
	err := row.Scan(&m.Check, &m.Location, &m.Minute, &m.Total, &m.Good, &m.Bad, &m.Unknown, &m.Suspect,
		&lowest, &mean, &p95, &highest, &m.FirstError, &m.RawDropped)
	m.Min, m.Avg = time.Duration(lowest)*time.Microsecond, time.Duration(mean)*time.Microsecond
	m.P95, m.Max = time.Duration(p95)*time.Microsecond, time.Duration(highest)*time.Microsecond
	return m, err
}

const sqlEventsFirstMark = `
INSERT INTO nr_mark (source, at)
VALUES (@source, @to)
ON CONFLICT (source) DO NOTHING`

const sqlEventsMoveMark = `
UPDATE nr_mark m
SET at = @to
WHERE m.source = @source AND m.at = @from`

// Summarised stores events and moves the mark from `from` (zero: there was none)
// to `to` in one transaction; when the mark is no longer at `from` nothing changes.
func (s Events) Summarised(ctx context.Context, from, to time.Time, es []event.Event) error {
	sql := sqlEventsMoveMark
	args := pgx.NamedArgs{"source": minutesMark, "from": from, "to": to}
	if from.IsZero() {
		sql = sqlEventsFirstMark
		delete(args, "from")
	}
	return s.DB.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, args)
		if err != nil {
			return fmt.Errorf("move mark: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return nil // another process was quicker
		}
		return putEvents(ctx, tx, es, to)
	})
}

const sqlEventsUntold = `
SELECT e.incident_id AS incident, e.seq AS seq, e.at AS at, e.kind AS kind, e.person AS person, e.body AS text,
       COALESCE(i.service, '') AS service, COALESCE(i.summary, '') AS summary, COALESCE(i.level, 0) AS level,
       i.opened_at, i.acknowledged_at, i.resolved_at, COALESCE(i.policy->>'name', '') AS policy
FROM incident_event e
LEFT JOIN incident i ON i.id = e.incident_id
WHERE e.at >= @since
	AND NOT EXISTS (SELECT FROM nr_told t WHERE t.incident_id = e.incident_id AND t.seq = e.seq)
ORDER BY e.at, e.incident_id, e.seq
LIMIT @limit`

// Untold returns up to limit timeline entries since `since` that were not told yet, oldest first.
func (s Events) Untold(ctx context.Context, since time.Time, limit int) ([]event.Transition, error) {
	rows, err := s.DB.pool.Query(ctx, sqlEventsUntold, pgx.NamedArgs{"since": since, "limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("read untold entries: %w", err))
	}
	ts, err := pgx.CollectRows(rows, scanTransition)
	if err != nil {
		return nil, translate(fmt.Errorf("read untold entries: %w", err))
	}
	return ts, nil
}

func scanTransition(row pgx.CollectableRow) (event.Transition, error) {
	var t event.Transition
	var opened, acknowledged, resolved *time.Time
	err := row.Scan(&t.Incident, &t.Seq, &t.At, &t.Kind, &t.Person, &t.Text, &t.Service, &t.Summary, &t.Level,
		&opened, &acknowledged, &resolved, &t.Policy)
	t.Opened, t.Acknowledged, t.Resolved = instant(opened), instant(acknowledged), instant(resolved)
	return t, err
}

const sqlEventsTold = `
INSERT INTO nr_told (incident_id, seq, at)
SELECT t.incident_id, t.seq, t.at
FROM unnest(@incidents::text[], @seqs::int8[], @times::timestamptz[]) AS t (incident_id, seq, at)
ORDER BY t.incident_id, t.seq
ON CONFLICT (incident_id, seq) DO NOTHING`

// Told stores events and notes in one transaction that these entries were told.
func (s Events) Told(ctx context.Context, ts []event.Transition, es []event.Event, now time.Time) error {
	incidents, seqs, times := make([]string, len(ts)), make([]int64, len(ts)), make([]time.Time, len(ts))
	for i, t := range ts {
		incidents[i], seqs[i], times[i] = t.Incident, t.Seq, t.At
	}
	return s.DB.tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sqlEventsTold, pgx.NamedArgs{"incidents": incidents, "seqs": seqs, "times": times})
		if err != nil {
			return fmt.Errorf("note told entries: %w", err)
		}
		return putEvents(ctx, tx, es, now)
	})
}
