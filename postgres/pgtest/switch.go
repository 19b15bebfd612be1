package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Switch takes a database away from everybody and gives it back, while its server runs.
// Not safe for concurrent use.
type Switch struct {
	tb   testing.TB
	conn *pgx.Conn // to another database of the server
	name string
}

// NewSwitch makes the switch of a database; it is on.
func NewSwitch(tb testing.TB, dsn string) *Switch {
	tb.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Switch{tb: tb, name: cfg.ConnConfig.Database}
	cfg.ConnConfig.Database = "postgres"
	if s.conn, err = pgx.ConnectConfig(tb.Context(), cfg.ConnConfig); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.conn.Close(context.Background()) })
	return s
}

// Off ends every session of the database and lets no new one begin.
func (s *Switch) Off() {
	s.tb.Helper()
	s.exec("ALTER DATABASE " + s.name + " ALLOW_CONNECTIONS false")
	s.Cut()
}

// On lets sessions begin again.
func (s *Switch) On() {
	s.tb.Helper()
	s.exec("ALTER DATABASE " + s.name + " ALLOW_CONNECTIONS true")
}

// Cut ends every session of the database; new ones may begin.
func (s *Switch) Cut() {
	s.tb.Helper()
	s.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", s.name)
}

func (s *Switch) exec(sql string, args ...any) {
	s.tb.Helper()
	if _, err := s.conn.Exec(s.tb.Context(), sql, args...); err != nil {
		s.tb.Fatal(err)
	}
}
