package postgres_test

import (
	"testing"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

func TestIncidentsConform(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) alerting.Store { return postgres.Incidents{DB: pgtest.New(t)} })
}
