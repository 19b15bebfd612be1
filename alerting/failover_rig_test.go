package alerting_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
)

var errAway = errors.New("the test took it away")

// faulty is a store that can be taken away.
type faulty struct {
	alerting.Book

	mu   sync.Mutex
	mode string // "" works, "refuse", "hang" until the deadline, "late": does it, then fails
	// lateOdds is how many of 100 steps are done and answered with an error.
	lateOdds int
	slow     time.Duration // of an import
}

func (f *faulty) set(mode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
}

func (f *faulty) do(ctx context.Context, step func() error) error {
	f.mu.Lock()
	mode := f.mode
	if f.lateOdds > rand.IntN(100) {
		mode = "late"
	}
	f.mu.Unlock()
	switch mode {
	case "refuse":
		return errAway
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "late":
		return errors.Join(step(), errAway)
	}
	return step()
}

func (f *faulty) Apply(ctx context.Context, c alerting.Change) error {
	return f.do(ctx, func() error { return f.Book.Apply(ctx, c) })
}

func (f *faulty) Settle(ctx context.Context, s alerting.Settlement) error {
	return f.do(ctx, func() error { return f.Book.Settle(ctx, s) })
}

func (f *faulty) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) (ps []alerting.Page, err error) {
	err = f.do(ctx, func() error {
		ps, err = f.Book.Claim(ctx, now, lease, limit)
		return err
	})
	return ps, err
}

func (f *faulty) OpenIncidents(ctx context.Context) (in []alerting.Incident, err error) {
	err = f.do(ctx, func() error {
		in, err = f.Book.OpenIncidents(ctx)
		return err
	})
	return in, err
}

func (f *faulty) Unfinished(ctx context.Context) (cs []alerting.Change, err error) {
	err = f.do(ctx, func() error {
		cs, err = f.Book.Unfinished(ctx)
		return err
	})
	return cs, err
}

func (f *faulty) Import(ctx context.Context, c alerting.Change) error {
	f.mu.Lock()
	slow := f.slow
	f.mu.Unlock()
	time.Sleep(slow)
	return f.do(ctx, func() error { return f.Book.Import(ctx, c) })
}

func (f *faulty) Reset(ctx context.Context, cs []alerting.Change) error {
	return f.do(ctx, func() error { return f.Book.Reset(ctx, cs) })
}

func failover(primary alerting.Primary, reserve alerting.Reserve) *alerting.Failover {
	return &alerting.Failover{Primary: primary, Spool: reserve, Log: slog.New(slog.DiscardHandler)}
}

// impatient does not wait for a primary that is away all the time.
func impatient(primary alerting.Primary, reserve alerting.Reserve) *alerting.Failover {
	f := failover(primary, reserve)
	f.Timeout = time.Millisecond
	return f
}

// world is one daemon's paging in a bubble: a failover, a small engine and
// deliverer, and a pager that remembers what it got.
type world struct {
	t       *testing.T
	primary *faulty
	reserve *faulty
	store   *alerting.Failover
	got     []alerting.Page // what the pager took, in order
	want    map[string]alerting.Incident
	pages   int // owed in all
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, primary: &faulty{}, reserve: &faulty{}, want: map[string]alerting.Incident{}}
	w.store = failover(w.primary, w.reserve)
	return w
}

// run runs the failover until the returned func is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		if err := w.store.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

// decide writes the next version of a service's incident: 1 triggers, 2 pages
// the next level, 3 resolves.
func (w *world) decide(service string) {
	w.t.Helper()
	now := time.Now().UTC()
	in, ok := w.want[service]
	if !ok {
		in = alerting.Incident{ID: "kw-" + service, Service: service, State: alerting.Open, Opened: now, Checks: []string{"c"}}
	}
	in.Version++
	action := alerting.Trigger
	if in.Version == 3 {
		in.State, in.Resolved, action = alerting.Resolved, now, alerting.Resolve
	}
	w.want[service] = in
	w.pages++
	err := w.store.Apply(w.t.Context(), alerting.Change{
		Incident: in,
		Entries:  []alerting.Entry{{Incident: in.ID, Seq: in.Version * 1000, At: now, Kind: "note"}},
		Pages: []alerting.Page{{
			ID: fmt.Sprintf("%s/%d/1", in.ID, in.Version), Incident: in.ID, Seq: in.Version * 1000,
			Channel: "pagerduty", Route: "service", DedupKey: in.ID, Action: action,
			Message: alerting.Message{Severity: "critical"}, State: alerting.Queued, Created: now, Due: now,
		}},
	})
	if err != nil {
		w.t.Fatalf("apply: %v", err)
	}
}

// claim takes the due pages and sends them; settle tells the store.
func (w *world) claim() []alerting.Page {
	w.t.Helper()
	pages, err := w.store.Claim(w.t.Context(), time.Now().UTC(), 15*time.Second, 10)
	if err != nil {
		w.t.Fatalf("claim: %v", err)
	}
	w.got = append(w.got, pages...)
	return pages
}

func (w *world) settle(pages []alerting.Page) {
	w.t.Helper()
	for _, p := range pages {
		p.State, p.AcceptedAt, p.Attempts = alerting.Accepted, time.Now().UTC(), p.Attempts+1
		e := alerting.Entry{Incident: p.Incident, Seq: p.Seq + 500, At: p.AcceptedAt, Kind: "delivered"}
		if err := w.store.Settle(w.t.Context(), alerting.Settlement{Page: p, Entries: []alerting.Entry{e}}); err != nil {
			w.t.Fatalf("settle: %v", err)
		}
	}
}

func (w *world) deliver() { w.t.Helper(); w.settle(w.claim()) }

// checkMirror requires that the spool holds nothing that the primary does not
// have, or has further along: replaying it must change nothing.
func (w *world) checkMirror() {
	w.t.Helper()
	there, err := w.primary.All(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var book alerting.Book
	if err := book.Reset(w.t.Context(), there); err != nil {
		w.t.Fatal(err)
	}
	held, err := w.reserve.All(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range held {
		if err := book.Import(w.t.Context(), c); err != nil {
			w.t.Fatal(err)
		}
	}
	replayed, err := book.All(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(replayed, there); diff != "" {
		w.t.Errorf("the spool holds what the primary does not have (-replayed +there):\n%s", diff)
	}
}

// check is the invariant: everything is in the primary, the spool is at most a mirror of it, every
// page went out once, and in the order of its key.
func (w *world) check() {
	w.t.Helper()
	if got := w.store.State(); got.Mode != alerting.OnPrimary || got.Incidents != 0 {
		w.t.Errorf("state %+v, want the primary and nothing held", got)
	}
	w.checkMirror()
	for _, want := range w.want {
		all, err := w.primary.All(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(c alerting.Change) bool { return c.Incident.ID == want.ID })
		if i < 0 {
			w.t.Errorf("%s is not in the primary", want.ID)
			continue
		}
		if diff := cmp.Diff(all[i].Incident, want); diff != "" {
			w.t.Errorf("incident (-got +want):\n%s", diff)
		}
		if got := len(all[i].Entries); got != 2*int(want.Version) {
			w.t.Errorf("%s has %d entries, want %d", want.ID, got, 2*want.Version)
		}
		for _, p := range all[i].Pages {
			if p.State != alerting.Accepted {
				w.t.Errorf("%s is %s in the primary, want accepted", p.ID, p.State)
			}
		}
	}
	last := map[string]int64{}
	for _, p := range w.got {
		if p.Seq <= last[p.DedupKey] {
			w.t.Errorf("%s went out after number %d of its key", p.ID, last[p.DedupKey])
		}
		last[p.DedupKey] = p.Seq
	}
	if len(w.got) != w.pages {
		w.t.Errorf("%d pages went out, want %d", len(w.got), w.pages)
	}
}

type poisoned struct {
	*faulty
	id    string
	cured atomic.Bool
}

func (p *poisoned) Apply(ctx context.Context, c alerting.Change) error {
	if c.Incident.ID == p.id && !p.cured.Load() {
		return errAway
	}
	return p.faulty.Apply(ctx, c)
}

func (p *poisoned) Import(ctx context.Context, c alerting.Change) error {
	if c.Incident.ID == p.id && !p.cured.Load() {
		return errAway
	}
	return p.faulty.Import(ctx, c)
}
