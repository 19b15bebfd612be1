package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/reports"
)

// Exclusions keeps what people declared of time that does not count. Every change
// by a person is written into the audit with it. Safe for concurrent use.
type Exclusions struct{ DB *DB }

// ErrNoExclusion is returned for an exclusion that is not there, or cancelled already.
var ErrNoExclusion = errors.New("no such exclusion, or cancelled already")

const sqlExclusions = `
SELECT x.id, x.service, x.kind, x.starts, x.ends, x.declared_at, x.author, x.approver, x.reason, x.cancelled_at
FROM exclusion x
WHERE (cardinality(@services::text[]) = 0 OR x.service = ANY(@services))
AND x.starts < @to
AND x.ends > @from
ORDER BY x.service, x.starts, x.id`

// Exclusions implements [reports.Records].
func (s Reports) Exclusions(ctx context.Context, services []string, from, to time.Time) ([]reports.Exclusion, error) {
	if len(services) == 0 {
		return nil, nil
	}
	return Exclusions(s).Touching(ctx, services, from, to)
}

// Touching returns what was declared and touches [from, to), by service (none: of
// all) and beginning; cancelled ones too.
func (s Exclusions) Touching(ctx context.Context, services []string, from, to time.Time) ([]reports.Exclusion, error) {
	if services == nil {
		services = []string{}
	}
	rows, err := s.DB.pool.Query(ctx, sqlExclusions, pgx.NamedArgs{"services": services, "from": from, "to": to})
	if err != nil {
		return nil, translate(fmt.Errorf("read exclusions: %w", err))
	}
	found, err := pgx.CollectRows(rows, scanExclusion)
	if err != nil {
		return nil, translate(fmt.Errorf("read exclusions: %w", err))
	}
	return found, nil
}

func scanExclusion(row pgx.CollectableRow) (reports.Exclusion, error) {
	var x reports.Exclusion
	var cancelled *time.Time
	err := row.Scan(&x.ID, &x.Service, &x.Kind, &x.From, &x.To, &x.DeclaredAt, &x.Author, &x.Approver, &x.Reason, &cancelled)
	x.Cancelled = instant(cancelled)
	return x, err
}

const sqlExclusion = `
SELECT x.id, x.service, x.kind, x.starts, x.ends, x.declared_at, x.author, x.approver, x.reason, x.cancelled_at
FROM exclusion x
WHERE x.id = @id`

// Get returns one exclusion; [ErrNoExclusion] when there is none.
func (s Exclusions) Get(ctx context.Context, id int64) (reports.Exclusion, error) {
	rows, err := s.DB.pool.Query(ctx, sqlExclusion, pgx.NamedArgs{"id": id})
	if err != nil {
		return reports.Exclusion{}, translate(fmt.Errorf("read exclusion: %w", err))
	}
	x, err := pgx.CollectExactlyOneRow(rows, scanExclusion)
	if errors.Is(err, pgx.ErrNoRows) {
		return x, ErrNoExclusion
	}
	if err != nil {
		return x, translate(fmt.Errorf("read exclusion: %w", err))
	}
	return x, nil
}

const sqlExclusionAdd = `
INSERT INTO exclusion (service, kind, starts, ends, declared_at, author, approver, reason)
VALUES (@service, @kind, @from, @to, @declared, @author, @approver, @reason)
RETURNING id`

// Add keeps a new exclusion and returns its id.
func (s Exclusions) Add(ctx context.Context, x reports.Exclusion) (int64, error) {
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, sqlExclusionAdd, pgx.NamedArgs{
			"service": x.Service, "kind": x.Kind, "from": x.From, "to": x.To, "declared": x.DeclaredAt,
			"author": clean(x.Author), "approver": clean(x.Approver), "reason": clean(x.Reason),
		}).Scan(&x.ID)
		if err != nil {
			return err
		}
		return audit(ctx, tx, x.DeclaredAt, x.Author, x, "declared")
	})
	if err != nil {
		return 0, translate(fmt.Errorf("insert exclusion: %w", err))
	}
	return x.ID, nil
}

// audit writes what was done to an exclusion into the journal of people's changes.
func audit(ctx context.Context, tx pgx.Tx, at time.Time, who string, x reports.Exclusion, what string) error {
	word := "maintenance"
	if x.Kind == reports.Correction {
		word = "correction"
		what += ", approved by " + x.Approver
	}
	_, err := tx.Exec(ctx, sqlAuditAdd, pgx.NamedArgs{
		"at": at.UTC(), "who": clean(shorten(who, 200)), "what": word, "object": clean(shorten(x.Service, 300)),
		"detail": clean(shorten(fmt.Sprintf("%d %s: %s to %s: %s", x.ID, what,
			x.From.UTC().Format(time.RFC3339), x.To.UTC().Format(time.RFC3339), x.Reason), auditDetailMax)),
	})
	return err
}

const sqlExclusionCancel = `
UPDATE exclusion
SET cancelled_at = @at, cancelled_by = @by
WHERE id = @id
AND cancelled_at IS NULL
RETURNING id, service, kind, starts, ends, declared_at, author, approver, reason, cancelled_at`

// Cancel takes an exclusion back from at on; [ErrNoExclusion] when it is not there
// or was taken back already.
func (s Exclusions) Cancel(ctx context.Context, id int64, by string, at time.Time) error {
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlExclusionCancel, pgx.NamedArgs{"id": id, "by": clean(by), "at": at})
		if err != nil {
			return err
		}
		x, err := pgx.CollectExactlyOneRow(rows, scanExclusion)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNoExclusion
		}
		if err != nil {
			return err
		}
		return audit(ctx, tx, at, by, x, "cancelled")
	})
	if err != nil {
		return translate(fmt.Errorf("cancel exclusion: %w", err))
	}
	return nil
}

// FileAuthor is the author of the windows that the configuration declares.
const FileAuthor = "configuration"

const sqlExclusionsOfFile = `
INSERT INTO exclusion (service, kind, starts, ends, declared_at, author, reason, source)
SELECT n.service, 'planned', n.starts, n.ends, @now::timestamptz, 'configuration', n.reason, 'file'
FROM unnest(@services::text[], @starts::timestamptz[], @ends::timestamptz[], @reasons::text[])
	AS n (service, starts, ends, reason)
WHERE NOT EXISTS (
	SELECT FROM exclusion x
	WHERE x.source = 'file' AND x.service = n.service AND x.starts = n.starts AND x.ends = n.ends
	AND x.cancelled_by NOT IN ('', 'configuration')) -- a person took it back
ORDER BY n.service, n.starts
ON CONFLICT DO NOTHING`

// What has begun stays: it was announced, and may not be unsaid afterwards.
const sqlExclusionsNoLonger = `
UPDATE exclusion
SET cancelled_at = @now, cancelled_by = 'configuration'
WHERE source = 'file'
AND cancelled_at IS NULL
AND starts > @now
AND NOT EXISTS (
	SELECT FROM unnest(@services::text[], @starts::timestamptz[], @ends::timestamptz[]) AS n (service, starts, ends)
	WHERE n.service = exclusion.service AND n.starts = exclusion.starts AND n.ends = exclusion.ends)`

// ApplyFile makes the windows of the configuration those that are declared at now:
// new ones are declared, and those that have not begun and are no longer in it are
// cancelled. Applying twice changes nothing.
func (s Exclusions) ApplyFile(ctx context.Context, windows []reports.Exclusion, now time.Time) error {
	services, reasons := []string{}, []string{}
	starts, ends := []time.Time{}, []time.Time{}
	for _, x := range windows {
		services, reasons = append(services, x.Service), append(reasons, clean(x.Reason))
		starts, ends = append(starts, x.From), append(ends, x.To)
	}
	args := pgx.NamedArgs{"services": services, "starts": starts, "ends": ends, "reasons": reasons, "now": now}
	err := s.DB.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlExclusionsNoLonger, args); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlExclusionsOfFile, args)
		return err
	})
	if err != nil {
		return translate(fmt.Errorf("apply the file's windows: %w", err))
	}
	return nil
}
