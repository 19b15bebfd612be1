package pgtest_test

import (
	"testing"

	"keepwatch/postgres/pgtest"
)

func TestNewIsMigratedAndAlone(t *testing.T) {
	t.Parallel()
	a, b := pgtest.New(t), pgtest.New(t)
	if err := a.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}
