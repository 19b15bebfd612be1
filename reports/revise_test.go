package reports

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// goodRows are hourly results of one location over [from, to).
func goodRows(from, to time.Time) []Row {
	var rows []Row
	for slot := from; slot.Before(to); slot = slot.Add(time.Hour) {
		rows = append(rows, Row{Slot: slot, Location: 1, Outcome: 1, Attempts: 1})
	}
	return rows
}

// with runs one change under the shelf's lock.
func (s *shelf) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.stamp++
}

func (s *shelf) newest(tb testing.TB) Report {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bodies) == 0 {
		tb.Fatal("nothing was written")
	}
	return s.bodies[len(s.bodies)-1]
}

// TestLateResultsMakeARevision: results of a day that was unknown come 30 days
// later; within a minute the week has its second revision, and the first is as it was.
func TestLateResultsMakeARevision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().AddDate(0, 0, -5) // Monday 1999-12-27
		late := from.AddDate(0, 0, 2)
		s, box := &shelf{begun: from}, &postbox{}
		all := goodRows(from, from.AddDate(0, 0, 70))
		for _, row := range all {
			if row.Slot.Before(late) || !row.Slot.Before(late.Add(24*time.Hour)) {
				s.rows = append(s.rows, row)
			}
		}
		w := newWriter(t, s, "UTC", "Monday 09:00", box)
		runFor(t, 36*24*time.Hour, w)
		first, err := s.Load(t.Context(), "1999-W52", "UTC", 1)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(first)
		if got := first.Services[0]; got.UnknownMs != (24*time.Hour).Milliseconds() || got.Verdict != NotProven {
			t.Fatalf("got %d ms unknown, %s; want a day, NOT PROVEN", got.UnknownMs, got.Verdict)
		}
		count := len(s.saved)
		go func() {
			time.Sleep(time.Second)
			s.with(func() { s.rows = all })
		}()
		runFor(t, 61*time.Second, newWriter(t, s, "UTC", "Monday 09:00", box)) // written within 60 s of them
		r := s.newest(t)
		if r.Week != "1999-W52" || r.Revision != 2 || r.Services[0].Verdict != Met || r.Services[0].UnknownMs != 0 || !r.Final {
			t.Fatalf("got %s revision %d, %s, final %v; want 1999-W52 revision 2, MET, final", r.Week, r.Revision, r.Services[0].Verdict, r.Final)
		}
		if len(s.saved) != count+1 {
			t.Errorf("%d reports were written, want the one of the week that changed: %s", len(s.saved)-count, s.log())
		}
		if got := strings.Join(r.Changes, " "); !strings.Contains(got, "verdict NOT PROVEN → MET") || !strings.Contains(got, "unknown time 24:00:00 → 0:00:00") {
			t.Errorf("got changes %q, want them to name the difference", got)
		}
		again, err := s.Load(t.Context(), "1999-W52", "UTC", 1)
		if after, _ := json.Marshal(again); err != nil || !bytes.Equal(before, after) {
			t.Errorf("the first revision has changed: %v", err)
		}
		runFor(t, 3*time.Hour, newWriter(t, s, "UTC", "Monday 09:00", box))
		if len(s.saved) != count+1 {
			t.Errorf("got further revisions without further facts: %s", s.log())
		}
	})
}

// TestTrickleWaits: while results keep coming, no revision is made of each.
func TestTrickleWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().AddDate(0, 0, -12) // Monday 1999-12-20
		s := &shelf{begun: from}
		runFor(t, time.Minute, newWriter(t, s, "UTC", "Monday 09:00"))
		if len(s.saved) != 1 {
			t.Fatalf("got %s, want 1999-W51 alone", s.log())
		}
		all := goodRows(from, from.AddDate(0, 0, 7))
		go func() {
			for n := range all { // one every 10 s: half an hour
				time.Sleep(10 * time.Second)
				s.with(func() { s.rows = all[:n+1] })
			}
		}()
		runFor(t, 40*time.Minute, newWriter(t, s, "UTC", "Monday 09:00"))
		if n := len(s.saved) - 1; n < 1 || n > 8 {
			t.Errorf("got %d revisions of half an hour of late results, want some: one every five minutes at most, and a last one", n)
		}
		if r := s.newest(t); r.Services[0].UnknownMs != 0 {
			t.Errorf("got %d ms unknown in the last revision, want none", r.Services[0].UnknownMs)
		}
	})
}

// TestFinal: a day after its end a report that holds is final without a revision,
// one whose acknowledgement came late is final in its second.
func TestFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().AddDate(0, 0, -12)
		s := &shelf{begun: from, rows: goodRows(from, from.AddDate(0, 0, 30))}
		end := time.Now().AddDate(0, 0, 2)
		s.facts = []IncidentFact{{ID: "kw-site-1", Started: end.Add(-time.Hour), Opened: end.Add(-time.Hour)}}
		runFor(t, 2*24*time.Hour+10*time.Hour, newWriter(t, s, "UTC", "Monday 09:00"))
		r := s.newest(t)
		if r.Week != "1999-W52" || r.Revision != 1 || r.Final || r.Services[0].Unacked != 1 {
			t.Fatalf("got %s revision %d, final %v, %d unacked; want the first of 1999-W52, not final", r.Week, r.Revision, r.Final, r.Services[0].Unacked)
		}
		s.with(func() { s.facts[0].Acknowledged, s.facts[0].AckBy = end.Add(11*time.Hour), "ada" })
		runFor(t, 20*time.Hour, newWriter(t, s, "UTC", "Monday 09:00"))
		r = s.newest(t)
		if r.Revision != 2 || r.Services[0].Acked != 1 || len(r.Changes) == 0 {
			t.Errorf("got revision %d, %d acked, changes %q; want the second that says it", r.Revision, r.Services[0].Acked, r.Changes)
		}
		list, err := s.List(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			newest := v.Week == "1999-W52" && v.Revision == 2 || v.Week == "1999-W51"
			if v.Final.IsZero() == newest {
				t.Errorf("%s revision %d: final %v", v.Week, v.Revision, v.Final)
			}
		}
	})
}

// TestRevisionNeverForgets: when the ledger has lost what was seen, the written
// report stays as it is and the log says so once.
func TestRevisionNeverForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().AddDate(0, 0, -12)
		s := &shelf{begun: from, rows: goodRows(from, from.AddDate(0, 0, 30))}
		runFor(t, time.Minute, newWriter(t, s, "UTC", "Monday 09:00"))
		s.with(func() { s.rows = nil })
		var log bytes.Buffer
		w := newWriter(t, s, "UTC", "Monday 09:00")
		w.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		runFor(t, 5*time.Hour, w)
		if len(s.saved) != 1 {
			t.Errorf("got %s, want the report that was written", s.log())
		}
		if got := strings.Count(log.String(), "report stays as it is"); got != 1 {
			t.Errorf("got %d lines, want one:\n%s", got, log.String())
		}
	})
}

// TestCorrectionMakesARevision, and what the configuration says today does not.
func TestCorrectionMakesARevision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().AddDate(0, 0, -12)
		s := &shelf{begun: from, rows: goodRows(from, from.AddDate(0, 0, 30))}
		for i := range 10 {
			s.rows[30+i].Outcome = 2
		}
		w := newWriter(t, s, "UTC", "Monday 09:00")
		runFor(t, time.Minute, w)
		settings := w.Settings()
		settings.Services = []Service{{Name: "site", Objective: 999_000, Critical: []string{"another"}}}
		w.Settings = func() Settings { return settings }
		runFor(t, 2*time.Hour, w)
		if r := s.newest(t); r.Revision != 1 || r.Services[0].Verdict != Missed {
			t.Fatalf("got revision %d, %s; another objective must not change a written week", r.Revision, r.Services[0].Verdict)
		}
		noted := Annotate(s.newest(t), "The router was replaced.", "ada", time.Now())
		if err := s.Save(t.Context(), noted, time.Now()); err != nil {
			t.Fatal(err)
		}
		s.with(func() {
			s.declared = []Exclusion{{
				ID: 3, Service: "site", Kind: Correction, From: from.Add(30 * time.Hour), To: from.Add(40 * time.Hour),
				DeclaredAt: time.Now(), Author: "ada", Approver: "grace", Reason: "the probe's own network",
			}}
		})
		runFor(t, time.Minute, w)
		r := s.newest(t)
		got := r.Services[0]
		if r.Revision != 3 || got.Verdict != Met || got.ExcludedMs != (10*time.Hour).Milliseconds() || got.ObjectivePPM != 950_000 || r.Note != noted.Note {
			t.Errorf("got revision %d, %s, %d ms excluded, objective %d, note %q; want 3, MET, 10 h, 950000, the note", r.Revision, got.Verdict, got.ExcludedMs, got.ObjectivePPM, r.Note)
		}
		if text := strings.Join(r.Changes, " "); !strings.Contains(text, "correction 3 by ada, approved by grace, leaves out 10:00:00: the probe's own network") {
			t.Errorf("got changes %q, want the correction named", text)
		}
		if got.Experienced != "94.04" {
			t.Errorf("got %s experienced, want 94.04 beside it", got.Experienced)
		}
	})
}

// TestReviseOfYesterdaysReport: one from before reports carried what their services
// were made of is computed with the present ones.
func TestReviseOfYesterdaysReport(t *testing.T) {
	t.Parallel()
	w := week(t, "1999-W50", "UTC")
	s := &shelf{begun: w.From, rows: goodRows(w.From, w.To)}
	in := Input{Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front"}}}}
	old := Build(in) // nobody had seen anything
	old.Kind, old.Title, old.Hash, old.Services[0].Critical, old.Services[0].CheckFacts = "", "", "", nil, nil
	set := Settings{Services: []Service{{Name: "site", Objective: 999_000, Critical: []string{"front"}}}}
	r, differs, err := Revise(t.Context(), s, old, set, w.To)
	if err != nil || !differs || r.Revision != 2 || r.Services[0].Verdict != Met || r.Services[0].ObjectivePPM != 950_000 {
		t.Errorf("got %v, %v, revision %d, %+v; want a second revision, MET at the old objective", err, differs, r.Revision, r.Services)
	}
	set.Services[0].Name = "other"
	if _, differs, err := Revise(t.Context(), s, old, set, w.To); err != nil || differs {
		t.Errorf("got %v, %v for a service that is no longer known; want the report as it is", err, differs)
	}
}

func TestAnnotate(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	r := Build(Input{Week: w, Now: w.To, Services: []Service{{Name: "site", Objective: 950_000}}})
	noted := Annotate(r, "The router was replaced.", "ada", w.To.Add(time.Hour))
	if noted.Revision != 2 || noted.Note != "The router was replaced." || noted.FactsSum() != r.FactsSum() || noted.Hash != r.Hash {
		t.Errorf("got revision %d, note %q; want another revision with the same facts", noted.Revision, noted.Note)
	}
}

// TestTrend takes frozen weeks as they were, folds the others, and ends where nobody
// watched.
func TestTrend(t *testing.T) {
	t.Parallel()
	w := week(t, "2026-W47", "UTC")
	begun := w.From.AddDate(0, 0, -28)
	s := &shelf{begun: begun, rows: goodRows(begun, w.To)}
	frozen := Build(Input{Week: w.Previous().Previous(), Now: w.To, Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"gone"}}}})
	frozen.Revision = 3
	if err := s.Save(t.Context(), frozen, w.To); err != nil {
		t.Fatal(err)
	}
	set := Settings{Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front"}}}}
	r, err := MakeWindow(t.Context(), s, w.Window(), set, w.To)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range r.Services[0].Trend {
		got = append(got, line.Week+" "+line.Availability+" "+string(line.Verdict))
	}
	want := "2026-W43 100.00 MET, 2026-W44 100.00 MET, 2026-W45 no data NOT PROVEN, 2026-W46 100.00 MET"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if n := r.Services[0].Trend[2].Revision; n != 3 {
		t.Errorf("got revision %d of the frozen week, want 3", n)
	}
}
