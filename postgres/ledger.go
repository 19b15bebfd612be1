package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/probe"
)

// daysAhead is how many days have their partition before they begin.
const daysAhead = 7

// monthsAhead is how many months of spans have their partition before they begin.
const monthsAhead = 2

// maintainLock is the advisory lock of MaintainPartitions.
const maintainLock = 0x6b77_0002

const sqlTryMaintain = `SELECT pg_try_advisory_xact_lock(@key)`

// MaintainPartitions makes the partitions of today (UTC) and the next 7 days, and
// those of spans for this month and the next two. Days of results that ended keepDays or
// more before the beginning of today are archived in blocks without loss, and their
// partitions dropped; keepDays 0 or less keeps everything. When another
// process is at it, nothing is done. A drop that would have to wait for long
// readers is left for the next time.
func (r *Results) MaintainPartitions(ctx context.Context, now time.Time, keepDays int) (created, dropped int, err error) {
	today := now.UTC().Truncate(day)
	err = r.DB.tx(ctx, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, sqlTryMaintain, pgx.NamedArgs{"key": maintainLock}).Scan(&mine); err != nil || !mine {
			return err
		}
		for i := range daysAhead + 1 {
			var made bool
			args := pgx.NamedArgs{"day": today.AddDate(0, 0, i)}
			if err := tx.QueryRow(ctx, sqlMakeDay, args).Scan(&made); err != nil {
				return err
			}
			if made {
				created++
			}
		}
		for i := range monthsAhead + 1 {
			var made bool
			args := pgx.NamedArgs{"month": monthOf(today).AddDate(0, i, 0)}
			if err := tx.QueryRow(ctx, sqlMakeSpanMonth, args).Scan(&made); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("make partitions: %w", err)
	}
	if keepDays <= 0 {
		return created, 0, nil
	}
	dropped, err = r.dropBefore(ctx, now.UTC(), today.AddDate(0, 0, -keepDays))
	if err != nil {
		return created, dropped, translate(fmt.Errorf("archive and drop partitions: %w", err))
	}
	return created, dropped, nil
}

// stored is a row of the ledger with its names and its explanation.
type stored struct {
	CheckName string
	Location  string
	Slot      time.Time
	LatencyUS int64 `db:"latency_us"`
	Outcome   int16
	Attempts  int
	Code      int
	Cause     string
	Class     string
	Phase     string
	Message   string
	Body      []byte
}

func (s *stored) result() probe.Result {
	return probe.Result{
		Check: s.CheckName, Location: s.Location, Slot: s.Slot, Round: s.Slot.UnixNano(),
		Outcome: probe.Outcome(s.Outcome), Cause: s.Cause, Attempts: s.Attempts,
		Look: probe.Look{
			OK:    s.Outcome == int16(probe.Good),
			Blind: s.Cause == "blind",
			Code:  s.Code, Latency: time.Duration(s.LatencyUS) * time.Microsecond,
			Fault: probe.Fault{Class: probe.Class(s.Class), Phase: s.Phase, Message: s.Message, Body: s.Body},
		},
	}
}

const sqlLastResult = `
SELECT c.name AS check_name, l.name AS location, r.slot, r.latency_us::int8, r.outcome,
	r.attempts::int8 AS attempts, r.code::int8 AS code, COALESCE(e.cause, '') AS cause, COALESCE(e.class, '') AS class,
	COALESCE(e.phase, '') AS phase, COALESCE(e.message, '') AS message, e.body
FROM checks c
JOIN location l ON l.name = @location
JOIN probe_result r ON r.check_id = c.id AND r.loc = l.id
LEFT JOIN probe_error e ON e.id = r.err_id
WHERE c.name = @check
ORDER BY r.slot DESC
LIMIT 1`

// Last returns the newest stored result of a check from a location, or
// [ErrNotFound]. What the ledger does not keep (phases, bytes, address,
// certificate, the start and the lag) is zero.
func (r *Results) Last(ctx context.Context, check, location string) (probe.Result, error) {
	rows, err := r.DB.pool.Query(ctx, sqlLastResult, pgx.NamedArgs{"check": check, "location": location})
	if err != nil {
		return probe.Result{}, translate(fmt.Errorf("last result: %w", err))
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[stored])
	if err != nil {
		return probe.Result{}, translate(fmt.Errorf("last result: %w", err))
	}
	return s.result(), nil
}

const sqlRecentResults = `
SELECT c.name AS check_name, l.name AS location, r.slot, r.latency_us::int8, r.outcome,
	r.attempts::int8 AS attempts, r.code::int8 AS code, COALESCE(e.cause, '') AS cause, COALESCE(e.class, '') AS class,
	COALESCE(e.phase, '') AS phase, COALESCE(e.message, '') AS message, e.body
FROM checks c
JOIN probe_result r ON r.check_id = c.id
JOIN location l ON l.id = r.loc
LEFT JOIN probe_error e ON e.id = r.err_id
WHERE c.name = @check AND r.slot >= @since
ORDER BY r.slot DESC, l.name
LIMIT @limit`

// Recent returns the stored results of a check in slots from since on, newest
// first, at most limit. Fields are filled as by [Results.Last].
func (r *Results) Recent(ctx context.Context, check string, since time.Time, limit int) ([]probe.Result, error) {
	rows, err := r.DB.pool.Query(ctx, sqlRecentResults, pgx.NamedArgs{"check": check, "since": since, "limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("recent results: %w", err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[stored])
	if err != nil {
		return nil, translate(fmt.Errorf("recent results: %w", err))
	}
	rs := make([]probe.Result, 0, len(found))
	for _, s := range found {
		rs = append(rs, s.result())
	}
	return rs, nil
}

const sqlSaveBeat = `
INSERT INTO heartbeat (check_name, last)
VALUES (@check, @at)
ON CONFLICT (check_name) DO UPDATE SET last = GREATEST(heartbeat.last, EXCLUDED.last)`

// SaveBeat remembers that the job of a heartbeat check reported in at (UTC). An
// older time than the one known changes nothing.
func (r *Results) SaveBeat(ctx context.Context, check string, at time.Time) error {
	if _, err := r.DB.pool.Exec(ctx, sqlSaveBeat, pgx.NamedArgs{"check": check, "at": at}); err != nil {
		return translate(fmt.Errorf("save heartbeat: %w", err))
	}
	return nil
}

const sqlBeats = `
SELECT h.check_name, h.last
FROM heartbeat h
ORDER BY h.check_name`

// Beats returns the last heartbeat of every check that ever had one.
func (r *Results) Beats(ctx context.Context) (map[string]time.Time, error) {
	type row struct {
		CheckName string
		Last      time.Time
	}
	rows, err := r.DB.pool.Query(ctx, sqlBeats)
	if err != nil {
		return nil, translate(fmt.Errorf("read heartbeats: %w", err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, translate(fmt.Errorf("read heartbeats: %w", err))
	}
	beats := make(map[string]time.Time, len(found))
	for _, f := range found {
		beats[f.CheckName] = f.Last
	}
	return beats, nil
}
