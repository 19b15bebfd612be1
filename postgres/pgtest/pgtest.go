// Package pgtest gives each test a migrated database of its own on a throwaway
// Postgres server that the test binary starts.
//
// The server listens on a Unix socket only, writes nothing through to the disk
// and ends with the test binary, also when that is killed. Set
// KEEPWATCH_TEST_DSN to use a server that already runs (the role must be allowed
// to create databases), or KEEPWATCH_POSTGRES_BIN to choose the programs.
//
// For a story in a synctest bubble call [DSN] before the bubble and [Open]
// inside it: a pool's goroutines must be those of one side. End a context there
// only after synctest.Wait, or the connection of a running query is cut.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"keepwatch/postgres"
)

const (
	dsnEnv   = "KEEPWATCH_TEST_DSN"
	template = "keepwatch_template"
	deadline = 60 * time.Second // for any one step on a busy machine
)

// New returns a fresh, migrated database, dropped when the test ends. Without
// Postgres programs the test fails; with -short it is skipped. Not for synctest
// bubbles: see the package's comment.
func New(tb testing.TB) *postgres.DB {
	tb.Helper()
	return Open(tb, DSN(tb))
}

// Open opens one more pool on the database of dsn (see [DSN]), closed when the
// test ends: the second daemon of a test about two.
func Open(tb testing.TB, dsn string) *postgres.DB {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	db, err := postgres.Open(ctx, dsn, quiet())
	if err != nil {
		tb.Fatalf("pgtest: open: %v", err)
	}
	tb.Cleanup(db.Close)
	return db
}

// DSN makes a fresh, migrated database as [New] does and returns its address.
func DSN(tb testing.TB) string {
	tb.Helper()
	return create(tb, true)
}

// EmptyDSN makes a fresh database without any table, for tests of migrations.
func EmptyDSN(tb testing.TB) string {
	tb.Helper()
	return create(tb, false)
}

func create(tb testing.TB, migrated bool) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs Postgres: run without -short")
	}
	srv := server()
	if srv.err != nil {
		tb.Fatalf("pgtest: %v", srv.err)
	}
	name := "kw_" + strings.ToLower(rand.Text())[:20]
	statement := "CREATE DATABASE " + name + " TEMPLATE template0"
	copied := migrated && srv.template
	if copied {
		// file_copy took 17 ms where the default took 43.
		statement = "CREATE DATABASE " + name + " TEMPLATE " + template + " STRATEGY file_copy"
	}
	if err := admin(srv.dsn, statement); err != nil {
		tb.Fatalf("pgtest: create a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := admin(srv.dsn, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("pgtest: drop the database: %v", err)
		}
	})
	dsn := withDatabase(srv.dsn, name)
	if migrated && !copied {
		if err := migrate(dsn); err != nil {
			tb.Fatalf("pgtest: %v", err)
		}
	}
	return dsn
}

// instance is the server of this test binary.
type instance struct {
	dsn      string // of the database postgres, as a superuser
	template bool   // a migrated template database exists
	err      error
}

// server starts the test binary's server once.
//
//nolint:gochecknoglobals // one server a test binary is the point; tests have no main to own it
var server = sync.OnceValue(func() instance {
	if dsn := os.Getenv(dsnEnv); dsn != "" {
		// Several test binaries may share this server: no template, whose name
		// they would have to agree on.
		return instance{dsn: dsn}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*deadline)
	defer cancel()
	dsn, err := start(ctx)
	if err != nil {
		return instance{err: err}
	}
	srv := instance{dsn: dsn, template: true}
	if err := admin(dsn, "CREATE DATABASE "+template+" TEMPLATE template0"); err != nil {
		srv.err = fmt.Errorf("create the template database: %w", err)
		return srv
	}
	srv.err = migrate(withDatabase(dsn, template))
	return srv
})

func migrate(dsn string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	db, err := postgres.Open(ctx, dsn, quiet())
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// admin runs one statement outside a transaction.
func admin(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

// connect makes one connection; unlike pgx.Connect it takes the pool's words
// in a dsn.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, cfg.ConnConfig)
}

// withDatabase returns dsn with another database name.
func withDatabase(dsn, name string) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		u.Path = "/" + name
		return u.String()
	}
	return dsn + " dbname=" + name // the last one counts
}

func quiet() *slog.Logger {
	return slog.New(slog.DiscardHandler)
}
