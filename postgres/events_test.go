package postgres_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/telemetry"
	"keepwatch/telemetry/event"
)

var (
	_ telemetry.Outbox = postgres.Events{}
	_ telemetry.Ledger = postgres.Events{}
)

// told is n events, one a second from noon.
func told(n int) event.Batch {
	var b event.Batch
	for i := range n {
		r := result("front", "west", noon.Add(time.Duration(i)*time.Second), bad("down", ""))
		b.Events = append(b.Events, event.FromResult(r, event.Target{Kind: "http"}))
	}
	return b
}

func ids(es []event.Event) []string {
	var out []string
	for _, e := range es {
		out = append(out, e.ID)
	}
	return out
}

func TestEventsAreKeptUntilTaken(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := postgres.Events{DB: pgtest.New(t)}
	b := told(5)
	for range 2 { // a repeated batch is one batch
		if err := s.Put(ctx, b, noon); err != nil {
			t.Fatal(err)
		}
	}
	now := noon.Add(time.Minute)
	first := claim(t, s, now, 3)
	if diff := cmp.Diff(ids(b.Events[:3]), ids(first)); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	if got := first[0]; !got.At.Equal(b.Events[0].At) || got.Type != event.TypeCheck || got.Claims != 1 || len(got.Attrs) < 100 {
		t.Errorf("claimed %+v, want the event that was put", got)
	}
	// One is taken, one freed, one stays leased.
	must(t, s.Ack(ctx, ids(first[:1]), now))
	must(t, s.Lease(ctx, ids(first[1:2]), now))
	must(t, s.Lease(ctx, ids(first[:1]), now)) // taken stays taken
	if diff := cmp.Diff([]string{b.Events[1].ID, b.Events[3].ID, b.Events[4].ID}, ids(claim(t, s, now, 10))); diff != "" {
		t.Errorf("second claim (-want +got):\n%s", diff)
	}
	if got := claim(t, s, now.Add(29*time.Second), 10); len(got) != 0 {
		t.Errorf("%d events were claimed under lease, want 0", len(got))
	}
	if got := claim(t, s, now.Add(30*time.Second), 10); len(got) != 4 || got[0].Claims < 2 {
		t.Errorf("%d events after the lease, want 4 with a second claim", len(got))
	}
	must(t, s.Put(ctx, b, now)) // a replay does not tell what was taken
	p, err := s.Pending(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event.Pending{Count: 4, Oldest: b.Events[1].At}, p); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

// TestRefusedEventsDoNotHoldUpOthers: what was freed comes after what was never tried.
func TestRefusedEventsDoNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := postgres.Events{DB: pgtest.New(t)}
	b := told(4)
	must(t, s.Put(ctx, b, noon))
	refused := claim(t, s, noon, 2)
	must(t, s.Lease(ctx, ids(refused), noon))
	if diff := cmp.Diff(ids(b.Events[2:]), ids(claim(t, s, noon, 2))); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
}

func TestClaimsDoNotOverlap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := postgres.Events{DB: pgtest.New(t)}
	must(t, s.Put(ctx, told(200), noon))
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				es, err := s.Claim(ctx, noon, 30*time.Second, 10)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, e := range es {
					seen[e.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 200 {
		t.Errorf("%d events were claimed, want 200", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func TestEventsExpire(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := postgres.Events{DB: pgtest.New(t)}
	b := told(10)
	must(t, s.Put(ctx, b, noon))
	must(t, s.Ack(ctx, ids(b.Events[:2]), noon))
	got, err := s.Expire(ctx, b.Events[5].At, b.Events[1].At)
	if err != nil {
		t.Fatal(err)
	}
	if got != 3 { // 2, 3, 4 wait and are too old; 0 is forgotten, 1 is still known
		t.Errorf("%d expired, want 3", got)
	}
	must(t, s.Put(ctx, b, noon)) // 0, 2, 3, 4 are unknown again, 1 is not
	if p, err := s.Pending(ctx); err != nil || p.Count != 9 {
		t.Errorf("%d wait, want 9 (%v)", p.Count, err)
	}
}

func TestMinutes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := pgtest.New(t)
	ledger, s := &postgres.Results{DB: db}, postgres.Events{DB: db}
	checks := []probe.Check{
		{Name: "front", Kind: "http", Target: "x", Every: 30 * time.Second, Quorum: 1, Locations: []string{"west", "east"}, Spec: "{}"},
		{Name: "backup", Kind: "heartbeat", Target: "y", Every: 15 * time.Minute, Quorum: 1, Locations: []string{"west"}, Spec: "{}"},
	}
	must(t, ledger.SyncChecks(ctx, noon.Add(-time.Hour), checks))
	took := func(ms int) func(*probe.Result) {
		return func(r *probe.Result) { r.Look.Latency = time.Duration(ms) * time.Millisecond }
	}
	suspect := func(r *probe.Result) {
		r.Outcome, r.Cause, r.Look = probe.Unknown, "suspect", probe.Look{Latency: time.Hour}
	}
	half := noon.Add(30 * time.Second)
	must(t, ledger.Insert(ctx, []probe.Result{
		result("front", "west", noon, took(10)), result("front", "west", half, bad("status 503, want 200", "")),
		result("front", "east", noon, suspect), result("front", "east", half, took(30)),
		result("front", "west", noon.Add(time.Minute), took(7)),
		result("backup", "west", noon.Add(-15*time.Minute), took(5)),
	}))
	must(t, s.Put(ctx, event.Batch{Dropped: []event.Dropped{{Check: "front", Location: "west", Minute: noon, N: 3}}}, noon))
	must(t, s.Put(ctx, event.Batch{Dropped: []event.Dropped{{Check: "front", Location: "west", Minute: noon, N: 2}}}, noon)) // an older count
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	want := []event.Minute{
		{Check: "backup", Location: "west", Minute: noon.Add(-15 * time.Minute), Total: 1, Good: 1, Min: ms(5), Avg: ms(5), P95: ms(5), Max: ms(5)},
		{Check: "front", Location: "east", Minute: noon, Total: 2, Good: 1, Unknown: 1, Suspect: 1, Min: ms(30), Avg: ms(30), P95: ms(30), Max: ms(30)},
		{
			Check: "front", Location: "west", Minute: noon, Total: 2, Good: 1, Bad: 1, Min: ms(10), Avg: ms(505), P95: ms(1000), Max: ms(1000),
			FirstError: "status 503, want 200", RawDropped: 3,
		},
	}
	// The quarter of an hour of backup is complete at noon, the minute of front a minute later.
	var got []event.Minute
	for i := range 2 {
		from := noon.Add(time.Duration(i) * time.Minute)
		part, err := s.Minutes(ctx, from, from.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("minutes (-want +got):\n%s", diff)
	}
}

// TestEveryResultIsInOneWindow cuts the time into windows in several ways: none
// may count a result twice or miss one.
func TestEveryResultIsInOneWindow(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := pgtest.New(t)
	ledger, s := &postgres.Results{DB: db}, postgres.Events{DB: db}
	want := 0
	var checks []probe.Check
	var rs []probe.Result
	for _, every := range []time.Duration{10 * time.Second, 90 * time.Second, 5 * time.Minute} {
		name := "each-" + every.String()
		checks = append(checks, probe.Check{Name: name, Kind: "http", Target: "x", Every: every, Quorum: 1, Locations: []string{"west"}, Spec: "{}"})
		for at := noon; at.Before(noon.Add(30 * time.Minute)); at = at.Add(every) {
			rs = append(rs, result(name, "west", at))
			want++
		}
	}
	must(t, ledger.SyncChecks(ctx, noon.Add(-time.Hour), checks))
	must(t, ledger.Insert(ctx, rs))
	for _, step := range []time.Duration{time.Minute, 3 * time.Minute, time.Hour} {
		got := 0
		seen := map[string]int{}
		for from := noon; from.Before(noon.Add(time.Hour)); from = from.Add(step) {
			ms, err := s.Minutes(ctx, from, from.Add(step))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range ms {
				got += m.Total
				seen[m.Check+m.Minute.String()]++
			}
		}
		if got != want {
			t.Errorf("in steps of %s %d results were summed, want %d", step, got, want)
		}
		for k, n := range seen {
			if n > 1 {
				t.Errorf("in steps of %s minute %s came %d times", step, k, n)
			}
		}
	}
}

func TestMarkMovesOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := postgres.Events{DB: pgtest.New(t)}
	if at, err := s.Mark(ctx); err != nil || !at.IsZero() {
		t.Fatalf("mark %v, %v, want none", at, err)
	}
	es := told(3).Events
	must(t, s.Summarised(ctx, time.Time{}, noon, es[:1]))
	must(t, s.Summarised(ctx, time.Time{}, noon.Add(time.Hour), es[1:2])) // a second leader was slower
	must(t, s.Summarised(ctx, noon.Add(time.Second), noon.Add(time.Hour), es[1:2]))
	must(t, s.Summarised(ctx, noon, noon.Add(time.Minute), es[2:]))
	at, err := s.Mark(ctx)
	if err != nil || !at.Equal(noon.Add(time.Minute)) {
		t.Errorf("mark %v, %v, want %v", at, err, noon.Add(time.Minute))
	}
	if diff := cmp.Diff([]string{es[0].ID, es[2].ID}, ids(claim(t, s, noon, 10))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestLateTransitionsAreTold: a change that was spooled arrives after younger ones were told.
func TestLateTransitionsAreTold(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := pgtest.New(t)
	incidents, s := postgres.Incidents{DB: db}, postgres.Events{DB: db}
	change := func(version int64, state alerting.State, kind string, at time.Time) alerting.Change {
		in := alerting.Incident{
			ID: "kw-site-1", Service: "site", State: state, Version: version, Started: noon, Opened: noon, Summary: "site is down",
			Policy: oncall.Policy{Name: "night"},
		}
		if state == alerting.Resolved {
			in.Resolved = at
		}
		return alerting.Change{Incident: in, Entries: []alerting.Entry{{Incident: in.ID, Seq: version * 1000, At: at, Kind: kind, Text: fmt.Sprint("version ", version)}}}
	}
	tell := func(want ...string) {
		t.Helper()
		ts, err := s.Untold(ctx, noon.Add(-time.Hour), 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		var es []event.Event
		for _, tr := range ts {
			got = append(got, tr.Kind)
			es = append(es, event.FromTransition(tr))
			if tr.Service != "site" || tr.Policy != "night" || !tr.Opened.Equal(noon) {
				t.Errorf("transition %+v lacks its incident", tr)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("untold (-want +got):\n%s", diff)
		}
		must(t, s.Told(ctx, ts, es, noon))
	}
	must(t, incidents.Apply(ctx, change(1, alerting.Open, "opened", noon)))
	must(t, incidents.Apply(ctx, change(3, alerting.Resolved, "resolved", noon.Add(3*time.Minute))))
	tell("opened", "resolved")
	tell()
	must(t, incidents.Import(ctx, change(2, alerting.Open, "escalated", noon.Add(2*time.Minute)))) // replayed from the spool
	tell("escalated")
	if got := len(claim(t, s, noon.Add(time.Hour), 10)); got != 3 {
		t.Errorf("%d events, want 3", got)
	}
}

func claim(t *testing.T, s postgres.Events, now time.Time, limit int) []event.Event {
	t.Helper()
	es, err := s.Claim(t.Context(), now, 30*time.Second, limit)
	if err != nil {
		t.Fatal(err)
	}
	return es
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
