// Package postgres keeps what Keepwatch must not forget: every SQL statement,
// the migrations, the locks and the server that Keepwatch runs itself when
// nobody gave it one.
//
// It decides nothing. Each consumer has its own small type around [DB]
// ([Results], and its sisters for incidents, reports, events and photos) that
// satisfies the consumer's interface. Times are parameters: no statement asks
// the database for the time.
package postgres

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"keepwatch/probe"
)

// Bounds of the pool and of every statement.
const (
	poolMaxConns     = 16
	connectTimeout   = 5 * time.Second
	statementTimeout = 30 * time.Second // the server gives up on a statement
	lockTimeout      = 10 * time.Second // a statement waits this long for another's lock
	idleTxTimeout    = 60 * time.Second // a forgotten transaction is ended by the server
)

// Config says which database to use.
type Config struct {
	// URL is where Postgres 15 or later answers, as a URL or as key=value words.
	// It usually carries a password, so it belongs in the environment or in a
	// file. Empty means that Keepwatch runs its own server under data_dir.
	// Default: empty. Example: "${DATABASE_URL}".
	URL probe.Secret `yaml:"url"`
}

// SetDefaults changes nothing: an empty URL is the default.
func (c *Config) SetDefaults() {}

// Validate reports a URL that cannot be read. It does not connect and never
// repeats the value.
func (c *Config) Validate(report func(path, msg string)) {
	if c.URL == "" {
		return
	}
	if _, err := pgxpool.ParseConfig(c.URL.Reveal()); err != nil {
		report("url", badDSN)
	}
}

// DB is a pool of connections to one database. The zero value is of no use:
// make one with [Open]. Safe for concurrent use.
type DB struct {
	pool *pgxpool.Pool
	log  *slog.Logger
}

// Open connects to the database at dsn (a URL or key=value words) and proves
// that it answers. It does not migrate: see [DB.Migrate]. Errors are
// [ErrUnreachable], [ErrAuth] or a bad dsn; none of them carries the dsn.
func Open(ctx context.Context, dsn string, log *slog.Logger) (*DB, error) {
	db, err := Connect(ctx, dsn, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	if err := db.pool.Ping(ctx); err != nil {
		db.Close()
		return nil, translateConnect(err)
	}
	return db, nil
}

func poolConfig(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The parser's own message repeats parts of the dsn.
		return nil, errBadDSN
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = poolMaxConns
	}
	cfg.PingTimeout = connectTimeout
	cfg.MaxConnLifetimeJitter = cfg.MaxConnLifetime / 10
	if cfg.ConnConfig.ConnectTimeout == 0 || cfg.ConnConfig.ConnectTimeout > time.Minute {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	setDefault(cfg.ConnConfig.RuntimeParams, "application_name", "keepwatch")
	setDefault(cfg.ConnConfig.RuntimeParams, "timezone", "UTC")
	setDefault(cfg.ConnConfig.RuntimeParams, "statement_timeout", millis(statementTimeout))
	setDefault(cfg.ConnConfig.RuntimeParams, "lock_timeout", millis(lockTimeout))
	setDefault(cfg.ConnConfig.RuntimeParams, "idle_in_transaction_session_timeout", millis(idleTxTimeout))
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		scanUTC(conn.TypeMap())
		return nil
	}
	return cfg, nil
}

// scanUTC makes timestamps arrive in UTC whatever the zone of this machine is.
func scanUTC(m *pgtype.Map) {
	m.RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

func setDefault(m map[string]string, key, value string) {
	if _, ok := m[key]; !ok {
		m[key] = value
	}
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Close ends all connections; it waits until those in use are given back.
func (db *DB) Close() { db.pool.Close() }

// Ping proves that the database answers, at most until ctx ends. The error is
// [ErrUnavailable] or ctx's own.
func (db *DB) Ping(ctx context.Context) error {
	return translate(db.pool.Ping(ctx))
}

// tx runs fn in one transaction, commits when it returns nil and rolls back
// otherwise. Errors are translated; fn's own sentinels pass through.
func (db *DB) tx(ctx context.Context, fn func(pgx.Tx) error) error {
	return translate(pgx.BeginFunc(ctx, db.pool, fn))
}

const (
	sqlBegin    = `BEGIN`
	sqlCommit   = `COMMIT`
	sqlRollback = `ROLLBACK`
)

// batchTx sends a transaction in two messages, where tx needs one for each statement: its
// statements in one, and the end in another. read takes the answers, in the order of the
// statements, as far as they matter; when it says no, or fails, nothing is changed. last is
// called before the commit; nil is allowed.
func (db *DB) batchTx(ctx context.Context, statements *pgx.Batch, read func(pgx.BatchResults) (bool, error), last func()) error {
	return translate(db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		all := &pgx.Batch{QueuedQueries: append([]*pgx.QueuedQuery{{SQL: sqlBegin}}, statements.QueuedQueries...)}
		answers := c.SendBatch(ctx, all)
		_, err := answers.Exec()
		keep := false
		if err == nil {
			keep, err = read(answers)
		}
		if closed := answers.Close(); err == nil {
			err = closed
		}
		if err != nil || !keep {
			// A session that cannot roll back any more is closed by the pool.
			_, _ = c.Exec(ctx, sqlRollback)
			return err
		}
		if last != nil {
			last()
		}
		_, err = c.Exec(ctx, sqlCommit)
		return err
	}))
}
