package postgres_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func result(check, location string, slot time.Time, edit ...func(*probe.Result)) probe.Result {
	r := probe.Result{
		Check: check, Location: location, Slot: slot, Round: slot.UnixNano(), Outcome: probe.Good, Attempts: 1,
		Look: probe.Look{OK: true, Code: 200, Latency: 12 * time.Millisecond},
	}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func bad(message, body string) func(*probe.Result) {
	return func(r *probe.Result) {
		r.Outcome = probe.Bad
		r.Look = probe.Look{Code: 503, Latency: time.Second, Fault: probe.Fault{
			Class: probe.ClassStatus, Phase: "expect", Message: message, Body: []byte(body),
		}}
	}
}

func TestInsertStoresWhatWasSeen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &postgres.Results{DB: pgtest.New(t)}
	unknown := func(r *probe.Result) {
		r.Outcome, r.Cause, r.Attempts, r.Look = probe.Unknown, "late", 0, probe.Look{}
	}
	soft := func(r *probe.Result) { r.Attempts = 2 }
	in := []probe.Result{
		result("front", "west", noon.Add(time.Minute), soft),
		result("front", "west", noon.Add(30*time.Second), unknown),
		result("front", "west", noon, bad("status 503, want 200", "<h1>down</h1>")),
		result("front", "east", noon),
	}
	extra := result("front", "west", noon.Add(90*time.Second), func(r *probe.Result) { r.Extra = true })
	if err := r.Insert(ctx, append(in, extra)); err != nil {
		t.Fatal(err)
	}
	got, err := r.Recent(ctx, "front", noon, 100)
	if err != nil {
		t.Fatal(err)
	}
	want := []probe.Result{in[0], in[1], in[3], in[2]} // newest first, then by location
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	last, err := r.Last(ctx, "front", "west")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in[0], last); diff != "" {
		t.Errorf("last: -want +got:\n%s", diff)
	}
	if _, err := r.Last(ctx, "front", "north"); !errors.Is(err, postgres.ErrNotFound) {
		t.Errorf("last of a location without results: got %v, want ErrNotFound", err)
	}
	if got, err := r.Recent(ctx, "front", noon, 1); err != nil || len(got) != 1 || !got[0].Slot.Equal(noon.Add(time.Minute)) {
		t.Errorf("limit 1: got %v, %v", got, err)
	}
}

func TestInsertTwiceIsOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := pgtest.DSN(t)
	r := &postgres.Results{DB: pgtest.Open(t, dsn)}
	first := []probe.Result{result("a", "west", noon), result("b", "west", noon, bad("broken", "x"))}
	// The replay brings the same slots with other words: what was stored first stays.
	again := []probe.Result{result("a", "west", noon, bad("other", "y")), result("b", "west", noon), result("b", "west", noon)}
	for _, rs := range [][]probe.Result{first, again, first} {
		if err := r.Insert(ctx, rs); err != nil {
			t.Fatal(err)
		}
	}
	other := &postgres.Results{DB: pgtest.Open(t, dsn)} // another process without our caches
	if err := other.Insert(ctx, first); err != nil {
		t.Fatal(err)
	}
	for i, check := range []string{"a", "b"} {
		got, err := r.Recent(ctx, check, noon.Add(-day), 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first[i:i+1], got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", check, diff)
		}
	}
}

const day = 24 * time.Hour

func TestInsertReplaysOldAndFarDays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := pgtest.DSN(t)
	a := &postgres.Results{DB: pgtest.Open(t, dsn)}
	b := &postgres.Results{DB: pgtest.Open(t, dsn)}
	old := noon.Add(-100 * day)
	if err := a.Insert(ctx, []probe.Result{result("a", "west", old), result("a", "west", noon), result("a", "west", noon.Add(40*day))}); err != nil {
		t.Fatal(err)
	}
	if _, dropped, err := b.MaintainPartitions(ctx, noon, 35); err != nil || dropped != 1 {
		t.Fatalf("maintain: got %d dropped, %v, want 1", dropped, err)
	}
	// a still believes that the partition is there.
	if err := a.Insert(ctx, []probe.Result{result("a", "west", old.Add(time.Minute)), result("a", "west", old.Add(2*time.Minute))}); err != nil {
		t.Fatal(err)
	}
	got, err := a.Recent(ctx, "a", old.Add(-day), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 {
		t.Errorf("got %d results, want 4 (two replayed, noon, far ahead)", len(got))
	}
}

func TestInsertTakesHostileTexts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &postgres.Results{DB: pgtest.New(t)}
	rs := []probe.Result{
		result("a", "west", noon, bad("nul \x00 and \xff bytes", "\x00\xff\xfe")),
		result("a", "west", noon.Add(time.Minute), func(r *probe.Result) {
			r.Attempts, r.Look.Code, r.Look.Latency = 1<<20, 1<<20, 200*time.Hour
		}),
		result("a", "west", noon.Add(2*time.Minute), func(r *probe.Result) {
			r.Attempts, r.Look.Code, r.Look.Latency = -1, -1, -time.Second
		}),
	}
	if err := r.Insert(ctx, rs); err != nil {
		t.Fatal(err)
	}
	got, err := r.Recent(ctx, "a", noon, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 {
		t.Fatalf("got %d rows, want 3", len(got))
	}
	if msg, want := got[2].Look.Fault.Message, "nul  and \uFFFD bytes"; msg != want {
		t.Errorf("message: got %q, want %q", msg, want)
	}
	if body := string(got[2].Look.Fault.Body); body != "\x00\xff\xfe" {
		t.Errorf("body: got %q, want it byte for byte", body)
	}
	if got[1].Attempts != 1<<15-1 || got[1].Look.Code != 1<<15-1 || got[0].Attempts != 0 || got[0].Look.Latency != 0 {
		t.Errorf("extremes are not clamped: %+v, %+v", got[0], got[1])
	}
}

func TestErrorTextsAreKeptOnceAnHour(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := pgtest.DSN(t)
	r := &postgres.Results{DB: pgtest.Open(t, dsn)}
	for i := range 240 { // two hours, at 30 s
		slot := noon.Add(time.Duration(i) * 30 * time.Second)
		if err := r.Insert(ctx, []probe.Result{result("a", "west", slot, bad("down", "body "+slot.String()))}); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(t, dsn, `SELECT count(id) FROM probe_error`); got != 2 {
		t.Errorf("got %d texts, want 2", got)
	}
	// Repeating a text must not use up ids (int4).
	if got := count(t, dsn, `SELECT max(id) FROM probe_error`); got != 2 {
		t.Errorf("highest id: got %d, want 2", got)
	}
	if _, dropped, err := r.MaintainPartitions(ctx, noon.Add(10*day), 5); err != nil || dropped != 1 {
		t.Fatalf("maintain: got %d dropped, %v, want 1", dropped, err)
	}
	// The archive names the texts; the bodies were for people.
	if got := count(t, dsn, `SELECT count(id) FROM probe_error`); got != 2 {
		t.Errorf("after the drop: got %d texts, want 2", got)
	}
	if got := count(t, dsn, `SELECT count(body) FROM probe_error`); got != 0 {
		t.Errorf("after the drop: got %d bodies, want 0", got)
	}
}

func TestMaintainPartitions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := pgtest.DSN(t)
	r := &postgres.Results{DB: pgtest.Open(t, dsn)}
	steps := []struct {
		name             string
		now              time.Time
		keep             int
		created, dropped int
	}{
		{"first", noon, 2, 8, 0},
		{"same day", noon.Add(11 * time.Hour), 2, 0, 0},
		{"next day", noon.Add(day), 2, 1, 0},
		{"two days of the first are still kept", noon.Add(2 * day), 2, 1, 0},
		{"the first day goes", noon.Add(3 * day), 2, 1, 1},
		{"keep everything", noon.Add(30 * day), 0, 8, 0},
		{"all but today and after", noon.Add(30 * day), 1, 0, 10},
	}
	for _, s := range steps {
		created, dropped, err := r.MaintainPartitions(ctx, s.now, s.keep)
		if err != nil || created != s.created || dropped != s.dropped {
			t.Errorf("%s: got %d created, %d dropped, %v; want %d, %d", s.name, created, dropped, err, s.created, s.dropped)
		}
	}
}

func TestMaintainGivesWayToReaders(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := pgtest.DSN(t)
	r := &postgres.Results{DB: pgtest.Open(t, dsn)}
	if err := r.Insert(ctx, []probe.Result{result("a", "west", noon)}); err != nil {
		t.Fatal(err)
	}
	tx, err := connectTo(t, dsn).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `SELECT count(slot) FROM probe_result`); err != nil {
		t.Fatal(err)
	}
	later := noon.Add(30 * day)
	created, dropped, err := r.MaintainPartitions(ctx, later, 10)
	if err != nil || created != 8 || dropped != 0 {
		t.Errorf("beside a long reader: got %d created, %d dropped, %v; want 8, 0, nil", created, dropped, err)
	}
	if err := r.Insert(ctx, []probe.Result{result("a", "west", later)}); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if _, dropped, err := r.MaintainPartitions(ctx, later, 10); err != nil || dropped != 1 {
		t.Errorf("after the reader: got %d dropped, %v; want 1", dropped, err)
	}
}

func TestBeats(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &postgres.Results{DB: pgtest.New(t)}
	for _, b := range []struct {
		check string
		at    time.Time
	}{{"backup", noon}, {"backup", noon.Add(-time.Hour)}, {"rotate", noon.Add(time.Second)}} {
		if err := r.SaveBeat(ctx, b.check, b.at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.Beats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]time.Time{"backup": noon, "rotate": noon.Add(time.Second)}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestInsertRefusesForGood(t *testing.T) {
	t.Parallel()
	r := &postgres.Results{DB: pgtest.New(t)}
	err := r.Insert(t.Context(), []probe.Result{{
		Check: "a", Location: "west", Slot: time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC), Outcome: probe.Good, Attempts: 1,
	}})
	if !errors.Is(err, probe.ErrRefused) {
		t.Errorf("a slot that Postgres cannot hold: got %v, want ErrRefused", err)
	}
}

// TestInsertKeepsWhatFoundNoPartition: a day that cannot be made is no fault of the
// results, which must stay in the journal.
func TestInsertKeepsWhatFoundNoPartition(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	r := &postgres.Results{DB: pgtest.Open(t, dsn)}
	execOn(t, dsn, `CREATE OR REPLACE FUNCTION ledger_make_day(day timestamptz) RETURNS bool LANGUAGE sql AS 'SELECT false'`)
	err := r.Insert(t.Context(), []probe.Result{result("a", "west", noon)})
	if !errors.Is(err, postgres.ErrUnavailable) || errors.Is(err, probe.ErrRefused) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

// TestMakersWaitForTheOneWhoMakes: a partition can be seen a moment before all sessions
// are told of it. Until then its maker holds this lock, and nobody may call it there.
func TestMakersWaitForTheOneWhoMakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ table, make string }{
		{"probe_result", `SELECT ledger_make_day('2026-11-22 00:00:00+00')`},
		{"span", `SELECT span_make_month('2026-11-01 00:00:00+00')`},
		{"photo_view", `SELECT gallery_make_month('2026-11-22 00:00:00+00')`},
	} {
		t.Run(c.table, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			dsn := pgtest.DSN(t)
			execOn(t, dsn, c.make)
			maker, other := connectTo(t, dsn), connectTo(t, dsn)
			tx, err := maker.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, `LOCK TABLE `+c.table+` IN SHARE UPDATE EXCLUSIVE MODE`); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Exec(ctx, `SET lock_timeout = '50ms'`); err != nil {
				t.Fatal(err)
			}
			_, err = other.Exec(ctx, c.make)
			if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "55P03" {
				t.Errorf("while another makes it: got %v, want 55P03, lock not available", err)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Exec(ctx, c.make); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestManyMakeOneDay: several processes meet a new day at the same moment.
func TestManyMakeOneDay(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	var writers []*postgres.Results
	for range 6 {
		writers = append(writers, &postgres.Results{DB: pgtest.Open(t, dsn)})
	}
	for d := range 30 {
		slot := noon.AddDate(0, 0, d)
		var wg sync.WaitGroup
		for i, r := range writers {
			wg.Go(func() {
				if err := r.Insert(t.Context(), []probe.Result{result("a", string(rune('a'+i)), slot)}); err != nil {
					t.Errorf("day %d, writer %d: %v", d, i, err)
				}
			})
		}
		wg.Wait()
	}
	got, err := writers[0].Recent(t.Context(), "a", noon.AddDate(0, 0, -1), 1000)
	if err != nil || len(got) != 180 {
		t.Errorf("got %d results, %v; want 180", len(got), err)
	}
}
