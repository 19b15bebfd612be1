package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // the zone of the week must not depend on the machine

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
)

const reportSlot = 30 * time.Second

// weekOf169h is the week of Los Angeles in which clocks went back.
func weekOf169h(tb testing.TB) reports.Week {
	tb.Helper()
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		tb.Fatal(err)
	}
	w, err := reports.ParseWeek("2025-W44", zone)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func watched(name string, locations ...string) probe.Check {
	return probe.Check{
		Name: name, Kind: "http", Target: "http://127.0.0.1/", Every: reportSlot, Timeout: 5 * time.Second,
		Quorum: len(locations)/2 + 1, Locations: locations, Spec: "{}",
	}
}

// record writes one result a slot, check and location of [from, to); edit changes a
// result, or drops it by returning false.
func record(tb testing.TB, r *postgres.Results, checks []probe.Check, from, to time.Time, edit func(*probe.Result) bool) {
	tb.Helper()
	var rs []probe.Result
	for slot := from; slot.Before(to); slot = slot.Add(reportSlot) {
		for _, c := range checks {
			for _, location := range c.Locations {
				if p := result(c.Name, location, slot); edit(&p) {
					rs = append(rs, p)
				}
			}
		}
		if len(rs) > 10_000 || !slot.Add(reportSlot).Before(to) {
			if err := r.Insert(tb.Context(), rs); err != nil {
				tb.Fatal(err)
			}
			rs = nil
		}
	}
}

func within(t, from time.Time, d time.Duration) bool { return !t.Before(from) && t.Before(from.Add(d)) }

// TestWeekFromPostgres writes a week of results with outages, a blind spell and an
// incident, and compares the report with figures worked out by hand:
// the week has 608,400 s, the budget is 30,420 s; front-page is bad at two of three
// locations for 2,490 s and photo-journey for 180 s, of which 90 s overlap: 2,580 s
// down; no prober ran for 2,400 s. So 603,420 s were good of 606,000 s seen.
func TestWeekFromPostgres(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx, w := t.Context(), weekOf169h(t)
	results, store := &postgres.Results{DB: db}, postgres.Reports{DB: db}
	checks := []probe.Check{watched("front-page", "west", "central", "east"), watched("photo-journey", "west")}
	start := w.From.Add(-25 * time.Hour)
	if err := results.SyncChecks(ctx, start, checks); err != nil {
		t.Fatal(err)
	}
	down, blind := w.From.Add(50*time.Hour+11*time.Minute), w.From.Add(100*time.Hour)
	retried := 0
	edit := func(p *probe.Result) bool {
		switch {
		case within(p.Slot, blind, 40*time.Minute):
			return false
		case p.Check == "front-page" && p.Location != "east" && within(p.Slot, down, 2490*time.Second):
			bad("got 503, want 200", "<h1>down</h1>")(p)
		case p.Check == "front-page" && p.Location == "east" && within(p.Slot, w.From.Add(20*time.Hour), time.Hour):
			bad("only east sees this", "")(p)
		case p.Check == "photo-journey" && within(p.Slot, down.Add(40*time.Minute), 3*time.Minute):
			bad("upload refused", "")(p)
		case p.Check == "photo-journey" && within(p.Slot, w.From.Add(5*time.Hour), 5*time.Minute):
			p.Attempts = 2
			retried++
		}
		return true
	}
	record(t, results, checks, start, w.To.Add(10*time.Minute), edit)
	for range 2 { // a replay counts nothing twice
		record(t, results, checks, down, down.Add(time.Hour), edit)
	}
	putIncident(t, db, down)

	now := w.To.Add(15 * time.Minute)
	services := []reports.Service{
		{Name: "image-site", Objective: 950_000, Critical: []string{"front-page", "photo-journey"}},
		{Name: "unheard-of", Objective: 950_000, Critical: []string{"no-such-check"}},
	}
	got, err := reports.Make(ctx, store, w, services, now)
	if err != nil {
		t.Fatal(err)
	}
	want := reports.Report{
		Schema: reports.Schema, Week: "2025-W44", Zone: "America/Los_Angeles", From: w.From, To: w.To, MadeAt: now,
		Services: []reports.ServiceReport{
			{
				Name: "image-site", ObjectivePPM: 950_000,
				GoodMs: 603_420_000, BadMs: 2_580_000, UnknownMs: 2_400_000,
				Availability: "99.57", Coverage: "99.60", AvailabilityLow: "99.18", AvailabilityHigh: "99.57", Experienced: "99.57",
				BudgetMs: 30_420_000, SpentMs: 2_580_000, RemainingMs: 27_840_000, WorstRemaining: 25_440_000,
				Verdict: reports.Met,
				Outages: []reports.Outage{{
					From: down, To: down.Add(43 * time.Minute), Ms: 2_580_000,
					Checks: []string{"front-page", "photo-journey"}, Locations: []string{"central", "west"},
					Cause: "front-page: status: got 503, want 200", Incident: "kw-image-site-1", AckBy: "grace", AckS: new(int64(120)),
					DetectS: new(int64(60)), ResolvedAt: new(down.Add(45 * time.Minute)), Rule: "confirmed outage",
				}},
				Gaps:         []reports.Gap{{From: blind, To: blind.Add(40 * time.Minute), Ms: 2_400_000, Cause: "front-page: no result"}},
				SoftFailures: 10, Incidents: 1, MTTA: new(int64(120)), Acked: 1, Pages: 2,
				MTTAMedian: new(int64(120)), MTTD: new(int64(60)), MTBF: new(int64(603_420)),
				CheckFacts: []reports.CheckFacts{
					{Name: "front-page", GoodMs: 603_510_000, BadMs: 2_490_000, UnknownMs: 2_400_000, SpentMs: 2_490_000, Locations: []reports.LocationFact{}},
					{
						Name: "photo-journey", GoodMs: 605_820_000, BadMs: 180_000, UnknownMs: 2_400_000, SpentMs: 180_000,
						SoftFailures: 10, Locations: []reports.LocationFact{},
					},
				},
				Critical: []string{"front-page", "photo-journey"},
			},
			{
				Name: "unheard-of", ObjectivePPM: 950_000, UnknownMs: 608_400_000,
				Availability: "no data", Coverage: "0.00", AvailabilityLow: "0.00", AvailabilityHigh: "100.00", Experienced: "no data",
				BudgetMs: 30_420_000, RemainingMs: 30_420_000, WorstRemaining: -577_980_000, Verdict: reports.NotProven,
				Outages:    []reports.Outage{},
				Gaps:       []reports.Gap{{From: w.From, To: w.To, Ms: 608_400_000, Cause: "no-such-check: not watched"}},
				CheckFacts: []reports.CheckFacts{{Name: "no-such-check", UnknownMs: 608_400_000, Locations: []reports.LocationFact{}}},
				Critical:   []string{"no-such-check"},
			},
		},
		Kind: reports.KindWeek, Title: "week 2025-W44", Hash: got.FactsSum(),
		// The pages were accepted a minute apart, about two in the morning.
		People: []reports.PersonLoad{{Name: "whoever the channel chose", Pages: 2, OutOfHours: 2, Sleep: 2}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("report (-got +want):\n%s", diff)
	}
	whole, err := reports.MakeWindow(ctx, store, w.Window(), reports.Settings{Zone: w.Zone, Services: services, Engine: "v1", TZData: "2025b"}, now)
	if err != nil {
		t.Fatal(err)
	}
	want.Services[0].CheckFacts[0].Locations = []reports.LocationFact{
		{Location: "central", GoodMs: 603_510_000, BadMs: 2_490_000, UnknownMs: 2_400_000},
		{Location: "east", GoodMs: 602_400_000, BadMs: 3_600_000, UnknownMs: 2_400_000, SuspectMs: 3_600_000},
		{Location: "west", GoodMs: 603_510_000, BadMs: 2_490_000, UnknownMs: 2_400_000},
	}
	opts := cmpopts.IgnoreFields(reports.CheckFacts{}, "Latency", "LastWeek")
	if diff := cmp.Diff(whole.Services[0].CheckFacts[0], want.Services[0].CheckFacts[0], opts); diff != "" {
		t.Errorf("front-page (-got +want):\n%s", diff)
	}
	if whole.Hash != want.Hash || whole.TZData != "2025b "+reports.Fingerprint(w.Zone) || whole.Engine != "v1" {
		t.Errorf("got hash %s, %q, %q; want the same facts", whole.Hash, whole.TZData, whole.Engine)
	}
	if retried != 10 {
		t.Fatalf("the test retried %d results, want 10", retried)
	}
}

// putIncident stores an incident that began at start, was paged a minute later and
// acknowledged after three; of its pages two were accepted.
func putIncident(t *testing.T, db *postgres.DB, start time.Time) {
	t.Helper()
	in := alerting.Incident{
		ID: "kw-image-site-1", Service: "image-site", State: alerting.Resolved, Version: 3,
		Started: start, Opened: start.Add(time.Minute), Acknowledged: start.Add(3 * time.Minute), Resolved: start.Add(45 * time.Minute),
		AckBy: "grace", Checks: []string{"front-page"},
	}
	other := in
	other.ID, other.Service = "kw-other-1", "other"
	before := in
	before.ID, before.Started, before.Opened, before.Resolved = "kw-image-site-0", start.AddDate(0, 0, -9), start.AddDate(0, 0, -9), start.AddDate(0, 0, -8)
	page := func(n int, action alerting.Action, state alerting.PageState, accepted time.Time) alerting.Page {
		return alerting.Page{
			ID: fmt.Sprintf("%s/1/%d", in.ID, n), Incident: in.ID, Seq: int64(n), Channel: "pagerduty", Route: "service",
			DedupKey: in.ID, Action: action, State: state, Created: start, AcceptedAt: accepted,
		}
	}
	pages := []alerting.Page{
		page(1, alerting.Trigger, alerting.Accepted, start.Add(time.Minute)),
		page(2, alerting.Trigger, alerting.Accepted, start.Add(2*time.Minute)),
		page(3, alerting.Trigger, alerting.Rejected, time.Time{}),
		page(4, alerting.Resolve, alerting.Accepted, start.Add(45*time.Minute)),
		page(5, alerting.Trigger, alerting.Accepted, start.AddDate(0, 0, 8)), // next week
	}
	for _, c := range []alerting.Change{{Incident: in, Pages: pages}, {Incident: other}, {Incident: before}} {
		if err := (postgres.Incidents{DB: db}).Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBlindWeekIsNotProven: a day without a prober leaves the week open, whatever the
// rest was; and a check that was reconfigured in the middle keeps its past.
func TestBlindWeekIsNotProven(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx, w := t.Context(), weekOf169h(t)
	results := &postgres.Results{DB: db}
	start, moved := w.From.Add(-25*time.Hour), w.From.Add(30*time.Hour)
	old, changed := watched("front-page", "west"), watched("front-page", "west", "east")
	if err := results.SyncChecks(ctx, start, []probe.Check{old}); err != nil {
		t.Fatal(err)
	}
	if err := results.SyncChecks(ctx, moved, []probe.Check{changed}); err != nil {
		t.Fatal(err)
	}
	blind := w.From.Add(60 * time.Hour)
	keep := func(p *probe.Result) bool { return !within(p.Slot, blind, 24*time.Hour) }
	record(t, results, []probe.Check{old}, start, moved, keep)
	record(t, results, []probe.Check{changed}, moved, w.To, keep)
	r, err := reports.Make(ctx, postgres.Reports{DB: db}, w, []reports.Service{{Name: "s", Objective: 950_000, Critical: []string{"front-page"}}}, w.To)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Services[0]
	// 145 of 169 hours were seen: 85.798… %.
	if got.Verdict != reports.NotProven || got.Coverage != "85.79" || got.AvailabilityLow != "85.79" || got.UnknownMs != 86_400_000 || got.BadMs != 0 {
		t.Errorf("got %s, coverage %s, at least %s, %d ms unknown, %d bad; want NOT PROVEN, 85.79, 85.79, 86400000, 0",
			got.Verdict, got.Coverage, got.AvailabilityLow, got.UnknownMs, got.BadMs)
	}
}

func TestReportsAreFrozen(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	ctx, s := t.Context(), postgres.Reports{DB: pgtest.Open(t, dsn)}
	w := weekOf169h(t)
	r := reports.Build(reports.Input{Week: w, Now: w.To, Services: []reports.Service{{Name: "s\x00ä", Objective: 950_000}}})
	if _, err := s.Load(ctx, r.Week, r.Zone, 0); !errors.Is(err, reports.ErrNotFound) {
		t.Errorf("Load of nothing: got %v, want ErrNotFound", err)
	}
	if err := s.Save(ctx, r, w.To); err != nil {
		t.Fatal(err)
	}
	changed := r
	changed.Services = nil
	if err := s.Save(ctx, changed, w.To); !errors.Is(err, reports.ErrExists) {
		t.Errorf("second Save: got %v, want ErrExists", err)
	}
	second := r
	second.Revision = 2
	if err := s.Save(ctx, second, w.To.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for revision, want := range map[int]reports.Report{1: r, 2: second, 0: second} {
		got, err := s.Load(ctx, r.Week, r.Zone, revision)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("revision %d (-got +want):\n%s", revision, diff)
		}
	}
	wantList := []reports.Saved{{Week: r.Week, Zone: r.Zone, Revision: 2, Written: w.To.Add(time.Hour)}, {Week: r.Week, Zone: r.Zone, Revision: 1, Written: w.To}}
	for _, zone := range []string{"", r.Zone} {
		list, err := s.List(ctx, zone, 10)
		if diff := cmp.Diff(list, wantList); err != nil || diff != "" {
			t.Errorf("List(%q): %v (-got +want):\n%s", zone, err, diff)
		}
	}
	if list, err := s.List(ctx, "UTC", 10); err != nil || len(list) != 0 {
		t.Errorf("List of another zone: got %v, %v, want nothing", list, err)
	}
	tamper(t, dsn, s, r)
}

// tamper shows that the table refuses a change, and that Load sees one all the same.
func tamper(t *testing.T, dsn string, s postgres.Reports, r reports.Report) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	flatter := `UPDATE weekly_report SET body = replace(body, '"unknown_ms":608400000', '"unknown_ms":0')`
	for _, sql := range []string{flatter, `DELETE FROM weekly_report`} {
		if _, err := conn.Exec(ctx, sql); err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("%s: got %v, want a refusal", sql, err)
		}
	}
	if _, err := conn.Exec(ctx, `ALTER TABLE weekly_report DISABLE TRIGGER weekly_report_frozen`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, flatter); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(ctx, r.Week, r.Zone, 1); err == nil {
		t.Errorf("a changed report was loaded: %d ms unknown", got.Services[0].UnknownMs)
	}
}

// sentWeeks counts what was sent of each week; two writers share it.
type sentWeeks struct {
	mu   sync.Mutex
	sent map[string]int // guarded by mu
}

func (*sentWeeks) Name() string { return "test" }

func (s *sentWeeks) Send(_ context.Context, r reports.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[r.Week]++
	return nil
}

// TestTwoWritersWriteEachWeekOnce races two daemons over the same weeks.
func TestTwoWritersWriteEachWeekOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	results := &postgres.Results{DB: pgtest.Open(t, dsn)}
	if err := results.SyncChecks(t.Context(), time.Now().AddDate(0, 0, -36), []probe.Check{watched("front-page", "west")}); err != nil {
		t.Fatal(err)
	}
	settings := reports.Settings{Zone: time.UTC, Services: []reports.Service{{Name: "s", Objective: 950_000, Critical: []string{"front-page"}}}}
	box := &sentWeeks{sent: map[string]int{}}
	var wg sync.WaitGroup
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		w := &reports.Writer{
			Store: postgres.Reports{DB: pgtest.Open(t, dsn)}, Senders: []reports.Sender{box}, Log: slog.New(slog.DiscardHandler),
			Settings: func() reports.Settings {
				// Asked once before the weeks are caught up with, and once after.
				if asked++; asked == 2 {
					cancel()
				}
				return settings
			},
		}
		wg.Go(func() {
			defer cancel()
			if err := w.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	wg.Wait()
	saved, err := postgres.Reports{DB: results.DB}.List(t.Context(), "UTC", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(saved) < 4 || len(saved) != len(box.sent) {
		t.Errorf("got %d saved and %d sent weeks, want the same, at least 4", len(saved), len(box.sent))
	}
	for week, n := range box.sent {
		if n != 1 {
			t.Errorf("%s was sent %d times, want once", week, n)
		}
	}
}
