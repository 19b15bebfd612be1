package reports

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is a Store in memory. Its ledger has revisions from begun on and no results.
type shelf struct {
	mu    sync.Mutex
	begun time.Time
	hide  bool    // List shows nothing
	saved []Saved // guarded by mu, as are the others below
	down  int     // this many calls fail
	calls int

	rows     []Row
	facts    []IncidentFact
	declared []Exclusion
	drills   []Drill
	bodies   []Report
	stamp    int
}

func (s *shelf) fail() error {
	s.calls++
	if s.down > 0 {
		s.down--
		return errors.New("the database is away")
	}
	return nil
}

func (s *shelf) Timelines(_ context.Context, checks []string, from, to, now time.Time) (map[string]Timeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Timeline{}
	for _, check := range checks {
		l := CheckLedger{Check: check, Rows: s.rows, Locations: map[int16]string{1: "west"}}
		if s.begun.Before(to) {
			l.Revs = []Rev{{From: s.begun, Slot: time.Hour, Locations: []int16{1}, Quorum: 1}}
		}
		out[check] = Fold(l, from, to, now)
	}
	return out, s.fail()
}

func (s *shelf) LocationSpans(context.Context, []string, time.Time, time.Time, time.Time) (map[string]map[string]Timeline, error) {
	return map[string]map[string]Timeline{}, nil
}

func (s *shelf) Histograms(context.Context, []string, time.Time, time.Time) (map[string]map[string]*Histogram, error) {
	return map[string]map[string]*Histogram{}, nil
}

func (s *shelf) Incidents(_ context.Context, _ []string, from, to time.Time) (map[string][]IncidentFact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []IncidentFact
	for _, f := range s.facts {
		if f.begun().Before(to) && (f.Resolved.IsZero() || f.Resolved.After(from)) {
			out = append(out, f)
		}
	}
	return map[string][]IncidentFact{"site": out}, nil
}

func (s *shelf) Exclusions(context.Context, []string, time.Time, time.Time) ([]Exclusion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.declared), nil
}

func (s *shelf) Drills(context.Context, time.Time, time.Time) ([]Drill, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.drills), nil
}

func (s *shelf) Weeks(_ context.Context, first, last Week, _ []string) ([]WeekFact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := map[string]WeekFact{}
	for _, r := range s.bodies {
		w, err := r.week()
		if err != nil || w.From.Before(first.From) || w.From.After(last.From) {
			continue
		}
		for i := range r.Services {
			v := &r.Services[i]
			f := WeekFact{v.Name, w.Year, w.Number, r.Revision, v.ObjectivePPM, v.GoodMs, v.BadMs, v.UnknownMs, v.ExcludedMs}
			if key := r.Week + v.Name; newest[key].Revision < f.Revision {
				newest[key] = f
			}
		}
	}
	out := slices.Collect(maps.Values(newest))
	slices.SortFunc(out, func(a, b WeekFact) int { return cmp.Or(cmp.Compare(a.Year, b.Year), cmp.Compare(a.Number, b.Number)) })
	return out, nil
}

func (s *shelf) Stamp(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(s.stamp), nil
}

func (s *shelf) Finalise(_ context.Context, week, zone string, revision int, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, v := range s.saved {
		if v.Week == week && v.Zone == zone && v.Revision == revision {
			s.saved[i].Final = at
		}
	}
	return nil
}

func (s *shelf) Save(_ context.Context, r Report, written time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail(); err != nil {
		return err
	}
	for _, old := range s.saved {
		if old.Week == r.Week && old.Zone == r.Zone && old.Revision == r.Revision {
			return ErrExists
		}
	}
	v := Saved{Week: r.Week, Zone: r.Zone, Revision: r.Revision, Written: written}
	if r.Final {
		v.Final = written
	}
	s.saved = append(s.saved, v)
	s.bodies = append(s.bodies, r)
	return nil
}

func (s *shelf) Load(_ context.Context, week, zone string, revision int) (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := Report{}
	for _, r := range s.bodies {
		if r.Week == week && r.Zone == zone && (r.Revision == revision || revision == 0 && r.Revision > found.Revision) {
			found = r
		}
	}
	if found.Revision == 0 {
		return found, ErrNotFound
	}
	return found, nil
}

func (s *shelf) List(context.Context, string, int) ([]Saved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hide {
		return nil, s.fail()
	}
	out := slices.Clone(s.saved)
	slices.SortFunc(out, func(a, b Saved) int { // newest week first, newest revision first
		return cmp.Or(strings.Compare(b.Week, a.Week), strings.Compare(a.Zone, b.Zone), cmp.Compare(b.Revision, a.Revision))
	})
	return out, s.fail()
}

// log lists what was saved: week and when.
func (s *shelf) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.saved { // in the order of writing
		out = append(out, r.Week+" at "+r.Written.Format("2006-01-02T15:04"))
	}
	return strings.Join(out, ", ")
}

// postbox is a Sender that fails a number of times.
type postbox struct {
	mu   sync.Mutex
	down int
	got  []string
}

func (*postbox) Name() string { return "postbox" }

func (p *postbox) Send(_ context.Context, r Report) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down > 0 {
		p.down--
		return errors.New("mailbox full")
	}
	p.got = append(p.got, r.Week)
	return nil
}

func (p *postbox) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.got, " ")
}

func newWriter(tb testing.TB, s *shelf, where, send string, senders ...Sender) *Writer {
	tb.Helper()
	settings := Settings{Zone: zone(tb, where), Services: []Service{{Name: "site", Objective: 950_000, Critical: []string{"front-page"}}}}
	if err := settings.Send.UnmarshalText([]byte(send)); err != nil {
		tb.Fatal(err)
	}
	return &Writer{Store: s, Settings: func() Settings { return settings }, Senders: senders, Log: slog.New(slog.DiscardHandler)}
}

// runFor runs writers for d of the bubble's time and waits until they have ended.
func runFor(t *testing.T, d time.Duration, writers ...*Writer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range writers {
		wg.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	wg.Wait()
}

// The clock of a bubble begins on Saturday, 2000-01-01 00:00 UTC, in 1999-W52.

func TestWriterWritesEachWeekOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, box := &shelf{begun: time.Now()}, &postbox{}
		runFor(t, 16*24*time.Hour, newWriter(t, s, "America/New_York", "Monday 09:00", box))
		want := "1999-W52 at 2000-01-03T14:00, 2000-W01 at 2000-01-10T14:00"
		if got := s.log(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := box.log(), "1999-W52 2000-W01"; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		if s.calls > 16*24*4 { // hourly, beside the writing
			t.Errorf("got %d calls in 16 days, want few", s.calls)
		}
	})
}

func TestWriterCatchesUpAfterDowntime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, box := &shelf{begun: time.Now().AddDate(0, 0, -20)}, &postbox{}
		if err := s.Save(t.Context(), Report{Week: "1999-W50", Zone: "UTC", Revision: 1}, time.Now()); err != nil {
			t.Fatal(err)
		}
		runFor(t, time.Minute, newWriter(t, s, "UTC", "Monday 09:00", box))
		// Begun on 12 December, in W49; W48 and before had nobody watching, W50 was written.
		if got, want := box.log(), "1999-W49 1999-W51"; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		runFor(t, 20*time.Minute, newWriter(t, s, "UTC", "Monday 09:00", box), newWriter(t, s, "UTC", "Monday 09:00", box))
		if got, want := box.log(), "1999-W49 1999-W51"; got != want {
			t.Errorf("after a restart: sent %s, want %s", got, want)
		}
		runFor(t, 20*time.Minute, newWriter(t, s, "Europe/Berlin", "Monday 09:00", box))
		if got, want := box.log(), "1999-W49 1999-W51"; got != want {
			t.Errorf("after another zone was set: sent %s, want %s", got, want)
		}
	})
}

// TestTwoWritersSendOnce: both want to write the week at the same moment, because
// neither sees the other's in the list.
func TestTwoWritersSendOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, box := &shelf{begun: time.Now(), hide: true}, &postbox{}
		var log bytes.Buffer
		a, b := newWriter(t, s, "UTC", "Monday 09:00", box), newWriter(t, s, "UTC", "Monday 09:00", box)
		a.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		b.Log = a.Log
		runFor(t, 3*24*time.Hour, a, b)
		if got, want := box.log(), "1999-W52"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if log.Len() > 0 {
			t.Errorf("losing the race is no error, got %s", &log)
		}
	})
}

func TestWriterGoesOnAfterErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, box := &shelf{begun: time.Now(), down: 12}, &postbox{down: 2}
		runFor(t, 3*24*time.Hour, newWriter(t, s, "UTC", "Monday 00:00", box))
		if len(s.saved) != 1 || s.saved[0].Written.After(time.Date(2000, 1, 3, 3, 0, 0, 0, time.UTC)) {
			t.Errorf("got %s, want one report soon after 2000-01-03T00:15", s.log())
		}
		if got, want := box.log(), "1999-W52"; got != want {
			t.Errorf("sent %q at the third try, want %q", got, want)
		}
		dead := &postbox{down: 1000}
		s2 := &shelf{begun: time.Now().AddDate(0, 0, -8)}
		runFor(t, 24*time.Hour, newWriter(t, s2, "UTC", "Monday 00:00", dead))
		if got, want := 1000-dead.down, sendTries*len(s2.saved); got != want || got == 0 {
			t.Errorf("got %d tries for %s, want %d", got, s2.log(), want)
		}
	})
}

func TestDue(t *testing.T) {
	t.Parallel()
	tests := []struct{ week, zone, send, want string }{
		{"2026-W47", "UTC", "Monday 09:00", "2026-11-23T09:00:00Z"},
		{"2026-W47", "UTC", "Monday 00:00", "2026-11-23T00:15:00Z"}, // the week closes first
		{"2026-W47", "UTC", "Sunday 23:00", "2026-11-29T23:00:00Z"},
		{"2026-W47", "America/Los_Angeles", "Tuesday 08:30", "2026-11-24T16:30:00Z"},
		{"2026-W09", "America/New_York", "Sunday 02:30", "2026-03-08T07:00:00Z"},    // in the gap: cron would skip it
		{"2026-W43", "America/New_York", "Sunday 01:30", "2026-11-01T05:30:00Z"},    // doubled: cron would run twice
		{"2011-W51", "Pacific/Apia", "Friday 09:00", "2011-12-30T10:00:00Z"},        // the day does not exist
		{"2025-W36", "America/Santiago", "Monday 00:20", "2025-09-08T03:20:00Z"},    // after the change on Sunday
		{"2025-W40", "Australia/Lord_Howe", "Monday 09:00", "2025-10-05T22:00:00Z"}, // +11:00 by then
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s", tt.week, tt.send), func(t *testing.T) {
			t.Parallel()
			var s SendTime
			if err := s.UnmarshalText([]byte(tt.send)); err != nil {
				t.Fatal(err)
			}
			if got := due(week(t, tt.week, tt.zone), s); !got.Equal(instant(t, tt.want)) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMakeIsALook(t *testing.T) {
	t.Parallel()
	w := WeekOf(time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC), time.UTC)
	r, err := Make(t.Context(), &shelf{begun: w.From}, w, []Service{{Name: "shop", Objective: 950_000, Critical: []string{"front"}}}, w.From.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if r.Revision != 0 {
		t.Errorf("got revision %d, want a look that does not pass for the written report", r.Revision)
	}
}
