package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/telemetry/event"
)

// Events keeps what New Relic is to be told: it is telemetry's Outbox and
// Ledger. Safe for concurrent use.
type Events struct {
	DB *DB
}

const sqlEventsPut = `
INSERT INTO nr_outbox (event_id, event_type, attrs, occurred_at, put_at)
SELECT e.event_id, e.event_type, e.attrs, e.occurred_at, @now
FROM unnest(@ids::uuid[], @types::text[], @attrs::jsonb[], @times::timestamptz[])
	AS e (event_id, event_type, attrs, occurred_at)
ORDER BY e.event_id
ON CONFLICT (event_id) DO NOTHING`

const sqlEventsDropped = `
INSERT INTO nr_dropped (check_name, location, minute, n)
SELECT d.check_name, d.location, d.minute, d.n
FROM unnest(@checks::text[], @locations::text[], @minutes::timestamptz[], @counts::int4[])
	AS d (check_name, location, minute, n)
ORDER BY d.minute, d.check_name, d.location
ON CONFLICT (minute, check_name, location) DO UPDATE SET n = GREATEST(nr_dropped.n, excluded.n)`

// Put stores a batch in one transaction; events whose ID exists are left alone.
func (s Events) Put(ctx context.Context, b event.Batch, now time.Time) error {
	return s.DB.tx(ctx, func(tx pgx.Tx) error {
		if err := putEvents(ctx, tx, b.Events, now); err != nil {
			return err
		}
		if len(b.Dropped) == 0 {
			return nil
		}
		var checks, locations []string
		var minutes []time.Time
		var counts []int
		for _, d := range b.Dropped {
			checks, locations = append(checks, storable(d.Check)), append(locations, storable(d.Location))
			minutes, counts = append(minutes, d.Minute), append(counts, d.N)
		}
		_, err := tx.Exec(ctx, sqlEventsDropped, pgx.NamedArgs{
			"checks": checks, "locations": locations, "minutes": minutes, "counts": counts,
		})
		if err != nil {
			return fmt.Errorf("count dropped results: %w", err)
		}
		return nil
	})
}

func putEvents(ctx context.Context, tx pgx.Tx, es []event.Event, now time.Time) error {
	if len(es) == 0 {
		return nil
	}
	ids, types := make([]string, len(es)), make([]string, len(es))
	attrs, times := make([]string, len(es)), make([]time.Time, len(es))
	for i, e := range es {
		ids[i], types[i], attrs[i], times[i] = e.ID, e.Type, string(e.Attrs), e.At
	}
	_, err := tx.Exec(ctx, sqlEventsPut, pgx.NamedArgs{"ids": ids, "types": types, "attrs": attrs, "times": times, "now": now})
	if err != nil {
		return fmt.Errorf("put events: %w", err)
	}
	return nil
}

const sqlEventsClaim = `
WITH due AS (
	SELECT w.event_id
	FROM nr_outbox w
	WHERE w.delivered_at IS NULL AND w.lease_until <= @now
	ORDER BY w.lease_until, w.occurred_at, w.event_id
	LIMIT @limit
	FOR UPDATE SKIP LOCKED
)
UPDATE nr_outbox o
SET lease_until = @until, attempts = o.attempts + 1
FROM due
WHERE o.event_id = due.event_id
RETURNING o.event_id::text AS id, o.event_type AS type, o.occurred_at AS at, o.attrs::text AS attrs, o.attempts AS claims`

// Claim leases up to limit waiting events until now+lease: those never claimed
// first, then those freed longest ago; they are returned oldest first.
func (s Events) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]event.Event, error) {
	rows, err := s.DB.pool.Query(ctx, sqlEventsClaim, pgx.NamedArgs{"now": now, "until": now.Add(lease), "limit": limit})
	if err != nil {
		return nil, translate(fmt.Errorf("claim events: %w", err))
	}
	es, err := pgx.CollectRows(rows, pgx.RowToStructByName[event.Event])
	if err != nil {
		return nil, translate(fmt.Errorf("claim events: %w", err))
	}
	slices.SortFunc(es, func(a, b event.Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return es, nil
}

const sqlEventsAck = `
UPDATE nr_outbox o
SET delivered_at = @now, attrs = '{}'
WHERE o.event_id = ANY (@ids::uuid[]) AND o.delivered_at IS NULL`

// Ack notes that New Relic has taken these events.
func (s Events) Ack(ctx context.Context, ids []string, now time.Time) error {
	if _, err := s.DB.pool.Exec(ctx, sqlEventsAck, pgx.NamedArgs{"ids": ids, "now": now}); err != nil {
		return translate(fmt.Errorf("acknowledge events: %w", err))
	}
	return nil
}

const sqlEventsLease = `
UPDATE nr_outbox o
SET lease_until = @until
WHERE o.event_id = ANY (@ids::uuid[]) AND o.delivered_at IS NULL`

// Lease moves the end of the lease of waiting events; a past time frees them.
func (s Events) Lease(ctx context.Context, ids []string, until time.Time) error {
	if _, err := s.DB.pool.Exec(ctx, sqlEventsLease, pgx.NamedArgs{"ids": ids, "until": until}); err != nil {
		return translate(fmt.Errorf("lease events: %w", err))
	}
	return nil
}

const sqlEventsExpire = `
DELETE FROM nr_outbox o
WHERE o.delivered_at IS NULL AND o.occurred_at < @before`

const sqlEventsForget = `
DELETE FROM nr_outbox o
WHERE o.delivered_at IS NOT NULL AND o.occurred_at < @keep`

const sqlDroppedForget = `
DELETE FROM nr_dropped d
WHERE d.minute < @keep`

const sqlToldForget = `
DELETE FROM nr_told t
WHERE t.at < @keep`

// Expire gives up waiting events of before `before` and forgets all else of
// before `keep`; it returns how many were given up.
func (s Events) Expire(ctx context.Context, before, keep time.Time) (int, error) {
	expired := 0
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlEventsExpire, pgx.NamedArgs{"before": before})
		if err != nil {
			return fmt.Errorf("expire events: %w", err)
		}
		expired = int(tag.RowsAffected())
		for _, sql := range []string{sqlEventsForget, sqlDroppedForget, sqlToldForget} {
			if _, err := tx.Exec(ctx, sql, pgx.NamedArgs{"keep": keep}); err != nil {
				return fmt.Errorf("forget old events: %w", err)
			}
		}
		return nil
	})
	return expired, err
}

const sqlEventsPending = `
SELECT count(*), min(o.occurred_at)
FROM nr_outbox o
WHERE o.delivered_at IS NULL`

// Pending returns what waits.
func (s Events) Pending(ctx context.Context) (event.Pending, error) {
	var p event.Pending
	var oldest *time.Time
	if err := s.DB.pool.QueryRow(ctx, sqlEventsPending).Scan(&p.Count, &oldest); err != nil {
		return event.Pending{}, translate(fmt.Errorf("count waiting events: %w", err))
	}
	if oldest != nil {
		p.Oldest = *oldest
	}
	return p, nil
}
