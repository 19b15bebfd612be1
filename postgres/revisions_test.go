package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// query runs a statement of a test on a connection of its own.
func query[T any](t *testing.T, dsn, sql string) []T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func count(t *testing.T, dsn, sql string) int64 {
	t.Helper()
	return query[int64](t, dsn, sql)[0]
}

// revs is the history as text: "check rev from-to slot k locations".
func revs(t *testing.T, dsn string) []string {
	t.Helper()
	return query[string](t, dsn, `
		SELECT c.name || ' ' || v.rev || ' ' || to_char(v.valid_from AT TIME ZONE 'UTC', 'HH24:MI:SS') || '-' ||
			COALESCE(to_char(v.valid_to AT TIME ZONE 'UTC', 'HH24:MI:SS'), '') || ' ' || v.slot_ms || ' ' || v.k || ' ' || v.locations::text
		FROM check_rev v JOIN checks c ON c.id = v.check_id ORDER BY c.name, v.rev`)
}

func TestSyncChecks(t *testing.T) {
	t.Parallel()
	front := probe.Check{
		Name: "front", Kind: "http", Target: "http://x/", Every: 30 * time.Second, Quorum: 1,
		Locations: []string{"west"}, Spec: `{"url":"http://x/"}`,
	}
	edit := func(f func(*probe.Check)) probe.Check { c := front; f(&c); return c }
	other := edit(func(c *probe.Check) { c.Name = "other" })
	type step struct {
		after  time.Duration // after noon
		checks []probe.Check
	}
	cases := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"on the edge of a slot", []step{{0, []probe.Check{front}}}, []string{"front 1 12:00:00- 30000 1 {1}"}},
		{"inside a slot begins with the next", []step{{time.Nanosecond, []probe.Check{front}}}, []string{"front 1 12:00:30- 30000 1 {1}"}},
		{"unchanged is nothing, also when sorted otherwise", []step{
			{0, []probe.Check{front, edit(func(c *probe.Check) { c.Name, c.Locations = "two", []string{"east", "west"} })}},
			{time.Hour, []probe.Check{front, edit(func(c *probe.Check) { c.Name, c.Locations = "two", []string{"west", "east"} })}},
		}, []string{"front 1 12:00:00- 30000 1 {2}", "two 1 12:00:00- 30000 1 {1,2}"}},
		{"another interval", []step{
			{0, []probe.Check{front}},
			{70 * time.Second, []probe.Check{edit(func(c *probe.Check) { c.Every = time.Minute })}},
		}, []string{"front 1 12:00:00-12:02:00 30000 1 {1}", "front 2 12:02:00- 60000 1 {1}"}},
		{"another spec, quorum, location", []step{
			{0, []probe.Check{front}},
			{time.Minute, []probe.Check{edit(func(c *probe.Check) { c.Spec = `{"url":"http://y/"}` })}},
			{2 * time.Minute, []probe.Check{edit(func(c *probe.Check) { c.Spec, c.Quorum = `{"url":"http://y/"}`, 2 })}},
			{3 * time.Minute, []probe.Check{edit(func(c *probe.Check) {
				c.Spec, c.Quorum, c.Locations = `{"url":"http://y/"}`, 2, []string{"west", "east"}
			})}},
		}, []string{
			"front 1 12:00:00-12:01:00 30000 1 {1}", "front 2 12:01:00-12:02:00 30000 1 {1}",
			"front 3 12:02:00-12:03:00 30000 2 {1}", "front 4 12:03:00- 30000 2 {1,2}",
		}},
		{"removed, the slot in progress still counts; returned, a gap", []step{
			{0, []probe.Check{front, other}},
			{61 * time.Second, []probe.Check{other}},
			{10 * time.Minute, []probe.Check{other, front}},
		}, []string{"front 1 12:00:00-12:01:30 30000 1 {1}", "front 2 12:10:00- 30000 1 {1}", "other 1 12:00:00- 30000 1 {1}"}},
		{"removed and returned within a slot: no overlap", []step{
			{0, []probe.Check{front}},
			{61 * time.Second, nil},
			{62 * time.Second, []probe.Check{front}},
		}, []string{"front 1 12:00:00-12:01:30 30000 1 {1}", "front 2 12:01:30- 30000 1 {1}"}},
		{"a clock set back makes no overlap", []step{
			{time.Hour, []probe.Check{front}},
			{0, []probe.Check{edit(func(c *probe.Check) { c.Quorum = 2 })}},
			{0, nil},
		}, []string{"front 1 13:00:00-13:00:00 30000 1 {1}", "front 2 13:00:00-13:00:00 30000 2 {1}"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.DSN(t)
			db := pgtest.Open(t, dsn)
			for _, s := range c.steps {
				// A restart between the steps: nothing may depend on memory.
				r := &postgres.Results{DB: db}
				for range 2 {
					if err := r.SyncChecks(t.Context(), noon.Add(s.after), s.checks); err != nil {
						t.Fatal(err)
					}
				}
			}
			if diff := cmp.Diff(c.want, revs(t, dsn)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSyncChecksAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	var daemons []*postgres.Results
	for range 4 {
		daemons = append(daemons, &postgres.Results{DB: pgtest.Open(t, dsn)})
	}
	const rounds = 10
	for round := range rounds {
		now := noon.Add(time.Duration(round) * time.Minute)
		checks := []probe.Check{{Name: "front", Every: time.Minute, Quorum: 1 + round, Locations: []string{"west"}}}
		var wg sync.WaitGroup
		for _, r := range daemons {
			wg.Go(func() {
				if err := r.SyncChecks(t.Context(), now, checks); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	// Daemons that learn a location at once may use up more than one number for it.
	if got := revs(t, dsn); len(got) != rounds || !strings.HasPrefix(got[rounds-1], "front 10 12:09:00- 60000 10 {") {
		t.Errorf("got %q, want one revision a round", got)
	}
}
