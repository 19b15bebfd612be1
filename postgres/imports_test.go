package postgres_test

import (
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

func TestImport(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	store, ctx := &postgres.Results{DB: db}, t.Context()
	start := time.Date(2020, time.March, 1, 0, 0, 0, 0, time.UTC) // long before any partition
	result := func(slot int, o probe.Outcome) probe.Result {
		r := probe.Result{Check: "front", Location: "west", Slot: start.Add(time.Duration(slot) * time.Hour), Outcome: o, Attempts: 1}
		if o == probe.Bad {
			r.Look.Fault = probe.Fault{Class: probe.ClassStatus, Message: "got 503\x00\xff"}
		}
		return r
	}
	if err := store.Insert(ctx, []probe.Result{result(0, probe.Good), result(1, probe.Unknown), result(2, probe.Bad)}); err != nil {
		t.Fatal(err)
	}
	batch := []probe.Result{result(0, probe.Bad), result(1, probe.Bad), result(2, probe.Bad), result(3, probe.Good), result(40, probe.Unknown)}
	for i, want := range []postgres.Imported{{New: 2, Learned: 1, Known: 2, Differ: 1}, {Known: 5, Differ: 1}, {Known: 5, Differ: 1}} {
		if got, err := store.Import(ctx, batch); err != nil || got != want {
			t.Errorf("import %d: got %+v, %v; want %+v", i+1, got, err, want)
		}
	}
	found, err := store.Recent(ctx, "front", start, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []probe.Outcome
	for _, r := range found {
		got = append(got, r.Outcome)
	}
	if want := []probe.Outcome{probe.Unknown, probe.Good, probe.Bad, probe.Bad, probe.Good}; len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[3] != want[3] || got[4] != want[4] {
		t.Errorf("got %v, newest first; want %v", got, want)
	}
	if m := found[3].Look.Fault.Message; m != "got 503\uFFFD" {
		t.Errorf("got message %q", m)
	}
	if got, err := store.Import(ctx, nil); err != nil || got != (postgres.Imported{}) {
		t.Errorf("nothing: got %+v, %v", got, err)
	}
}

// TestExtendHistory: what is added stands before what is known, and the daemon goes
// on as if nothing had happened.
func TestExtendHistory(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	store, ctx := &postgres.Results{DB: db}, t.Context()
	now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	check := probe.Check{Name: "front", Kind: "http", Every: 30 * time.Second, Quorum: 1, Locations: []string{"west"}, Spec: "{}"}
	if err := store.SyncChecks(ctx, now, []probe.Check{check}); err != nil {
		t.Fatal(err)
	}
	past := postgres.PastRevision{From: now.AddDate(0, 0, -7), To: now}
	extend := func(p ...postgres.PastRevision) error {
		return store.ExtendHistory(ctx, &check, func(known []reports.Rev) []postgres.PastRevision {
			if len(known) == 0 {
				t.Error("nothing is known")
			}
			return p
		})
	}
	if err := extend(past); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]postgres.PastRevision{
		"the same again": past, "into what is known": {From: now.AddDate(0, 0, -9), To: now.AddDate(0, 0, -6)}, "without end": {From: now.Add(time.Hour)},
	} {
		if err := extend(p); err == nil {
			t.Errorf("%s: got no error for an overlap", name)
		}
	}
	if err := store.SyncChecks(ctx, now.Add(time.Hour), []probe.Check{check}); err != nil {
		t.Fatal(err)
	}
	if revs, err := store.Revisions(ctx, "front"); err != nil || len(revs) != 2 || !revs[0].To.Equal(now) || !revs[1].To.IsZero() {
		t.Errorf("after a start: got %+v, %v; want two, the second open", revs, err)
	}
	check.Every = time.Minute // a change closes the newest, not the one with the highest beginning
	if err := store.SyncChecks(ctx, now.Add(2*time.Hour), []probe.Check{check}); err != nil {
		t.Fatal(err)
	}
	revs, err := store.Revisions(ctx, "front")
	if err != nil || len(revs) != 3 || !revs[1].To.Equal(now.Add(2*time.Hour)) || !revs[2].To.IsZero() {
		t.Errorf("after a change: got %+v, %v; want three, the last open", revs, err)
	}
}
