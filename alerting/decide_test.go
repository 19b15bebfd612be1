package alerting

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"keepwatch/oncall"
	"keepwatch/probe"
)

func verdict(check string, at time.Time, o probe.Outcome) Verdict {
	return Verdict{Check: check, Round: at.UnixNano(), At: at, Slot: at.Truncate(time.Minute), Outcome: o}
}

func situation(levels ...oncall.Level) Situation {
	return Situation{
		Rule: Rule{
			Service: "shop", Confirm: 2, Recover: 2, Checks: []CheckRule{{Name: "front", Every: time.Minute}, {Name: "pay", Every: time.Minute}},
			Policy: oncall.Policy{Name: "site", Levels: levels},
		},
		Recent: map[string][]Verdict{},
		OnCall: func(name string, _ time.Time) string { return strings.TrimPrefix(name, "nobody") },
		Routing: Routing{
			Channel: "pagerduty", Email: "mail", Fallback: []string{"mail", "chat"},
			Route: func(person string) (string, bool) { return PersonRoute(person), true },
		},
	}
}

func (s Situation) with(check string, begin time.Time, outcomes string) Situation {
	for i, c := range outcomes {
		o := map[rune]probe.Outcome{'b': probe.Bad, 'g': probe.Good, 'u': probe.Unknown}[c]
		s.Recent[check] = append(s.Recent[check], verdict(check, begin.Add(time.Duration(i)*time.Minute), o))
	}
	return s
}

func TestDecideOpens(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	for _, tt := range []struct {
		name       string
		front, pay string // verdicts a minute apart, from t0
		want       []string
		started    time.Duration
	}{
		{"nothing", "", "", nil, 0},
		{"one bad", "gb", "gg", nil, 0},
		{"two bad in a row", "gbb", "ggg", []string{"front"}, time.Minute},
		{"two bad apart", "bgb", "ggg", nil, 0},
		{"unknown neither counts nor breaks", "bub", "ggg", []string{"front"}, 0},
		{"unknown alone opens nothing", "uuuuuu", "uuuuuu", nil, 0},
		{"bad and unknown is one bad", "bu", "gg", nil, 0},
		{"both", "gbb", "bbb", []string{"front", "pay"}, 0},
		{"evidence does not keep", "buuuuuub", "gggggggg", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := situation(oncall.Level{Page: "ada"}).with("front", t0, tt.front).with("pay", t0, tt.pay)
			now := t0.Add(time.Duration(max(len(tt.front), len(tt.pay))-1) * time.Minute)
			c, ok := Decide(s, now)
			if ok != (tt.want != nil) {
				t.Fatalf("decided %v: %+v", ok, c)
			}
			if !ok {
				return
			}
			if diff := cmp.Diff(tt.want, c.Incident.Checks); diff != "" {
				t.Error(diff)
			}
			if want := t0.Add(tt.started); !c.Incident.Started.Equal(want) || c.Incident.ID != fmt.Sprintf("kw-shop-%d", want.Unix()) {
				t.Errorf("started %s as %s, want %s", c.Incident.Started, c.Incident.ID, want)
			}
		})
	}
}

// The same second must not name two episodes.
func TestDecideNotBefore(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	s := situation(oncall.Level{Page: "ada"}).with("front", t0, "bb")
	s.NotBefore = t0.Add(30 * time.Second)
	c, ok := Decide(s, t0.Add(time.Minute))
	if !ok || c.Incident.ID != fmt.Sprintf("kw-shop-%d", s.NotBefore.Unix()) {
		t.Errorf("got %v %s", ok, c.Incident.ID)
	}
}

func TestDecideLadder(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	const ten = 10 * time.Minute
	for _, tt := range []struct {
		name   string
		levels []oncall.Level
		repeat int
		want   []string // minute, channel, route of each trigger
		ends   int      // how many notes say that the ladder has ended
	}{
		{"two levels", []oncall.Level{{Page: "ada"}, {Page: "grace", After: ten}}, 0, []string{"0 pagerduty person:ada", "10 pagerduty person:grace"}, 1},
		{"first level waits", []oncall.Level{{Page: "ada", After: 5 * time.Minute}}, 0, []string{"5 pagerduty person:ada"}, 1},
		{
			"repeat, and a mail where the key only logs",
			[]oncall.Level{{Page: "ada"}, {Page: "grace", After: ten}},
			1,
			[]string{"0 pagerduty person:ada", "10 pagerduty person:grace", "20 pagerduty person:ada", "20 mail person:ada", "30 pagerduty person:grace", "30 mail person:grace"},
			1,
		},
		{"an empty level is skipped at once", []oncall.Level{{Page: "nobody"}, {Page: "grace", After: ten}}, 0, []string{"0 pagerduty person:grace"}, 1},
		{"an empty last level", []oncall.Level{{Page: "ada"}, {Page: "nobody", After: ten}}, 0, []string{"0 pagerduty person:ada"}, 1},
		{"nobody at all", []oncall.Level{{Page: "nobody"}, {Page: "nobody", After: ten}}, 0, []string{"0 pagerduty service", "0 mail service", "0 chat service"}, 1},
		{"no levels", nil, 3, []string{"0 pagerduty service", "0 mail service", "0 chat service"}, 1},
		{"no delays repeat after ten minutes", []oncall.Level{{Page: "ada"}}, 1, []string{"0 pagerduty person:ada", "10 pagerduty person:ada", "10 mail person:ada"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := situation(tt.levels...)
			s.Rule.Policy.Repeat = tt.repeat
			var got []string
			ends := 0
			for minute := range 60 {
				now := t0.Add(time.Duration(minute) * time.Minute)
				s.Recent = map[string][]Verdict{"front": {verdict("front", now.Add(-time.Minute), probe.Bad), verdict("front", now, probe.Bad)}}
				c, ok := Decide(s, now)
				if !ok {
					continue
				}
				s.Open, s.Pages = &c.Incident, append(s.Pages, c.Pages...)
				for _, p := range c.Pages {
					got = append(got, fmt.Sprintf("%d %s %s", minute, p.Channel, p.Route))
				}
				for _, e := range c.Entries {
					if strings.Contains(e.Text, "has ended") {
						ends++
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if ends != tt.ends {
				t.Errorf("the ladder ended %d times, want %d", ends, tt.ends)
			}
		})
	}
}

func TestDecideRecovers(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	for _, tt := range []struct {
		name       string
		front, pay string
		want       bool
	}{
		{"one good", "bbg", "ggg", false},
		{"two good", "bbgg", "gggg", true},
		{"unknown does not resolve", "bbuuuu", "gggggg", false},
		{"good with a gap of unknown", "bbgug", "ggggg", true},
		{"another check is bad just now", "bbgg", "gggb", false},
		{"another check was bad and is unknown since", "bbuuuuugg", "gbuuuuuuu", false},
		{"another check is silent", "bbgg", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := situation(oncall.Level{Page: "ada"}).with("front", t0, tt.front).with("pay", t0, tt.pay)
			s.Open = &Incident{ID: "kw-shop-1", Service: "shop", State: Acknowledged, Version: 1, Opened: t0, Checks: []string{"front"}}
			c, ok := Decide(s, t0.Add(time.Duration(len(tt.front)-1)*time.Minute))
			if got := ok && c.Incident.State == Resolved; got != tt.want {
				t.Errorf("resolved %v, want %v: %+v", got, tt.want, c)
			}
		})
	}
}

func TestDecideWidens(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	s := situation(oncall.Level{Page: "ada"}).with("front", t0, "bb").with("pay", t0, "bb")
	s.Open = &Incident{ID: "kw-shop-1", Service: "shop", State: Acknowledged, Version: 1, Opened: t0, Checks: []string{"front"}}
	c, ok := Decide(s, t0.Add(time.Minute))
	if !ok || !slices.Equal(c.Incident.Checks, []string{"front", "pay"}) || len(c.Pages) != 0 || c.Incident.Version != 2 {
		t.Errorf("got %v %+v", ok, c)
	}
}

// A shared key rings whom PagerDuty likes: the person of a higher level gets a
// mail even when it is the first one of the incident.
func TestDecideSharedRoute(t *testing.T) {
	t.Parallel()
	t0 := tallyBegin()
	s := situation(oncall.Level{Page: "nobody"}, oncall.Level{Page: "grace"}).with("front", t0, "bb")
	s.Routing.Route = nil
	c, ok := Decide(s, t0.Add(time.Minute))
	var got []string
	for _, p := range c.Pages {
		got = append(got, p.Channel+" "+p.Route)
	}
	if diff := cmp.Diff([]string{"pagerduty service", "mail person:grace"}, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

// Long lives of one service under a random sky: what must always hold.
func TestDecideAlways(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := situation(
			oncall.Level{Page: rapid.SampledFrom([]string{"ada", "nobody"}).Draw(t, "l1")},
			oncall.Level{Page: rapid.SampledFrom([]string{"ada", "grace", "nobody"}).Draw(t, "l2"), After: time.Duration(rapid.IntRange(0, 20).Draw(t, "after")) * time.Minute},
		)
		s.Rule.Policy.Repeat = rapid.IntRange(0, 2).Draw(t, "repeat")
		s.Rule.Confirm, s.Rule.Recover = rapid.IntRange(1, 3).Draw(t, "confirm"), rapid.IntRange(1, 3).Draw(t, "recover")
		own := rapid.Bool().Draw(t, "own")
		s.Routing.Route = func(p string) (string, bool) {
			if own {
				return PersonRoute(p), true
			}
			return serviceRoute, false
		}
		l := &life{t: t, ids: map[string]bool{}, owed: map[string][2]int{}}
		now := tallyBegin()
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "pass")) * time.Second)
			known := false
			if rapid.IntRange(0, 9).Draw(t, "what") == 0 && s.Open != nil {
				c, ok := s.acknowledge("ada", "acknowledged by ada", now, now)
				l.take(&s, c, ok, true)
				continue
			}
			for _, c := range []string{"front", "pay"} {
				o := rapid.SampledFrom([]probe.Outcome{probe.Good, probe.Good, probe.Bad, probe.Unknown}).Draw(t, c)
				known = known || o != probe.Unknown
				s.Recent[c] = append(s.Recent[c], verdict(c, now, o))
			}
			c, ok := Decide(s, now)
			if again, ok2 := Decide(s, now); ok != ok2 || cmp.Diff(c, again) != "" {
				t.Fatalf("deciding again gave another change: %s", cmp.Diff(c, again))
			}
			l.take(&s, c, ok, known)
		}
		l.end(s)
	})
}

// life checks the invariants of a service's life.
type life struct {
	t    *rapid.T
	ids  map[string]bool
	owed map[string][2]int // triggers and resolves by key, channel and route
	page map[string]bool
}

func (l *life) take(s *Situation, c Change, ok, known bool) {
	if !ok {
		return
	}
	inc := c.Incident
	if l.page == nil {
		l.page = map[string]bool{}
	}
	switch {
	case s.Open == nil:
		if l.ids[inc.ID] {
			l.t.Fatalf("the ID %s was used twice", inc.ID)
		}
		l.ids[inc.ID] = true
		if inc.State != Open || inc.Version != 1 {
			l.t.Fatalf("opened as %+v", inc)
		}
	case s.Open.ID != inc.ID:
		l.t.Fatalf("a second incident %s while %s is open", inc.ID, s.Open.ID)
	case inc.Version != s.Open.Version+1:
		l.t.Fatalf("version %d after %d", inc.Version, s.Open.Version)
	}
	if !known && (s.Open == nil || inc.State == Resolved) {
		l.t.Fatalf("unknown verdicts opened or resolved %s", inc.ID)
	}
	for _, p := range c.Pages {
		if l.page[p.ID] {
			l.t.Fatalf("page %s was owed twice", p.ID)
		}
		l.page[p.ID] = true
		key := p.DedupKey + " " + p.Channel + " " + p.Route
		n := l.owed[key]
		switch p.Action {
		case Trigger:
			n[0]++
			if inc.State != Open {
				l.t.Fatalf("a trigger of an incident that is %s", inc.State)
			}
		case Resolve:
			n[1]++
		case Acknowledge:
		}
		l.owed[key] = n
	}
	s.Open, s.Pages = &inc, append(s.Pages, c.Pages...)
	if inc.State == Resolved {
		s.Open, s.Pages, s.NotBefore = nil, nil, inc.Resolved.Truncate(time.Second).Add(time.Second)
	}
}

func (l *life) end(s Situation) {
	for key, n := range l.owed {
		want := 1
		if s.Open != nil && strings.HasPrefix(key, s.Open.ID+" ") {
			want = 0
		}
		if n[0] == 0 || n[1] != want {
			l.t.Fatalf("%s has %d triggers and %d resolves, want %d", key, n[0], n[1], want)
		}
	}
}
