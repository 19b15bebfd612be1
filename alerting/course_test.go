package alerting

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keepwatch/oncall"
	"keepwatch/probe"
)

func TestIncidentOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key, incident string
		ring          int
	}{
		{"kw-shop-1763805600", "kw-shop-1763805600", 0},
		{"kw-shop-1763805600.2", "kw-shop-1763805600", 1},
		{"kw-www.shop-1763805600", "kw-www.shop-1763805600", 0},
		{"kw-www.shop-1763805600.13", "kw-www.shop-1763805600", 12},
		{"kw-alarm:burn.shop-1763805600.3", "kw-alarm:burn.shop-1763805600", 2},
		{"kw-shop-1763805600.1", "kw-shop-1763805600.1", 0},
		{"kw-shop-1763805600.x", "kw-shop-1763805600.x", 0},
		{"somebody else's", "somebody else's", 0},
		{"", "", 0},
	} {
		if got, ring := IncidentOf(tt.key); got != tt.incident || ring != tt.ring {
			t.Errorf("%q belongs to %q, alert %d; want %q, %d", tt.key, got, ring, tt.incident, tt.ring)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		inc := Incident{ID: fmt.Sprintf("kw-%s-%d", rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,20}`).Draw(t, "service"), rapid.IntRange(0, 1<<40).Draw(t, "start")), Course: Course{Ring: rapid.IntRange(0, 99).Draw(t, "ring")}}
		if id, ring := IncidentOf(inc.dedupKey()); id != inc.ID || ring != inc.Ring {
			t.Fatalf("%s became %s, %d", inc.dedupKey(), id, ring)
		}
	})
}

func TestSilenceMatches(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	open := func(checks ...string) Incident { return Incident{Service: "shop", Checks: checks} }
	all := func(s Silence) Silence { s.From, s.To, s.By = t0, t0.Add(time.Hour), "ada"; return s }
	for _, tt := range []struct {
		name     string
		silences []Silence
		inc      Incident
		want     bool
	}{
		{"its service", []Silence{{Service: "shop"}}, open("front"), true},
		{"another service", []Silence{{Service: "cart"}}, open("front"), false},
		{"all services", []Silence{{Service: "*"}}, open("front"), true},
		{"part of a name", []Silence{{Service: "sh*"}}, open("front"), true},
		{"its only failing check", []Silence{{Check: "front"}}, open("front"), true},
		{"one of two failing checks", []Silence{{Check: "front"}}, open("front", "pay"), false},
		{"both failing checks, by two silences", []Silence{{Check: "front"}, {Check: "pay"}}, open("front", "pay"), true},
		{"the only location that sees it", []Silence{{Location: "west"}}, open("front"), true},
		{"one of two locations", []Silence{{Location: "west"}}, open("pay"), false},
		{"service and location, both fit", []Silence{{Service: "shop", Location: "west"}}, open("front"), true},
		{"service fits, location does not", []Silence{{Service: "shop", Location: "east"}}, open("front"), false},
		{"no matcher at all", []Silence{{}}, open("front"), false},
		{"a pattern that is none", []Silence{{Service: "["}}, open("front"), false},
		{"an alarm about the service", []Silence{{Service: "shop"}}, Incident{Service: "shop", Alarm: "burn"}, true},
		{"an alarm by its name", []Silence{{Check: "bu*"}}, Incident{Alarm: "burn"}, true},
		{"an alarm has no location", []Silence{{Location: "*", Check: "burn"}}, Incident{Alarm: "burn"}, true},
		{"an alarm about nothing of that service", []Silence{{Service: "shop"}}, Incident{Alarm: "gap"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := situation()
			s.Recent["front"] = []Verdict{{Check: "front", At: t0, Outcome: probe.Bad, Failing: []string{"west"}}}
			s.Recent["pay"] = []Verdict{{Check: "pay", At: t0, Outcome: probe.Bad, Failing: []string{"east", "west"}}}
			for _, v := range tt.silences {
				s.Silences = append(s.Silences, all(v))
			}
			for _, at := range []struct {
				name string
				at   time.Time
				want bool
			}{{"before", t0.Add(-time.Second), false}, {"at its begin", t0, tt.want}, {"at its end", t0.Add(time.Hour), false}} {
				if got := s.silenced(tt.inc, at.at).Kind == HeldBySilence; got != at.want {
					t.Errorf("%s: silenced %v, want %v", at.name, got, at.want)
				}
			}
			for i := range s.Silences {
				s.Silences[i].Ended = t0.Add(time.Minute)
			}
			if s.silenced(tt.inc, t0.Add(2*time.Minute)).Kind != "" {
				t.Error("it was ended early and holds on")
			}
		})
	}
}

func TestNobodyIsPagedWithoutAnEscalation(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	s := situation().with("front", t0, "bb")
	s.Rule.Policy = oncall.Policy{}
	c, ok := Decide(s, t0.Add(time.Minute))
	if !ok || len(c.Pages) != 0 || c.Incident.State != Open || c.Incident.unheard() {
		t.Errorf("got %v %+v, want an open incident that pages nobody and is no alarm in health", ok, c)
	}
}

func TestNoQuietChannelIsSaid(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	s := situation(oncall.Level{Page: "ada"}).with("front", t0, "bb")
	s.Rule.Severity = Info
	c, _ := Decide(s, t0.Add(time.Minute))
	if len(c.Pages) != 0 {
		t.Errorf("paged %+v", c.Pages)
	}
	last := c.Entries[len(c.Entries)-2].Text + c.Entries[len(c.Entries)-1].Text
	if !strings.Contains(last, "no quiet channel") {
		t.Errorf("the timeline says %q", last)
	}
	s.Routing.Quiet, s.Rule.Policy.Levels[0].Page = []string{"chat"}, "nobody"
	c, _ = Decide(s, t0.Add(time.Minute))
	if len(c.Pages) != 1 || c.Pages[0].Channel != "chat" || c.Pages[0].Route != serviceRoute {
		t.Errorf("nobody on call: owed %+v, want one line in the chat", c.Pages)
	}
}

// A cause that wakes nobody must not keep quiet what would wake somebody.
func TestCauseMustPage(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	policy := oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "ada"}}}
	for _, tt := range []struct {
		name  string
		cause Incident
		own   Severity
		want  bool // the cause holds the page back
	}{
		{"both wake somebody", Incident{Policy: policy}, Critical, true},
		{"the cause is a warning", Incident{Policy: policy, Severity: Warning}, Error, false},
		{"both are warnings", Incident{Policy: policy, Severity: Info}, Warning, true},
		{"nobody is paged for the cause", Incident{}, Critical, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.cause.ID, tt.cause.State, tt.cause.Version = "kw-database-1", Open, 1
			for _, how := range []string{"upstream", "place"} {
				s := situation(oncall.Level{Page: "ada"}).with("front", t0, "bb")
				for i := range s.Recent["front"] {
					s.Recent["front"][i].Failing = []string{"west"}
				}
				s.Rule.Severity, s.Routing.Quiet = tt.own, []string{"chat"}
				if how == "upstream" {
					s.Upstream = []Upstream{{Service: "database", Open: &tt.cause, WellAt: t0.Add(time.Hour)}}
				} else {
					s.Place = func(string, time.Time) (*Incident, bool) { return &tt.cause, false }
				}
				c, ok := Decide(s, t0.Add(time.Minute))
				if held := c.Incident.Hold.Kind == HeldByCause; !ok || held != tt.want || held == (len(c.Pages) > 0) {
					t.Errorf("by %s: held %v with %d pages, want held %v", how, held, len(c.Pages), tt.want)
				}
			}
		})
	}
}

// Whoever closed it thought that it was over: failing anew pages, though it is the
// same incident.
func TestClosedByHandThenFailingAnew(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	s := situation(oncall.Level{Page: "ada"}).with("front", t0, "bb")
	s.Rule.Reopen = 10 * time.Minute
	take := func(c Change, ok bool) Change {
		t.Helper()
		if !ok {
			t.Fatal("nothing was decided")
		}
		s.Open, s.Pages = &c.Incident, append(s.Pages, c.Pages...)
		return c
	}
	first := take(Decide(s, t0.Add(time.Minute)))
	take(s.closeByHand("grace", t0.Add(time.Minute), t0.Add(time.Minute)))
	s = s.with("front", t0.Add(2*time.Minute), "gg")
	take(Decide(s, t0.Add(3*time.Minute)))
	s = s.with("front", t0.Add(4*time.Minute), "bb")
	got := take(Decide(s, t0.Add(5*time.Minute)))
	last := got.Pages[len(got.Pages)-1]
	if got.Incident.ID != first.Incident.ID || last.Action != Trigger || last.DedupKey != first.Incident.ID+".2" || got.Incident.State != Open {
		t.Errorf("got %+v", got)
	}
}

// Whatever is silenced, closed, acknowledged and held back, in whatever order:
// every alert that was opened is closed once the service is well, and while it
// fails and nothing holds it back, somebody is paged.
func TestDecideCourse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := situation(oncall.Level{Page: "ada"}, oncall.Level{Page: "grace", After: 5 * time.Minute})
		s.Rule.Policy.AckExpires, s.Rule.Policy.StillFailingAfter = 20*time.Minute, 10*time.Minute
		s.Rule.Reopen = time.Duration(rapid.SampledFrom([]int{0, 5}).Draw(t, "reopen")) * time.Minute
		s.Followed = func(string) bool { return true }
		now := tallyBegin()
		open := map[string]bool{} // alerts at the channels
		dead := map[string]bool{} // alerts that ring no more
		take := func(c Change, ok bool) {
			if !ok {
				return
			}
			for _, p := range c.Pages {
				switch p.Action {
				case Trigger:
					open[p.DedupKey+p.Channel+p.Route] = true
					if c.Incident.Hold.Kind != "" || c.Incident.Recovering() || c.Incident.State != Open {
						t.Fatalf("paged although it is %s, recovered %v, %s", c.Incident.State, c.Incident.Recovered, c.Incident.Hold.Text)
					}
					if dead[p.DedupKey+p.Channel+p.Route] {
						t.Fatalf("a trigger of %s, which was acknowledged or resolved: it rings nobody", p.DedupKey)
					}
				case Resolve:
					delete(open, p.DedupKey+p.Channel+p.Route)
					dead[p.DedupKey+p.Channel+p.Route] = true
				case Acknowledge:
					dead[p.DedupKey+p.Channel+p.Route] = true
				}
			}
			inc := c.Incident
			s.Open, s.Pages = &inc, append(s.Pages, c.Pages...)
			if inc.State == Resolved {
				s.Open, s.Pages, s.Failures, s.NotBefore = nil, nil, inc.Failures, inc.Resolved.Truncate(time.Second).Add(time.Second)
			}
		}
		upstream := &Incident{ID: "kw-database-1", State: Open}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "pass")) * time.Second)
			switch rapid.IntRange(0, 14).Draw(t, "what") {
			case 0:
				s.Silences = []Silence{{ID: "people/s1", Service: "shop", From: now, To: now.Add(10 * time.Minute), By: "ada"}}
			case 1:
				s.Silences = nil
			case 2:
				s.Upstream = []Upstream{{Service: "database", Open: upstream}}
			case 3:
				s.Upstream = []Upstream{{Service: "database", WellAt: now}}
			case 4:
				if s.Open != nil {
					c, ok := s.acknowledge("ada", "acknowledged by ada", now, now)
					take(c, ok)
				}
			case 5:
				if s.Open != nil {
					c, ok := s.closeByHand("ada", now, now)
					take(c, ok)
				}
			default:
				s.Recent["front"] = append(s.Recent["front"], verdict("front", now, rapid.SampledFrom([]probe.Outcome{probe.Good, probe.Bad, probe.Bad}).Draw(t, "front")))
			}
			c, ok := Decide(s, now)
			take(c, ok)
			if again, ok := Decide(s, now); ok {
				t.Fatalf("it is not done: %+v", again)
			}
			if s.Open != nil {
				if at := s.Open.timer(); due(at, now) {
					t.Fatalf("the timer %v is not later than now %v: the loop would spin", at, now)
				}
				if s.Open.State == Open && !s.Open.Recovering() && s.Open.Hold.Kind == "" && len(open) == 0 {
					t.Fatalf("it fails, nothing holds it back, and no alert is open: %+v", s.Open)
				}
			}
		}
		s.Silences, s.Upstream = nil, nil
		for range 80 {
			now = now.Add(time.Minute)
			s.Recent["front"] = append(s.Recent["front"], verdict("front", now, probe.Good))
			c, ok := Decide(s, now)
			take(c, ok)
		}
		if s.Open != nil || len(open) != 0 {
			t.Fatalf("well for 80 minutes, still open: %+v, at the channels %v", s.Open, open)
		}
	})
}
