package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Burns remembers which alarms about error budgets were raised. Safe for concurrent use.
type Burns struct {
	DB *DB
}

const sqlBurnOnce = `
INSERT INTO burn_once (service, alarm, week, raised_at)
VALUES (@service, @alarm, @week, @at)
ON CONFLICT DO NOTHING`

// First notes that an alarm of a service is raised in the week that began at week;
// it tells whether that is the first time.
func (b Burns) First(ctx context.Context, service, alarm string, week, at time.Time) (bool, error) {
	tag, err := b.DB.pool.Exec(ctx, sqlBurnOnce, pgx.NamedArgs{"service": service, "alarm": alarm, "week": week, "at": at})
	if err != nil {
		return false, translate(fmt.Errorf("note an alarm: %w", err))
	}
	return tag.RowsAffected() == 1, nil
}
