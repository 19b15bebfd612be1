package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/alerting/pagerduty"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// hour is the world of row 4: engine, deliverer and PagerDuty client in a bubble of fake
// time, so that an hour of outage takes a second.
type hour struct {
	t      *testing.T
	store  alerting.Store
	engine *alerting.Engine
	pd     *fakepd.Server
	log    *buffer

	mu    sync.Mutex
	mails map[string]time.Time // guarded by mu: first fallback of an incident
	down  []bool               // guarded by mu
}

const hourEvery = 30 * time.Second

// Send implements [alerting.Notifier]: the fallback.
func (h *hour) Send(_ context.Context, p alerting.Page) alerting.Receipt {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.mails[p.Incident]; !known && p.Action == alerting.Trigger {
		h.mails[p.Incident] = time.Now()
	}
	return alerting.Receipt{Class: alerting.Taken, Status: 250}
}

func (h *hour) set(down bool, from, to int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := from; n < to; n++ {
		h.down[n] = down
	}
}

// run starts the parts; the returned func ends them.
func (h *hour) run(services int) func() {
	log := slog.New(slog.DiscardHandler)
	h.down = make([]bool, services)
	h.engine = &alerting.Engine{Store: h.store, Log: log}
	d := &alerting.Deliverer{
		Store: h.store, Settled: h.engine.Settled, Log: log, Fallback: []string{"mail"}, NoEcho: []string{"mail"},
		Notifiers: map[string]alerting.Notifier{
			"mail":      h,
			"pagerduty": pagerduty.NewOver(pagerduty.Config{EventsURL: "http://pd.example"}, pagerduty.Keys{"service": probe.Secret(routingKey("svc"))}, h.pd),
		},
	}
	h.engine.Wake = d.Wake
	rules := make([]alerting.Rule, services)
	for n := range services {
		name := serviceName(n)
		rules[n] = alerting.Rule{
			Service: name, Confirm: 1, Recover: 1, Policy: oncall.Policy{Name: "all", Levels: []oncall.Level{{Page: "ada"}}},
			Checks: []alerting.CheckRule{{Name: name, Locations: []string{"here"}, Quorum: 1, Every: hourEvery, Timeout: 5 * time.Second}},
		}
	}
	h.engine.Apply(rules, oncall.Roster{People: map[string]oncall.Person{"ada": {Name: "Ada"}}}, alerting.Routing{
		Channel: "pagerduty", Fallback: []string{"mail"}, Route: func(string) (string, bool) { return "service", false },
	})
	ctx, cancel := context.WithCancel(h.t.Context())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{h.engine.Run, d.Run, h.look} {
		parts.Go(func() { _ = run(ctx) })
	}
	return func() {
		synctest.Wait()
		cancel()
		parts.Wait()
	}
}

// look is the prober: every service once in its slot.
func (h *hour) look(ctx context.Context) error {
	tick := time.NewTicker(hourEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		slot := time.Now().UTC().Truncate(hourEvery)
		h.mu.Lock()
		down := slices.Clone(h.down)
		h.mu.Unlock()
		for n, bad := range down {
			h.engine.Record(result(n, slot, !bad))
		}
	}
}

// delivered counts the triggers of open incidents that PagerDuty accepted, and all of them.
func (h *hour) delivered() (accepted, all int) {
	open, err := h.store.OpenIncidents(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, in := range open {
		pages, err := h.store.Pages(h.t.Context(), in.ID)
		if err != nil {
			h.t.Fatal(err)
		}
		all++
		if firstTrigger(pages).State == alerting.Accepted {
			accepted++
		}
	}
	return accepted, all
}

// Row 4: PagerDuty is away for an hour, in each of its ways, and a data centre fails
// meanwhile. Everybody concerned hears of it by the fallback within two minutes; what
// recovered needs no page any more; the rest is delivered within six minutes.
func TestRow4PagerDutyAway(t *testing.T) {
	t.Parallel()
	wait := fakepd.Duration(30 * time.Second)
	for _, tt := range []struct {
		name  string
		fault fakepd.Fault
		never bool // PagerDuty refuses for good: the fallback is all there is
		doubt bool // it may have taken each: a trigger is then repeated although all is well again, before its resolve
		calls bool // it takes the events in the end: nobody may be lost, the fallback is not needed
		db    bool // over a real Postgres
	}{
		{"5xx", fakepd.Fault{Status: 503}, false, false, false, true},
		{"429 with a wait", fakepd.Fault{Status: 429, RetryAfter: wait}, false, false, false, false},
		{"429 without", fakepd.Fault{Status: 429}, false, false, false, false},
		{"black hole", fakepd.Fault{Hole: true}, false, true, false, false},
		{"black hole that takes events", fakepd.Fault{Hole: true, Processed: true}, false, true, false, false},
		{"reset before an answer", fakepd.Fault{Close: true}, false, true, false, false},
		{"reset within the answer", fakepd.Fault{Torn: true}, false, true, true, false},
		{"answers after 9.9 s", fakepd.Fault{Delay: fakepd.Duration(9900 * time.Millisecond)}, false, true, true, false},
		{"TLS fails", fakepd.Fault{Unreached: "tls"}, false, false, false, false},
		{"DNS fails", fakepd.Fault{Unreached: "dns"}, false, false, false, false},
		{"400", fakepd.Fault{Status: 400}, true, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dsn := ""
			if tt.db && full() {
				dsn = pgtest.DSN(t)
			}
			synctest.Test(t, func(t *testing.T) {
				h := &hour{t: t, store: &alerting.Book{}, mails: map[string]time.Time{}, log: &buffer{}}
				h.pd = fakepd.New(fakepd.Options{Log: h.log})
				defer h.pd.Close()
				if dsn != "" {
					db, err := postgres.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
					if err != nil {
						t.Fatal(err)
					}
					defer db.Close()
					h.store = postgres.Incidents{DB: db}
				}
				h.away(tt.fault, tt.never, tt.doubt, tt.calls)
			})
		})
	}
}

func (h *hour) away(fault fakepd.Fault, never, doubt, calls bool) {
	t := h.t
	n := sized(60, 500)
	if _, real := h.store.(postgres.Incidents); real {
		n = 100 // an hour of attempts on a real database takes minutes
	}
	defer h.run(n)()
	time.Sleep(2 * time.Minute)
	if err := h.pd.AddFault(fault); err != nil {
		t.Fatal(err)
	}
	h.set(true, 0, n)
	time.Sleep(30 * time.Minute)
	h.set(false, 0, n/10) // some recover before anything was delivered
	time.Sleep(30 * time.Minute)
	h.pd.ClearFaults()
	back := time.Now()
	for {
		accepted, all := h.delivered()
		if accepted == all || never || time.Since(back) > 10*time.Minute {
			break
		}
		time.Sleep(time.Second)
	}
	drained := time.Since(back)
	if drained > 6*time.Minute {
		accepted, all := h.delivered()
		t.Errorf("%s after it was back %d of %d were delivered, want all within 6m", drained, accepted, all)
	}
	time.Sleep(10 * time.Minute)
	h.set(false, 0, n)
	time.Sleep(20 * time.Minute)
	synctest.Wait()
	c := &counts{Incidents: n, Drained: drained}
	c.More = append(c.More, "fallback_max="+h.fallbacks(n, calls).String())
	h.judge(c, n, never, doubt)
	c.report(t)
}

// fallbacks is the longest that anybody waited for the fallback.
func (h *hour) fallbacks(n int, calls bool) (longest time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, at := range h.mails {
		pages, err := h.store.Pages(h.t.Context(), id)
		if err != nil {
			h.t.Fatal(err)
		}
		longest = max(longest, at.Sub(firstTrigger(pages).Created))
	}
	if len(h.mails) != n && !calls {
		h.t.Errorf("%d of %d incidents went out by the fallback", len(h.mails), n)
	}
	if longest > 2*time.Minute {
		h.t.Errorf("the fallback took %s, want 2m", longest)
	}
	return longest.Round(100 * time.Millisecond)
}

// judge: each of the n incidents rang once, or recovered in time, or was refused for good
// and then went out by the fallback; nothing is open or owed.
func (h *hour) judge(c *counts, n int, never, doubt bool) {
	t := h.t
	if b, err := h.store.Backlog(t.Context()); err != nil || b.Pages != 0 {
		t.Errorf("still owed: %+v %v", b, err)
	}
	state := h.pd.State()
	rang := map[string]bool{}
	for _, i := range state.Incidents {
		rang[i.DedupKey] = true
	}
	want := n - n/10 // the others recovered before delivery, unless PagerDuty heard of them in spite of all
	switch {
	case never:
		want = 0
	case doubt:
		want = n
	}
	c.Cancelled = n - len(rang)
	if len(rang) != want {
		c.Lost = max(want-len(rang), 0)
		t.Errorf("%d incidents rang at PagerDuty, want %d", len(rang), want)
	}
	rep, err := fakepd.Check(h.log.reader(), fakepd.Want{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rep.Problems {
		t.Errorf("PagerDuty's log: %s", p)
	}
	c.Doubled, c.LeftOpen = rep.Doubled, rep.LeftOpen
	c.More = append(c.More, fmt.Sprintf("events=%d", rep.Summary.Events))
}
