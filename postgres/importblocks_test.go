package postgres_test

import (
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// TestImportIntoTheArchive: what an import brings for hours that are archived joins
// their blocks at once, is counted as what it is, and is what reports are made of.
func TestImportIntoTheArchive(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db := pgtest.Open(t, dsn)
	store, ctx := &postgres.Results{DB: db}, t.Context()
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	check := probe.Check{Name: "front", Kind: "http", Every: 10 * time.Minute, Quorum: 1, Locations: []string{"west"}, Spec: "{}"}
	if err := store.SyncChecks(ctx, start, []probe.Check{check}); err != nil {
		t.Fatal(err)
	}
	result := func(slot int, o probe.Outcome) probe.Result {
		r := probe.Result{Check: "front", Location: "west", Slot: start.Add(time.Duration(slot) * 10 * time.Minute), Outcome: o, Attempts: 1}
		if o == probe.Bad {
			r.Look.Fault = probe.Fault{Class: probe.ClassStatus, Message: "got 503"}
		}
		return r
	}
	if err := store.Insert(ctx, []probe.Result{result(0, probe.Good), result(1, probe.Unknown), result(2, probe.Bad), result(4, probe.Unknown)}); err != nil {
		t.Fatal(err)
	}
	later := start.AddDate(0, 0, 60)
	archive := func() {
		t.Helper()
		if _, dropped, err := store.MaintainPartitions(ctx, later, 35); err != nil || dropped != 1 {
			t.Fatalf("got %d days archived, %v; want 1", dropped, err)
		}
	}
	archive()
	// Slots 0 to 4 lie in the archived hour, 9 in another one of its day.
	batch := []probe.Result{
		result(0, probe.Bad), result(1, probe.Bad), result(2, probe.Bad), result(3, probe.Good), result(4, probe.Unknown), result(9, probe.Good),
	}
	for i, want := range []postgres.Imported{{New: 2, Learned: 1, Known: 3, Differ: 1}, {Known: 6, Differ: 1}} {
		if got, err := store.Import(ctx, batch); err != nil || got != want {
			t.Errorf("import %d: got %+v, %v; want %+v", i+1, got, err, want)
		}
	}
	archive()
	if got, err := store.Import(ctx, batch); err != nil || got != (postgres.Imported{Known: 6, Differ: 1}) {
		t.Errorf("after all was archived: got %+v, %v; want 6 known, 1 different", got, err)
	}
	l, err := postgres.Reports{DB: db}.Ledger(ctx, "front", start, start.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var got []int16
	for _, row := range l.Rows {
		got = append(got, row.Outcome)
		if row.Outcome == int16(probe.Bad) && l.Errors[row.ErrID].Message != "got 503" {
			t.Errorf("%s: got failure %+v", row.Slot, l.Errors[row.ErrID])
		}
	}
	if want := []int16{1, 2, 2, 1, 0, 1}; len(got) != len(want) || got[0] != 1 || got[1] != 2 || got[2] != 2 || got[3] != 1 || got[4] != 0 || got[5] != 1 {
		t.Errorf("got outcomes %v, want %v", got, want)
	}
	if n := count(t, dsn, `SELECT results FROM probe_archive`); n != 6 {
		t.Errorf("the archive says that it has %d results, want 6", n)
	}
	if n := count(t, dsn, `SELECT count(*) FROM fold_mark WHERE from_at <= '2026-03-01 12:10Z' AND to_at > '2026-03-01 12:30Z'`); n == 0 {
		t.Error("the day is not marked to be folded anew")
	}
}
