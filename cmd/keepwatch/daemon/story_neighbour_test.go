package daemon

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// neighbour is a service beside the shop, with a check of its own.
type neighbour struct {
	name      string
	down      atomic.Bool
	dependsOn []string
	every     time.Duration // 0: as the shop
	looks     atomic.Int64
}

func (m *neighbour) Check(context.Context) probe.Look {
	m.looks.Add(1)
	if m.down.Load() {
		return probe.Look{Latency: time.Millisecond, Fault: probe.Fault{Class: probe.ClassConnect, Message: m.name + " refuses"}}
	}
	return probe.Look{OK: true, Code: 200, Latency: time.Millisecond}
}

func (m *neighbour) rule(like alerting.Rule) alerting.Rule {
	like.Service, like.DependsOn = m.name, m.dependsOn
	like.Checks = slices.Clone(like.Checks)
	like.Checks[0].Name = m.name
	like.Checks[0].Every = max(like.Checks[0].Every, m.every)
	return like
}

func (m *neighbour) check(like probe.Check) probe.Check {
	like.Name, like.Spec, like.Checker = m.name, m.name, m
	like.Every = max(like.Every, m.every)
	return like
}

// tellWith is tell with another configuration.
func tellWith(t *testing.T, shape func(*alerting.Rule), story func(n *night)) {
	t.Helper()
	tell(t, func(n *night) {
		n.shape = shape
		n.apply(2)
		story(n)
	})
}

// tellTwice tells a story in two parts, with a restart of the daemon in between.
func tellTwice(t *testing.T, shape func(*alerting.Rule), before, after func(n *night)) {
	t.Helper()
	dsn, dir := pgtest.DSN(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		n := &night{t: t, db: db, start: time.Now(), phone: &phone{start: time.Now()}, shape: shape}
		n.blind.Store(&[]string{})
		n.gate = &gate{Primary: postgres.Incidents{DB: db}}
		n.build(dir)
		before(n)
		n.end()
		n.build(dir)
		after(n)
		n.end()
	})
}

func TestStoryUpstreamPagesOnce(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		// The database is looked at so rarely that the shop is seen to fail first.
		db := &neighbour{name: "database", every: 5 * time.Minute}
		n.more = []*neighbour{db}
		n.shape = func(r *alerting.Rule) {
			if r.Service == "shop" {
				r.DependsOn = []string{"database"}
			}
		}
		n.apply(2)
		for db.looks.Load() < 3 {
			n.wait(time.Second)
		}
		n.down.Store(true)
		db.down.Store(true)
		n.wait(15 * time.Minute)
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty")
		var cause, shop alerting.Incident
		for _, in := range n.stored() {
			if in.Service == "database" {
				cause = in
			} else {
				shop = in
			}
		}
		if id := n.phone.rings[0].page.Incident; id != cause.ID {
			n.t.Errorf("the page is about %s, want the database", id)
		}
		n.says(shop.ID, "caused by "+cause.ID)
		db.down.Store(false)
		for len(n.phone.heard()) < 4 && n.now() < time.Hour {
			n.wait(time.Second)
		}
		n.expect("trigger ada via pagerduty", "trigger grace via pagerduty", "resolve ada via pagerduty", "resolve grace via pagerduty")
		n.wait(110 * time.Second) // the shop may take a while to recover, too
		if got := n.phone.heard(); len(got) != 4 {
			n.t.Fatalf("before the shop could recover: %v", got)
		}
		n.wait(20 * time.Second)
		if got := n.phone.heard(); len(got) != 5 || got[4] != "trigger ada via pagerduty" {
			n.t.Fatalf("after the database came back: %v, want one page about the shop", got)
		}
		n.says(shop.ID, "what it depends on has recovered and it still fails")
		n.down.Store(false)
		n.wait(2 * time.Minute)
		n.quiet()
	})
}

// Alone in failing, it pages as soon as its upstream was looked at: within seconds.
func TestStoryDownstreamAlonePagesAtOnce(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.more = []*neighbour{{name: "database"}}
		n.shape = func(r *alerting.Rule) { r.DependsOn = []string{"database"} }
		n.apply(2)
		n.wait(2 * time.Minute)
		n.down.Store(true)
		failed := n.now()
		n.wait(time.Minute)
		n.expect("trigger ada via pagerduty")
		if d := n.phone.at(0) - n.stored()[0].Opened.Sub(n.start); d > 2*time.Second {
			n.t.Errorf("paged %v after the incident opened (it failed at %v): the database was seen well long before", d, failed)
		}
	})
}

// Four checks, each of which one location alone can make fail; the line of one breaks.
func TestStoryBrokenLocationPagesOnce(t *testing.T) {
	t.Parallel()
	tell(t, func(n *night) {
		n.more = []*neighbour{{name: "b"}, {name: "c"}, {name: "d"}}
		n.shape = func(r *alerting.Rule) { r.Checks[0].Quorum = 1 }
		n.apply(2)
		n.wait(5 * time.Minute)
		n.blind.Store(&[]string{"west"})
		n.wait(5 * time.Minute)
		n.expect("trigger ada via pagerduty")
		if s := n.phone.rings[0].page.Message.Summary; !strings.HasPrefix(s, "location west sees ") {
			n.t.Errorf("the page says %q", s)
		}
		for _, in := range n.stored() {
			if in.Alarm == "" {
				n.says(in.ID, "caused by kw-alarm:location.west.site-")
			}
		}
		if got := len(n.stored()); got != 5 {
			n.t.Errorf("%d incidents, want four services and the location", got)
		}
		n.blind.Store(&[]string{})
		n.wait(3 * time.Minute)
		n.expect("trigger ada via pagerduty", "resolve ada via pagerduty")
		n.quiet()
		for _, in := range n.stored() {
			if in.State != alerting.Resolved {
				n.t.Errorf("still %s: %s", in.State, in.Summary)
			}
		}
		// One check that fails from one location only is about the check.
		n.down.Store(false)
		n.more[0].down.Store(true)
		n.wait(time.Minute)
		if got := n.phone.heard(); len(got) != 3 || n.phone.rings[2].page.Message.Source != "b" {
			n.t.Errorf("rang %v", got)
		}
	})
}
