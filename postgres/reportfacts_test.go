package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
	"keepwatch/reports"
	"keepwatch/reports/plain"
)

// frozen is a report of a week with one fact for each service.
func frozen(tb testing.TB, week string, revision int, services map[string]int64) reports.Report {
	tb.Helper()
	w, err := reports.ParseWeek(week, time.UTC)
	if err != nil {
		tb.Fatal(err)
	}
	r := reports.Report{
		Schema: reports.Schema, Week: week, Zone: "UTC", From: w.From, To: w.To, Revision: revision, MadeAt: w.To,
		Kind: reports.KindWeek, Engine: "v1", TZData: "2025b 12345678",
	}
	for name, bad := range services {
		r.Services = append(r.Services, reports.ServiceReport{Name: name, ObjectivePPM: 950_000, BadMs: bad, GoodMs: 604_800_000 - bad})
	}
	return r
}

func TestWeekFacts(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	ctx, s := t.Context(), postgres.Reports{DB: pgtest.Open(t, dsn)}
	var last reports.Report
	for _, r := range []reports.Report{
		frozen(t, "2025-W52", 1, map[string]int64{"a": 1, "b": 2}),
		frozen(t, "2026-W01", 1, map[string]int64{"a": 3}),
		frozen(t, "2026-W01", 2, map[string]int64{"a": 4}),
		frozen(t, "2026-W02", 1, map[string]int64{"a": 5}),
	} {
		if err := s.Save(ctx, r, r.To); err != nil {
			t.Fatal(err)
		}
		last = r
	}
	first, err := reports.ParseWeek("2025-W52", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		to       reports.Week
		services []string
		want     string
	}{
		{first.Next(), nil, "2025-W52 r1 a 1, 2025-W52 r1 b 2, 2026-W01 r2 a 4"},
		{first.Next().Next(), []string{"a"}, "2025-W52 r1 a 1, 2026-W01 r2 a 4, 2026-W02 r1 a 5"},
		{first, []string{"c"}, ""},
	} {
		facts, err := s.Weeks(ctx, first, tt.to, tt.services)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range facts {
			got = append(got, fmt.Sprintf("%d-W%02d r%d %s %d", f.Year, f.Number, f.Revision, f.Service, f.BadMs))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("to %s of %v: got %s, want %s", tt.to, tt.services, strings.Join(got, ", "), tt.want)
		}
	}
	if sum := last.Services[0].Sum(); count64(t, dsn, `SELECT count(*) FROM slo_week WHERE facts_sha = '`+sum+`'`) != 1 {
		t.Errorf("the sum %s is not in the row", sum)
	}
	for _, sql := range []string{
		`UPDATE slo_week SET bad_ms = 0`, `DELETE FROM slo_week`, `UPDATE weekly_final SET revision = 9`,
	} {
		if err := s.Finalise(ctx, "2026-W02", "UTC", 1, last.To); err != nil {
			t.Fatal(err)
		}
		if err := tryOn(t, dsn, sql); err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("%s: got %v, want a refusal", sql, err)
		}
	}
	list, err := s.List(ctx, "UTC", 1)
	if err != nil || len(list) != 1 || !list[0].Final.Equal(last.To) {
		t.Errorf("got %+v, %v; want the newest week, final", list, err)
	}
	if err := s.Save(ctx, reports.Report{Kind: reports.KindMonth, Revision: 1}, last.To); err == nil {
		t.Error("a month was frozen")
	}
}

func tryOn(t *testing.T, dsn, sql string, args ...any) error {
	t.Helper()
	_, err := connectTo(t, dsn).Exec(t.Context(), sql, args...)
	return err
}

func TestExclusions(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db := pgtest.Open(t, dsn)
	ctx, s := t.Context(), postgres.Exclusions{DB: db}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	stamp := func() string {
		t.Helper()
		text, err := postgres.Reports{DB: db}.Stamp(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := stamp()
	x := reports.Exclusion{
		Service: "site", Kind: reports.Correction, From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour),
		DeclaredAt: now, Author: "ada", Approver: "grace", Reason: "the probe's network",
	}
	id, err := s.Add(ctx, x)
	if err != nil {
		t.Fatal(err)
	}
	x.ID = id
	if stamp() == before {
		t.Error("the stamp is the same after a correction")
	}
	before = stamp()
	own := x
	own.Approver = "Ada"
	if _, err := s.Add(ctx, own); err == nil {
		t.Error("a correction was approved by its author")
	}
	got, err := postgres.Reports{DB: db}.Exclusions(ctx, []string{"site", "other"}, x.From, now)
	if diff := cmp.Diff(got, []reports.Exclusion{x}); err != nil || diff != "" {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if got, err := s.Touching(ctx, nil, x.To, now); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v after its end, want none", got, err)
	}
	if err := s.Cancel(ctx, id, "alan", now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(ctx, id, "alan", now.Add(2*time.Hour)); !errors.Is(err, postgres.ErrNoExclusion) {
		t.Errorf("cancelled twice: got %v", err)
	}
	if got, err := s.Get(ctx, id); err != nil || !got.Cancelled.Equal(now.Add(time.Hour)) || stamp() == before {
		t.Errorf("got %+v, %v; want it cancelled an hour later, and another stamp", got, err)
	}
	for _, sql := range []string{`DELETE FROM exclusion`, `UPDATE exclusion SET ends = ends + interval '1 day'`, `UPDATE exclusion SET cancelled_at = NULL`} {
		if err := tryOn(t, dsn, sql); err == nil || !strings.Contains(err.Error(), "never changed") {
			t.Errorf("%s: got %v, want a refusal", sql, err)
		}
	}
	entries, err := postgres.Audit{DB: db}.List(ctx, "", time.Time{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range entries {
		words = append(words, e.Who+" "+e.What+" "+e.Object)
	}
	if diff := cmp.Diff(words, []string{"alan correction site", "ada correction site"}); diff != "" {
		t.Errorf("audit (-got +want):\n%s", diff)
	}
}

// TestWindowsOfTheFile: applying the file again and again declares each window once,
// what left the file and has not begun is taken back, and what a person cancelled
// stays so.
func TestWindowsOfTheFile(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx, s := t.Context(), postgres.Exclusions{DB: db}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(day int) reports.Exclusion {
		from := now.AddDate(0, 0, day)
		return reports.Exclusion{Service: "site", From: from, To: from.Add(time.Hour), Reason: "backup"}
	}
	list := func() string {
		t.Helper()
		all, err := s.Touching(ctx, nil, now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, x := range all {
			word := strconv.Itoa(int(x.From.Sub(now).Hours() / 24))
			if !x.Cancelled.IsZero() {
				word += " cancelled"
			}
			out = append(out, word)
		}
		return strings.Join(out, ", ")
	}
	for _, step := range []struct {
		windows []reports.Exclusion
		now     time.Time
		want    string
	}{
		{[]reports.Exclusion{at(1), at(8)}, now, "1, 8"},
		{[]reports.Exclusion{at(1), at(8)}, now.Add(time.Hour), "1, 8"},
		{[]reports.Exclusion{at(8), at(15)}, now.AddDate(0, 0, 2), "1, 8, 15"},              // the first has begun: it was announced
		{[]reports.Exclusion{at(15)}, now.AddDate(0, 0, 3), "1, 8 cancelled, 15"},           // the second is taken back
		{[]reports.Exclusion{at(8), at(15)}, now.AddDate(0, 0, 4), "1, 8 cancelled, 8, 15"}, // and declared again
	} {
		if err := s.ApplyFile(ctx, step.windows, step.now); err != nil {
			t.Fatal(err)
		}
		if got := list(); got != step.want {
			t.Fatalf("at %s: got %s, want %s", step.now, got, step.want)
		}
	}
	all, err := s.Touching(ctx, nil, at(15).From, at(15).To)
	if err != nil || len(all) != 1 || !all[0].DeclaredAt.Equal(now.AddDate(0, 0, 2)) {
		t.Fatalf("got %+v, %v; want it declared when it was first seen", all, err)
	}
	if err := s.Cancel(ctx, all[0].ID, "ada", now.AddDate(0, 0, 5)); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyFile(ctx, []reports.Exclusion{at(8), at(15)}, now.AddDate(0, 0, 6)); err != nil {
		t.Fatal(err)
	}
	if got, want := list(), "1, 8 cancelled, 8, 15 cancelled"; got != want {
		t.Errorf("after a person took it back: got %s, want %s", got, want)
	}
}

// TestLateResultsInPostgres: a day's results come 30 days late, three times over;
// within a minute of them their week has a second revision, and no other has.
func TestLateResultsInPostgres(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	synctest.Test(t, func(t *testing.T) {
		db := pgtest.Open(t, dsn)
		results, store := &postgres.Results{DB: db}, postgres.Reports{DB: db}
		begun := time.Now().UTC().AddDate(0, 0, -33) // Monday 1999-11-29
		c := watched("front-page", "west")
		c.Every = 15 * time.Minute
		if err := results.SyncChecks(t.Context(), begun, []probe.Check{c}); err != nil {
			t.Fatal(err)
		}
		late := begun.AddDate(0, 0, 2)
		insert := func(from, to time.Time, skip func(time.Time) bool) {
			var rs []probe.Result
			for slot := from; slot.Before(to); slot = slot.Add(c.Every) {
				if !skip(slot) {
					rs = append(rs, result(c.Name, "west", slot))
				}
			}
			if err := results.Insert(t.Context(), rs); err != nil {
				t.Fatal(err)
			}
		}
		insert(begun, time.Now(), func(slot time.Time) bool { return within(slot, late, 24*time.Hour) })
		settings := reports.Settings{Zone: time.UTC, Services: []reports.Service{{Name: "site", Objective: 950_000, Critical: []string{c.Name}}}}
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			w := &reports.Writer{Store: store, Settings: func() reports.Settings { return settings }, Log: slog.New(slog.DiscardHandler)}
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		}
		run(10 * time.Second)
		before, err := store.List(t.Context(), "", 100)
		if err != nil || len(before) != 4 {
			t.Fatalf("got %+v, %v; want four weeks", before, err)
		}
		first := body(t, dsn, "1999-W48", 1)
		go func() {
			time.Sleep(12 * time.Second)
			for range 3 {
				insert(late, late.Add(24*time.Hour), func(time.Time) bool { return false })
			}
		}()
		run(72 * time.Second)
		after, err := store.List(t.Context(), "", 100)
		if err != nil || len(after) != 5 {
			t.Fatalf("got %+v, %v; want one revision more than %d", after, err, len(before))
		}
		r, err := store.Load(t.Context(), "1999-W48", "UTC", 0)
		if err != nil || r.Revision != 2 || r.Services[0].UnknownMs != 0 || r.Services[0].GoodMs != 604_800_000 {
			t.Errorf("got revision %d, %+v, %v; want the second with all of the week good", r.Revision, r.Services, err)
		}
		if got := body(t, dsn, "1999-W48", 1); got != first {
			t.Error("the first revision has changed")
		}
	})
}

func body(t *testing.T, dsn, week string, revision int) string {
	t.Helper()
	var text string
	if err := connectTo(t, dsn).QueryRow(t.Context(), `SELECT body FROM weekly_report WHERE week = $1 AND revision = $2`, week, revision).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestYesterdaysReports: what was frozen before this schema loads, prints and stands
// in trends, whatever bytes its causes have.
func TestYesterdaysReports(t *testing.T) {
	t.Parallel()
	dsn := pgtest.EmptyDSN(t)
	db := pgtest.Open(t, dsn)
	var texts []string
	for _, path := range glob(t, "migrations/*.sql")[:9] {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if err := db.MigrateFiles(t.Context(), texts...); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("testdata/report-2026-11-21.json")
	if err != nil {
		t.Fatal(err)
	}
	var compact strings.Builder
	var v json.RawMessage
	if err := json.Unmarshal(old, &v); err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(&compact)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(compact.String())
	execOn(t, dsn, `INSERT INTO weekly_report (week, zone, revision, body, sha, written_at)
		VALUES ('2025-W44', 'America/Los_Angeles', 1, $1, sha256(convert_to($1, 'UTF8')), '2025-11-03 17:00:00+00')`, text)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, w := postgres.Reports{DB: db}, weekOf169h(t)
	r, err := s.Load(t.Context(), "2025-W44", "America/Los_Angeles", 0)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := (plain.Text{}).Write(&page, r); err != nil || !strings.Contains(page.String(), "revision 1") {
		t.Errorf("%v\n%s", err, page.String())
	}
	facts, err := s.Weeks(t.Context(), w, w, nil)
	if err != nil || len(facts) != len(r.Services) || len(facts) == 0 {
		t.Fatalf("got %+v, %v; want the facts of %d services", facts, err, len(r.Services))
	}
	for _, f := range facts {
		for _, sr := range r.Services {
			if sr.Name == f.Service && (sr.BadMs != f.BadMs || sr.GoodMs != f.GoodMs || sr.UnknownMs != f.UnknownMs) {
				t.Errorf("%s: got %+v, want %d, %d, %d", f.Service, f, sr.GoodMs, sr.BadMs, sr.UnknownMs)
			}
		}
	}
}
