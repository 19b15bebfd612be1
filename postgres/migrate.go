package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrateLock is the advisory lock that one migrating process holds.
const (
	migrateLock     = 0x6b77_0001
	migratePoll     = 50 * time.Millisecond
	noTransaction   = "-- no transaction"
	sessionTimeout  = 5 * time.Second  // for one short question to a session that holds a lock
	migrateDeadline = 10 * time.Minute // longest wait for another process's migration
)

var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// migration is one file of migrations/.
type migration struct {
	version int
	name    string
	sql     []byte
	plain   bool // runs without a transaction
}

func (m migration) sum() []byte {
	sum := sha256.Sum256(m.sql)
	return sum[:]
}

// Migrate brings the schema to what this program knows: every file of
// migrations/ that was not applied yet, in order, each in its own transaction
// unless its first line is "-- no transaction". Many processes may call it at
// once: one works, the others wait for it. It refuses a database of a newer
// program with [ErrNewer] and a file that was edited after it was applied.
func (db *DB) Migrate(ctx context.Context) error {
	known, err := loadMigrations(embedded)
	if err != nil {
		return err
	}
	return db.migrate(ctx, known)
}

func (db *DB) migrate(ctx context.Context, known []migration) error {
	ctx, cancel := context.WithTimeout(ctx, migrateDeadline)
	defer cancel()
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return translateConnect(err)
	}
	// A session that holds the lock, or has lost its settings, must not go back
	// into the pool: closing it releases the lock whatever happened.
	raw := conn.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		if err := raw.Close(ctx); err != nil {
			db.log.Warn("closing the migration session", "err", err)
		}
	}()
	if err := lockSession(ctx, raw, migrateLock, migratePoll); err != nil {
		return translate(fmt.Errorf("wait for another migration: %w", err))
	}
	if _, err := raw.Exec(ctx, sqlMigrationSession); err != nil {
		return translate(fmt.Errorf("migrate: %w", err))
	}
	if _, err := raw.Exec(ctx, sqlMigrationTable); err != nil {
		return translate(fmt.Errorf("create schema_migration: %w", err))
	}
	todo, err := pending(ctx, raw, known)
	if err != nil {
		return translate(err)
	}
	for _, m := range todo {
		start := time.Now()
		if err := apply(ctx, raw, m); err != nil {
			return translate(fmt.Errorf("migration %s: %w", m.name, err))
		}
		db.log.Info("schema migrated", "migration", m.name, "took_ms", time.Since(start).Milliseconds())
	}
	return nil
}

// A migration may take long; the pool's limits are for requests.
const sqlMigrationSession = `SET statement_timeout = 0`

const sqlMigrationTable = `
CREATE TABLE IF NOT EXISTS schema_migration (
	version    int4        PRIMARY KEY,
	name       text        NOT NULL,
	sha256     bytea       NOT NULL,
	applied_at timestamptz NOT NULL
)`

const sqlTryLock = `SELECT pg_try_advisory_lock(@key)`

// lockSession takes a session's advisory lock by asking again and again.
// Waiting inside pg_advisory_lock would hold a snapshot: CREATE INDEX
// CONCURRENTLY would wait for the waiter, and vacuum would be held back.
func lockSession(ctx context.Context, conn *pgx.Conn, key int64, every time.Duration) error {
	for {
		got, err := tryLock(ctx, conn, key)
		if err != nil || got {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// tryLock has a deadline of its own: a session that hangs is as good as dead.
func tryLock(ctx context.Context, conn *pgx.Conn, key int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	var got bool
	err := conn.QueryRow(ctx, sqlTryLock, pgx.NamedArgs{"key": key}).Scan(&got)
	return got, err
}

const sqlAppliedMigrations = `
SELECT version, name, sha256
FROM schema_migration
ORDER BY version`

// pending compares what the database has with what the program knows.
func pending(ctx context.Context, conn *pgx.Conn, known []migration) ([]migration, error) {
	type row struct {
		Version int
		Name    string
		SHA256  []byte `db:"sha256"`
	}
	rows, err := conn.Query(ctx, sqlAppliedMigrations)
	if err != nil {
		return nil, fmt.Errorf("read schema_migration: %w", err)
	}
	applied, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("read schema_migration: %w", err)
	}
	newest := 0
	if len(known) > 0 {
		newest = known[len(known)-1].version
	}
	todo := slices.Clone(known)
	for _, a := range applied {
		i := slices.IndexFunc(todo, func(m migration) bool { return m.version == a.Version })
		if i < 0 {
			return nil, fmt.Errorf("%w (its schema has %s, this program knows up to %04d)", ErrNewer, a.Name, newest)
		}
		if !bytes.Equal(todo[i].sum(), a.SHA256) {
			return nil, fmt.Errorf("migration %s was changed after this database had applied it: "+
				"run the keepwatch that wrote the database, or undo the edit and add a new migration", todo[i].name)
		}
		todo = slices.Delete(todo, i, i+1)
	}
	return todo, nil
}

const sqlInsertMigration = `
INSERT INTO schema_migration (version, name, sha256, applied_at)
VALUES (@version, @name, @sha256, @applied_at)`

func apply(ctx context.Context, conn *pgx.Conn, m migration) error {
	args := pgx.NamedArgs{"version": m.version, "name": m.name, "sha256": m.sum(), "applied_at": time.Now().UTC()}
	if m.plain {
		if _, err := conn.Exec(ctx, string(m.sql)); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, sqlInsertMigration, args)
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, string(m.sql)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlInsertMigration, args)
		return err
	})
}

// loadMigrations reads migrations/*.sql in the order of their numbers.
func loadMigrations(files fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(files, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	ms := make([]migration, 0, len(entries))
	for _, e := range entries {
		match := migrationName.FindStringSubmatch(e.Name())
		if match == nil {
			return nil, fmt.Errorf("migration %q is not named NNNN_what.sql", e.Name())
		}
		version, err := strconv.Atoi(match[1])
		if err != nil {
			return nil, fmt.Errorf("migration %q: %w", e.Name(), err)
		}
		sql, err := fs.ReadFile(files, "migrations/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		first, _, _ := strings.Cut(string(sql), "\n")
		ms = append(ms, migration{version: version, name: e.Name(), sql: sql, plain: strings.TrimSpace(first) == noTransaction})
	}
	slices.SortFunc(ms, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	for i := 1; i < len(ms); i++ {
		if ms[i].version == ms[i-1].version {
			return nil, errors.New("two migrations have the number of " + ms[i].name)
		}
	}
	return ms, nil
}
