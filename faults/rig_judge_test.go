package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
)

// counts are what a row of the table says.
type counts struct {
	Incidents, Kills, Stops, Crashes, Late, Repeats int
	Cancelled                                       int // recovered before anything was delivered
	Lost, Doubled, LeftOpen                         int
	Drained                                         time.Duration
	More                                            []string // name=value
}

// judge is the law of the whole suite, for logs and database together: every incident
// that was committed has rung once at PagerDuty and is closed there and here; or it
// recovered before anything was delivered, and PagerDuty never heard of it; or the page
// went out by the fallback. And what PagerDuty got is judged by [fakepd.Check].
func (r *rig) judge(c *counts) {
	t := r.t
	t.Helper()
	ctx := t.Context()
	incidents := r.incidents()
	store := postgres.Incidents{DB: r.db}
	rang := r.rang()
	var want, cancelled []string
	by := map[string]int{}
	for _, in := range incidents {
		by[in.Service]++
		pages, err := store.Pages(ctx, in.ID)
		if err != nil {
			t.Fatal(err)
		}
		first := firstTrigger(pages)
		_, did := rang[in.ID]
		switch {
		case first.State == alerting.Cancelled && !did:
			c.Cancelled++
			cancelled = append(cancelled, in.ID)
		case first.State == alerting.Accepted, did:
			want = append(want, in.ID)
		default:
			c.Lost++
			t.Errorf("LOST: incident %s: its page is %q (%s) and PagerDuty never rang", in.ID, first.State, first.LastError)
		}
		if in.State != alerting.Resolved {
			c.LeftOpen++
			t.Errorf("LEFT OPEN: incident %s is %s here", in.ID, in.State)
		}
		delete(rang, in.ID)
	}
	for key := range rang {
		if id, _ := alerting.IncidentOf(key); id == key {
			t.Errorf("PagerDuty rang for %s, which the database does not know", key)
		}
	}
	for name, n := range by {
		allowed := 1
		if r.expect != nil {
			allowed = r.expect(name)
		}
		if n > allowed && !strings.Contains(name, "blind") {
			c.Doubled += n - allowed
			t.Errorf("DOUBLED: service %s has %d incidents for %d outage(s):%s", name, n, allowed, r.tell(incidents, name))
		}
	}
	rep, err := fakepd.Check(r.pdLog.reader(), fakepd.Want{Keys: want, Cancelled: cancelled})
	if err != nil {
		t.Fatal(err)
	}
	c.Lost += rep.Lost
	c.Doubled += rep.Doubled
	c.LeftOpen += rep.LeftOpen
	for _, p := range rep.Problems {
		t.Errorf("PagerDuty's log: %s%s", p, r.heard(p))
	}
	c.Incidents += len(incidents)
	c.Repeats += rep.Summary.Triggers - rep.Summary.Incidents
	c.Late += rep.Late
}

// tell is what became of the incidents of a service, for the message of a failure.
func (r *rig) tell(incidents []alerting.Incident, service string) string {
	var b strings.Builder
	store := postgres.Incidents{DB: r.db}
	for _, in := range incidents {
		if in.Service != service {
			continue
		}
		fmt.Fprintf(&b, "\n  %s %s", in.ID, in.State)
		entries, _ := store.Timeline(r.t.Context(), in.ID)
		for _, e := range entries {
			fmt.Fprintf(&b, "\n    %s %s %s %s", e.At.Format(clock), e.Kind, e.Person, e.Text)
		}
	}
	return b.String()
}

// heard is what PagerDuty's log and the database have of the incident that a problem
// names, for the message of a failure.
func (r *rig) heard(problem string) string {
	_, rest, _ := strings.Cut(problem, `"`)
	key, _, named := strings.Cut(rest, `"`)
	if !named {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(r.pdLog.text()) {
		if strings.Contains(line, key) {
			b.WriteString("\n    " + strings.TrimSpace(line))
		}
	}
	id, _ := alerting.IncidentOf(key)
	pages, _ := postgres.Incidents{DB: r.db}.Pages(r.t.Context(), id)
	for _, p := range pages {
		fmt.Fprintf(&b, "\n    page %s %s: %s, seq %d, epoch %d, %d attempts, accepted %s, unsure %s, %s", p.ID, p.Action, p.State, p.Seq, p.Epoch,
			p.Attempts, p.AcceptedAt.Format(clock), p.UnsureAt.Format(clock), p.LastError)
	}
	return b.String()
}

func firstTrigger(pages []alerting.Page) alerting.Page {
	for _, p := range pages {
		if p.Action == alerting.Trigger && !p.Fallback {
			return p
		}
	}
	return alerting.Page{}
}

// report prints what the runner of the suite puts into the table.
func (c *counts) report(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for _, f := range []struct {
		name string
		n    int
	}{
		{"incidents", c.Incidents},
		{"kills", c.Kills},
		{"stops", c.Stops},
		{"pg_crashes", c.Crashes},
		{"late", c.Late},
		{"repeats", c.Repeats},
		{"cancelled", c.Cancelled},
		{"lost", c.Lost},
		{"doubled", c.Doubled},
		{"left_open", c.LeftOpen},
	} {
		fmt.Fprintf(&b, " %s=%d", f.name, f.n)
	}
	if c.Drained > 0 {
		fmt.Fprintf(&b, " drained=%s", c.Drained.Round(100*time.Millisecond))
	}
	for _, m := range c.More {
		b.WriteString(" " + m)
	}
	t.Logf("figures:%s", b.String())
}
