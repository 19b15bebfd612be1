package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/probe"
)

// storable makes a text that Postgres accepts of whatever a server answered:
// valid UTF-8 without NUL.
func storable(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

const sqlNewChecks = `
INSERT INTO checks (name)
SELECT n.name FROM unnest(@names::text[]) AS n (name)
WHERE NOT EXISTS (SELECT FROM checks c WHERE c.name = n.name)
ORDER BY n.name
ON CONFLICT (name) DO NOTHING`

const sqlCheckIDs = `
SELECT c.name, c.id
FROM checks c
WHERE c.name = ANY (@names::text[])
ORDER BY c.name`

const sqlNewLocations = `
INSERT INTO location (name)
SELECT n.name FROM unnest(@names::text[]) AS n (name)
WHERE NOT EXISTS (SELECT FROM location l WHERE l.name = n.name)
ORDER BY n.name
ON CONFLICT (name) DO NOTHING`

const sqlLocationIDs = `
SELECT l.name, l.id
FROM location l
WHERE l.name = ANY (@names::text[])
ORDER BY l.name`

// learnNames makes sure that the ids of all names in rs are in memory.
func (r *Results) learnNames(ctx context.Context, rs []probe.Result) error {
	checks, locations := map[string]struct{}{}, map[string]struct{}{}
	r.mu.Lock()
	for i := range rs {
		if rs[i].Extra {
			continue
		}
		if _, ok := r.checks[rs[i].Check]; !ok {
			checks[rs[i].Check] = struct{}{}
		}
		if _, ok := r.locations[rs[i].Location]; !ok {
			locations[rs[i].Location] = struct{}{}
		}
	}
	r.mu.Unlock()
	return r.learn(ctx, slices.Sorted(maps.Keys(checks)), slices.Sorted(maps.Keys(locations)))
}

// learn gives every name an id and remembers them.
func (r *Results) learn(ctx context.Context, checks, locations []string) error {
	if len(checks) > 0 {
		ids, err := nameIDs[int32](ctx, r.DB, sqlNewChecks, sqlCheckIDs, checks)
		if err != nil {
			return fmt.Errorf("look up checks: %w", err)
		}
		r.mu.Lock()
		r.checks = merged(r.checks, ids)
		r.mu.Unlock()
	}
	if len(locations) > 0 {
		ids, err := nameIDs[int16](ctx, r.DB, sqlNewLocations, sqlLocationIDs, locations)
		if err != nil {
			return fmt.Errorf("look up locations: %w", err)
		}
		r.mu.Lock()
		r.locations = merged(r.locations, ids)
		r.mu.Unlock()
	}
	return nil
}

func merged[ID int16 | int32](into, from map[string]ID) map[string]ID {
	if into == nil {
		return from
	}
	maps.Copy(into, from)
	return into
}

// nameIDs runs insert, then query, and returns the id of every name.
func nameIDs[ID int16 | int32](ctx context.Context, db *DB, insert, query string, names []string) (map[string]ID, error) {
	type row struct {
		Name string
		ID   ID
	}
	args := pgx.NamedArgs{"names": names}
	if _, err := db.pool.Exec(ctx, insert, args); err != nil {
		return nil, err
	}
	rows, err := db.pool.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, err
	}
	ids := make(map[string]ID, len(found))
	for _, f := range found {
		ids[f.Name] = f.ID
	}
	for _, name := range names {
		if _, ok := ids[name]; !ok {
			return nil, fmt.Errorf("%q got no id", name)
		}
	}
	return ids, nil
}

const sqlMakeDay = `SELECT ledger_make_day(@day::timestamptz)`

// ensureDays makes the partitions of the days of slots, unless known to exist.
func (r *Results) ensureDays(ctx context.Context, slots []time.Time) error {
	missing := map[int64]struct{}{}
	r.mu.Lock()
	for _, slot := range slots {
		d := slot.Truncate(day).Unix()
		if _, ok := r.days[d]; !ok {
			missing[d] = struct{}{}
		}
	}
	r.mu.Unlock()
	for _, d := range slices.Sorted(maps.Keys(missing)) {
		var made bool
		if err := r.DB.pool.QueryRow(ctx, sqlMakeDay, pgx.NamedArgs{"day": time.Unix(d, 0).UTC()}).Scan(&made); err != nil {
			return fmt.Errorf("make the partition of a day: %w", err)
		}
		r.mu.Lock()
		if r.days == nil {
			r.days = map[int64]struct{}{}
		}
		r.days[d] = struct{}{}
		r.mu.Unlock()
	}
	return nil
}
