package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/burn"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/reports"
)

// budget is a story's watch over the error budget of the service "api", whose
// results are written straight into the ledger: no check of the engine fails.
type budget struct {
	*night
	results *postgres.Results
	file    config.File
	what    func(slot time.Time) probe.Outcome
	seeded  time.Time
}

const budgetSlot = 30 * time.Second

// watchBudget starts the watch after 30 hours of slots.
func watchBudget(n *night, before func(slot time.Time) probe.Outcome) *budget {
	n.t.Helper()
	b := &budget{night: n, results: &postgres.Results{DB: n.db}, what: before}
	b.file = config.File{
		Checks:      []config.Check{{Name: "api", Every: budgetSlot}},
		Services:    []config.Service{{Name: "api", Objective: 950_000, Critical: []string{"api"}, Escalation: "site"}},
		Escalations: map[string]config.Escalation{"site": {PolicyConfig: oncall.PolicyConfig{Levels: []oncall.LevelConfig{{Page: "primary"}}}}},
		Reports:     config.Reports{Config: reports.Config{TimeZone: time.UTC}},
	}
	check := probe.Check{Name: "api", Kind: "http", Every: budgetSlot, Quorum: 1, Locations: []string{"west"}, Spec: "{}"}
	err := b.results.ExtendHistory(n.t.Context(), &check, func([]reports.Rev) []postgres.PastRevision {
		return []postgres.PastRevision{{From: time.Now().Add(-30 * time.Hour).Truncate(budgetSlot)}}
	})
	if err != nil {
		n.t.Fatal(err)
	}
	b.seeded = time.Now().Add(-30 * time.Hour).Truncate(budgetSlot)
	b.seed()
	b.start()
	return b
}

// start runs the watch; it ends with the story.
func (b *budget) start() {
	w := &burn.Watch{
		Store: postgres.Reports{DB: b.db}, First: postgres.Burns{DB: b.db}.First, Engine: b.engine,
		File: func() *config.File { return &b.file }, Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })
	b.stops = append(b.stops, func() { cancel(); wg.Wait() })
}

// seed writes the slots that began by now.
func (b *budget) seed() {
	b.t.Helper()
	var rs []probe.Result
	for ; !b.seeded.After(time.Now()); b.seeded = b.seeded.Add(budgetSlot) {
		r := probe.Result{Check: "api", Location: "west", Slot: b.seeded, Outcome: b.what(b.seeded), Attempts: 1}
		if r.Outcome == probe.Bad {
			r.Look.Fault = probe.Fault{Class: probe.ClassStatus, Message: "got 503"}
		}
		rs = append(rs, r)
	}
	if err := b.results.Insert(b.t.Context(), rs); err != nil {
		b.t.Fatal(err)
	}
}

// pass lets time go by, with a result for each slot.
func (b *budget) pass(d time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		b.wait(budgetSlot / 2)
		b.seed()
	}
}

// rung is how long after since the first trigger rang; 0 when none did.
func (b *budget) rung(since time.Duration) time.Duration {
	b.phone.mu.Lock()
	defer b.phone.mu.Unlock()
	for _, r := range b.phone.rings {
		if r.page.Action == alerting.Trigger && r.after >= since && r.page.Message.Severity != "warning" {
			return r.after - since
		}
	}
	return 0
}

func (b *budget) pages() int {
	b.phone.mu.Lock()
	defer b.phone.mu.Unlock()
	n := 0
	for _, r := range b.phone.rings {
		if r.page.Action == alerting.Trigger && r.page.Message.Severity != "warning" {
			n++
		}
	}
	return n
}

func allBad(time.Time) probe.Outcome { return probe.Bad }

func allGood(time.Time) probe.Outcome { return probe.Good }

// timeline returns the texts of an incident's entries of a kind.
func (n *night) timeline(id, kind string) []string {
	n.t.Helper()
	entries, err := postgres.Incidents{DB: n.db}.Timeline(n.t.Context(), id)
	if err != nil {
		n.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.Kind == kind {
			out = append(out, e.Text)
		}
	}
	return out
}

// openOf is the open incident that the checks of a service opened; the zero one when there is none.
func (b *budget) openOf(service string) alerting.Incident {
	b.t.Helper()
	for _, inc := range b.stored() {
		if inc.Service == service && inc.Alarm == "" && inc.State != alerting.Resolved {
			return inc
		}
	}
	return alerting.Incident{}
}

// stillOpen are the IDs of what is not resolved.
func (n *night) stillOpen() []string {
	n.t.Helper()
	var out []string
	for _, inc := range n.stored() {
		if inc.State != alerting.Resolved {
			out = append(out, inc.ID)
		}
	}
	return out
}
