package alerting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// world is one team with a site, a prober and its channels, in a bubble.
type world struct {
	t      *testing.T
	store  *flaky
	pager  *channel
	mail   *channel
	rules  []Rule
	people map[string]oncall.Person
	own    bool             // people have routing keys of their own
	deaf   bool             // the engine is not told what the deliverer does, as with another process
	now    func() time.Time // the daemon's clock; nil is time.Now

	mu   sync.Mutex
	down map[string]bool // guarded by mu: locations that see the site fail
	mute map[string]bool // guarded by mu: locations that say nothing
	seen time.Time       // guarded by mu: the newest slot that was looked at

	asks   chan string
	asked  atomic.Int64
	engine *Engine
	sender *Deliverer
	stop   func()
}

// flaky is a Store that can be away.
type flaky struct {
	Memory
	away atomic.Bool
}

var errGone = errors.New("away")

func (f *flaky) Apply(ctx context.Context, c Change) error {
	if f.away.Load() {
		return errGone
	}
	return f.Memory.Apply(ctx, c)
}

func (f *flaky) OpenIncidents(ctx context.Context) ([]Incident, error) {
	if f.away.Load() {
		return nil, errGone
	}
	return f.Memory.OpenIncidents(ctx)
}

func (f *flaky) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Page, error) {
	if f.away.Load() {
		return nil, errGone
	}
	return f.Memory.Claim(ctx, now, lease, limit)
}

// ended implements the engine's Ended, as a database does.
func (f *flaky) ended(_ context.Context, since time.Time) (map[string]Past, error) {
	if f.away.Load() {
		return nil, errGone
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]Past{}
	for _, r := range f.records {
		if in := r.incident; in.State == Resolved && !in.Resolved.Before(since) {
			owner := in.Service
			if in.Alarm != "" {
				owner = AlarmOwner(in.Alarm)
			}
			out[owner] = Past{Ended: later(out[owner].Ended, in.Resolved), Newest: max(out[owner].Newest, in.ID)}
		}
	}
	return out, nil
}

// channel is a notifier that answers as it is told and remembers.
type channel struct {
	mu     sync.Mutex
	answer func(p Page) Receipt // guarded by mu; nil means taken
	takes  time.Duration        // guarded by mu
	sent   []sending            // guarded by mu
}

type sending struct {
	at   time.Time
	page Page
	got  Class
}

func (c *channel) Send(ctx context.Context, p Page) Receipt {
	c.mu.Lock()
	answer, takes := c.answer, c.takes
	c.mu.Unlock()
	got := Receipt{Class: Taken, Status: 202}
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			got = Receipt{Class: Doubtful, Detail: "timed out"}
		}
	}
	if answer != nil {
		got = answer(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, sending{time.Now(), p, got.Class})
	return got
}

func (c *channel) set(answer func(p Page) Receipt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

// taken lists what was accepted, as "trigger person:ada", in order.
func (c *channel) taken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	// Routes are served side by side: what happens at one instant is in no order.
	slices.SortStableFunc(c.sent, func(a, b sending) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.page.Route, b.page.Route))
	})
	for _, s := range c.sent {
		if s.got == Taken {
			out = append(out, string(s.page.Action)+" "+s.page.Route)
		}
	}
	return out
}

// when returns the instants of accepted pages of an action to a route.
func (c *channel) when(what string) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []time.Time
	for _, s := range c.sent {
		if s.got == Taken && string(s.page.Action)+" "+s.page.Route == what {
			out = append(out, s.at)
		}
	}
	return out
}

// newWorld is a site with one check from three locations each minute, and a
// ladder: ada at once, grace after ten minutes.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: &flaky{}, pager: &channel{}, mail: &channel{}, own: true,
		down: map[string]bool{}, mute: map[string]bool{}, asks: make(chan string, 100),
		people: map[string]oncall.Person{"ada": {Name: "Ada"}, "grace": {Name: "Grace"}, "alan": {Name: "Alan"}},
	}
	w.rules = []Rule{{
		Service: "shop", Confirm: 2, Recover: 2,
		Checks: []CheckRule{threeLocations()},
		Policy: oncall.Policy{Name: "site", Levels: []oncall.Level{{Page: "ada"}, {Page: "grace", After: 10 * time.Minute}}},
	}}
	return w
}

func (w *world) routing() Routing {
	return Routing{
		Channel: "pagerduty", Email: "mail", Fallback: []string{"mail"},
		Route: func(person string) (string, bool) {
			if w.own {
				return PersonRoute(person), true
			}
			return serviceRoute, false
		},
	}
}

// start runs engine, deliverer and prober over what the store has.
func (w *world) start() {
	log := slog.New(slog.DiscardHandler)
	e := &Engine{Store: w.store, Log: log, Now: w.now, Ended: w.store.ended, Again: func(check string) {
		w.asked.Add(1)
		w.asks <- check
	}}
	d := &Deliverer{
		Store: w.store, Notifiers: map[string]Notifier{"pagerduty": w.pager, "mail": w.mail},
		Fallback: []string{"mail"}, NoEcho: []string{"mail"}, Settled: e.Settled, Log: log, Now: w.now,
	}
	e.Wake = d.Wake
	if w.deaf {
		d.Settled = nil
	}
	w.engine, w.sender = e, d
	e.Apply(w.rules, oncall.Roster{People: w.people}, w.routing())
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = e.Run(ctx) })
	all.Go(func() { _ = d.Run(ctx) })
	all.Go(func() { w.probe(ctx, e) })
	w.stop = func() { cancel(); all.Wait() }
}

// probe looks in every slot and whenever it is asked to.
func (w *world) probe(ctx context.Context, e *Engine) {
	slots := time.NewTicker(time.Minute)
	defer slots.Stop()
	w.look(e, false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-slots.C:
			w.look(e, false)
		case <-w.asks:
			w.look(e, true)
		}
	}
}

func (w *world) look(e *Engine, extra bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := moment(w.now)
	defer func() { w.seen = later(w.seen, now.UTC().Truncate(time.Minute)) }()
	for _, r := range w.rules {
		for _, c := range r.Checks {
			for _, loc := range c.Locations {
				if w.mute[loc] {
					continue
				}
				slot := now.UTC().Truncate(c.Every)
				res := probe.Result{Check: c.Name, Location: loc, Slot: slot, Round: slot.UnixNano(), Started: now.UTC(), Outcome: probe.Good, Attempts: 1}
				if extra {
					res.Extra, res.Round = true, now.UnixNano()
				}
				if !extra && slot.Before(w.seen) { // as the scheduler does when the clock was set back
					res.Extra, res.Repeat, res.Round = true, true, slot.Add(c.Every).UnixNano()
				}
				if w.down[loc] {
					res.Outcome = probe.Bad
					res.Look.Fault = probe.Fault{Class: probe.ClassConnect, Message: "connection refused"}
				}
				e.Record(res)
			}
		}
	}
}

func (w *world) fail(locations ...string) { w.turn(w.down, true, locations) }

func (w *world) heal() { w.turn(w.down, false, nil) }

func (w *world) turn(m map[string]bool, to bool, locations []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(locations) == 0 {
		locations = threeLocations().Locations
	}
	for _, l := range locations {
		m[l] = to
	}
}

// tell runs a story in a bubble whose clock starts at a full minute.
func tell(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		story(w)
		if w.stop != nil {
			w.stop()
		}
	})
}

// incidents returns all that the store knows, by ID, from its open ones and the pages sent.
func (w *world) open() []Incident {
	w.t.Helper()
	open, err := w.store.Memory.OpenIncidents(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return open
}

func (w *world) want(got []string, want ...string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("sent\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (w *world) timeline(id string) string {
	var b strings.Builder
	for _, e := range w.store.Timeline(id) {
		fmt.Fprintf(&b, "%s %s %s: %s\n", e.At.Format("15:04:05"), e.Kind, e.Person, e.Text)
	}
	return b.String()
}
