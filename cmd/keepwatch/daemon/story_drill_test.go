package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// drilled is what a report of [from, to) says of drills: their results, without details.
func (s *staff) drilled(from, to time.Time) (results, details []string) {
	s.t.Helper()
	drills, err := postgres.Reports{DB: s.db}.Drills(s.t.Context(), from, to)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range drills {
		results, details = append(results, d.Result), append(details, d.Detail)
	}
	return results, details
}

// unwell is what health says of the drill.
func (s *staff) unwell() string {
	if p := s.leads.notices.drill.Load(); p != nil {
		return *p
	}
	return ""
}

// TestStoryDrill: a page on purpose; its result is kept for the report, and shown while
// it is bad.
func TestStoryDrill(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer         func(s *staff, incident string) error
		result, detail string
	}{
		"somebody acknowledges": {
			func(s *staff, id string) error { return s.leads.engine.Ack(s.t.Context(), id, "ada", time.Now()) },
			reports.DrillPassed, "ada acknowledged after ",
		},
		"somebody closes it": {
			func(s *staff, id string) error { return s.leads.engine.Resolve(s.t.Context(), id, "ada", time.Now()) },
			reports.DrillPassed, "ada closed it after ",
		},
		"nobody answers": {func(*staff, string) error { return nil }, reports.DrillFailed, "nobody acknowledged within 5m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			staffed(t, weekly+"drill: {page: ada, at: first Saturday 00:10, within: 5m}\n", func(s *staff) {
				s.lead(0)
				time.Sleep(11 * time.Minute)
				s.want("trigger ada via pagerduty")
				if results, _ := s.drilled(s.phone.start, time.Now()); !slices.Equal(results, []string{reports.DrillOpen}) {
					s.t.Errorf("a report made now says %q, want that it is open", results)
				}
				s.lead(1)
				time.Sleep(time.Minute)
				alarms := s.leads.engine.Snapshot().Alarms
				if len(alarms) != 1 {
					s.t.Fatalf("%d alarms are open, want the drill", len(alarms))
				}
				if err := tt.answer(s, alarms[0].Open.ID); err != nil {
					s.t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				// An earlier drill was due before this was configured: nothing is said of it.
				results, details := s.drilled(s.phone.start.AddDate(0, -2, 0), time.Now())
				if !slices.Equal(results, []string{tt.result}) || !strings.HasPrefix(details[0], tt.detail) || !strings.Contains(details[0], alarms[0].Open.ID) {
					s.t.Errorf("the report says %q, %q; want %s, %q", results, details, tt.result, tt.detail)
				}
				if n := len(s.leads.engine.Snapshot().Alarms); n != 0 {
					s.t.Errorf("the drill is still open (%d)", n)
				}
				if bad := s.unwell(); (bad == "") != (tt.result == reports.DrillPassed) {
					s.t.Errorf("health says %q after a drill that %s", bad, tt.result)
				}
				triggers := 0
				for _, h := range s.phone.heard() {
					if strings.HasPrefix(h, "trigger ada via pagerduty") {
						triggers++
					}
				}
				if triggers != 1 {
					s.t.Errorf("paged %d times, want once: %q", triggers, s.phone.heard())
				}
			})
		})
	}
}

// TestStoryDrillOfAnotherPlan: what was due before somebody wanted it is no drill that was
// left out, and rings nobody; neither is what the former plan would have had.
func TestStoryDrillOfAnotherPlan(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"drill: {page: ada, at: first Saturday 00:10, within: 5m}\n", func(s *staff) {
		s.lead(0)
		time.Sleep(20 * time.Minute)
		plan, heard := *s.file.Drill, len(s.phone.heard())
		turn := func(at oncall.Monthly) {
			file, drill := *s.file, plan
			drill.At = at
			file.Drill = &drill
			s.inForce.Store(&file)
		}
		turn(oncall.Monthly{Nth: 1, Weekday: time.Saturday, Hour: 0, Minute: 15, Set: true}) // five minutes ago
		time.Sleep(5 * time.Minute)
		file := *s.file
		file.Drill = nil
		s.inForce.Store(&file)
		time.Sleep(5 * time.Minute)
		s.lead(-1)
		time.Sleep(35 * 24 * time.Hour) // without drills
		turn(plan.At)
		s.lead(0)
		time.Sleep(10 * time.Minute)
		results, details := s.drilled(s.phone.start.AddDate(0, -2, 0), time.Now())
		if !slices.Equal(results, []string{reports.DrillFailed}) {
			s.t.Errorf("the report says %q, %q; want only the first one, which failed", results, details)
		}
		if n := len(s.phone.heard()); n != heard {
			s.t.Errorf("somebody was rung: %q", s.phone.heard()[heard:])
		}
		s.lead(-1)
		time.Sleep(time.Until(time.Date(2000, 3, 4, 0, 5, 0, 0, time.UTC)))
		s.lead(0)
		time.Sleep(15 * time.Minute)
		if results, _ := s.drilled(s.phone.start, time.Now()); !slices.Equal(results, []string{reports.DrillFailed, reports.DrillFailed}) {
			s.t.Errorf("in March: %q, want another one", results)
		}
	})
}

// TestStoryDrillThatNobodyMade: no daemon ran when it was due. It rings nobody at an
// hour when nobody expects it, and the report does not keep silent about it.
func TestStoryDrillThatNobodyMade(t *testing.T) {
	t.Parallel()
	staffed(t, weekly+"drill: {page: ada, at: first Saturday 00:10, within: 5m}\n", func(s *staff) {
		s.lead(0)
		time.Sleep(20 * time.Minute) // the first one fails
		s.lead(-1)
		february := time.Date(2000, 2, 5, 0, 10, 0, 0, time.UTC)
		time.Sleep(time.Until(february.Add(2 * time.Hour)))
		heard := len(s.phone.heard())
		s.lead(0)
		time.Sleep(10 * time.Minute)
		results, details := s.drilled(february, time.Now())
		if !slices.Equal(results, []string{reports.DrillLeftOut}) || details[0] != "no daemon could page within 1h of its time" {
			s.t.Errorf("the report says %q, %q; want that it was left out", results, details)
		}
		if n := len(s.phone.heard()); n != heard {
			s.t.Errorf("somebody was rung for a drill two hours late: %q", s.phone.heard()[heard:])
		}
		if bad := s.unwell(); !strings.Contains(bad, "was left out") {
			s.t.Errorf("health says %q, want that the drill was left out", bad)
		}
	})
}
