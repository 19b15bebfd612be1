package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/oncall"
)

const sqlRings = `
SELECT person, incident_id AS incident, accepted_at AS at
FROM outbox
WHERE accepted_at >= @from
    AND accepted_at < @to
    AND action = 'trigger'
    AND person <> ''
    AND channel <> ALL (@quiet::text[])
ORDER BY person, accepted_at, id
LIMIT @limit`

// ringLimit bounds the pages of one list: a month with 10,000 is no month to be counted.
const ringLimit = 10_000

// Rings returns the pages that were accepted for people in [from, to), but for those
// through the channels that ring nobody.
func (s Incidents) Rings(ctx context.Context, from, to time.Time, quiet []string) ([]oncall.Ring, error) {
	if quiet == nil {
		quiet = []string{}
	}
	rows, err := s.DB.pool.Query(ctx, sqlRings, pgx.NamedArgs{"from": from.UTC(), "to": to.UTC(), "quiet": quiet, "limit": ringLimit})
	if err != nil {
		return nil, translate(fmt.Errorf("read pages of people: %w", err))
	}
	rings, err := pgx.CollectRows(rows, pgx.RowToStructByName[oncall.Ring])
	if err != nil {
		return nil, translate(fmt.Errorf("read pages of people: %w", err))
	}
	return rings, nil
}
