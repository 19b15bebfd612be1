package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/alerting"
)

// Silences remembers the silences that people make while the daemon runs.
type Silences struct{ DB *DB }

// silenceLimit bounds a list of silences; the newest are kept.
const silenceLimit = 1_000

const sqlAddSilence = `
INSERT INTO silence (service, check_name, location, begins, ends, made_by, reason, created)
VALUES (@service, @check, @location, @begins, @ends, @made_by, @reason, @created)
RETURNING id`

// Add stores a silence and returns it with its ID. The running daemon follows
// within seconds.
func (s Silences) Add(ctx context.Context, v alerting.Silence) (alerting.Silence, error) {
	var id int64
	err := s.DB.pool.QueryRow(ctx, sqlAddSilence, pgx.NamedArgs{
		"service": clean(v.Service), "check": clean(v.Check), "location": clean(v.Location),
		"begins": v.From.UTC(), "ends": v.To.UTC(),
		"made_by": clean(v.By), "reason": clean(v.Reason), "created": v.Created.UTC(),
	}).Scan(&id)
	if err != nil {
		return v, translate(fmt.Errorf("add silence: %w", err))
	}
	v.ID = silencePrefix + strconv.FormatInt(id, 10)
	return v, nil
}

// silencePrefix begins the IDs of silences of the table: "s12".
const silencePrefix = "s"

const sqlEndSilence = `
UPDATE silence
SET ended = @now, ended_by = @by
WHERE id = @id
  AND ended IS NULL
  AND ends > @now`

// End ends a silence ("s12") from now on and reports whether there was one that held.
func (s Silences) End(ctx context.Context, id, by string, now time.Time) (bool, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, silencePrefix), 10, 64)
	if err != nil {
		return false, nil //nolint:nilerr // no silence has such an ID
	}
	tag, err := s.DB.pool.Exec(ctx, sqlEndSilence, pgx.NamedArgs{"id": n, "by": clean(by), "now": now.UTC()})
	if err != nil {
		return false, translate(fmt.Errorf("end silence: %w", err))
	}
	return tag.RowsAffected() == 1, nil
}

const sqlSilences = `
SELECT id, service, check_name, location, begins, ends, made_by, reason, created, ended, ended_by
FROM silence
WHERE ends > @since
ORDER BY id DESC
LIMIT @limit`

// List returns the silences that end after an instant, ended ones too, newest first.
func (s Silences) List(ctx context.Context, since time.Time) ([]alerting.Silence, error) {
	rows, err := s.DB.pool.Query(ctx, sqlSilences, pgx.NamedArgs{"since": since.UTC(), "limit": silenceLimit})
	if err != nil {
		return nil, translate(fmt.Errorf("list silences: %w", err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (alerting.Silence, error) {
		var v alerting.Silence
		var id int64
		var begins, ends, created, ended *time.Time
		err := row.Scan(&id, &v.Service, &v.Check, &v.Location, &begins, &ends, &v.By, &v.Reason, &created, &ended, &v.EndedBy)
		v.ID = silencePrefix + strconv.FormatInt(id, 10)
		v.From, v.To, v.Created, v.Ended = instant(begins), instant(ends), instant(created), instant(ended)
		return v, err
	})
	if err != nil {
		return nil, translate(fmt.Errorf("list silences: %w", err))
	}
	return list, nil
}
