package alerting_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/spool"
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

func TestFailoverConforms(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) alerting.Store{
		"on the primary": func(*testing.T) alerting.Store { return failover(&alerting.Book{}, &alerting.Book{}) },
		"on the spool": func(t *testing.T) alerting.Store {
			t.Helper()
			o, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(t.TempDir(), "outbox")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = o.Close() })
			return impatient(&faulty{mode: "refuse"}, o)
		},
		"in memory":       func(*testing.T) alerting.Store { return impatient(&faulty{mode: "refuse"}, &faulty{mode: "refuse"}) },
		"without a spool": func(*testing.T) alerting.Store { return impatient(&faulty{mode: "refuse"}, nil) },
		"late answers":    func(*testing.T) alerting.Store { return failover(&faulty{lateOdds: 30}, &alerting.Book{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, open)
		})
	}
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

// TestFailoverStories takes the primary away between any two steps of an
// incident's life, in each way, and brings it back at any later one.
func TestFailoverStories(t *testing.T) {
	t.Parallel()
	steps := []func(*world){
		func(w *world) { w.decide("a") }, (*world).deliver,
		func(w *world) { w.decide("a") }, (*world).deliver,
		func(w *world) { w.decide("b") },
		func(w *world) { w.decide("a") }, (*world).deliver,
		func(w *world) { w.decide("b") }, func(w *world) { w.decide("b") },
		(*world).deliver, (*world).deliver, (*world).deliver,
	}
	for _, fault := range []string{"refuse", "hang", "late"} {
		for _, disk := range []string{"", "refuse"} {
			for from := range len(steps) + 1 {
				for to := from; to <= len(steps); to++ {
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t)
						defer w.run()()
						for i, step := range steps {
							if i == from {
								w.primary.set(fault)
								w.reserve.set(disk)
							}
							if i == to {
								w.primary.set("")
								w.reserve.set("")
							}
							step(w)
							time.Sleep(700 * time.Millisecond)
						}
						w.primary.set("")
						w.reserve.set("")
						time.Sleep(30 * time.Second)
						w.deliver()
						w.check()
						if t.Failed() {
							t.Fatalf("fault %q, disk %q, from %d to %d", fault, disk, from, to)
						}
					})
				}
			}
		}
	}
}

// TestFailoverClaimedWhenItDies: a page is on its way when the primary dies.
func TestFailoverClaimedWhenItDies(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.run()()
			w.decide("a")
			pages := w.claim()
			w.primary.set("hang")
			w.decide("a")
			if again := w.claim(); len(again) != 0 {
				t.Errorf("claimed %v while an older page of the key is on its way", again)
			}
			if back {
				w.primary.set("")
				time.Sleep(5 * time.Second)
			}
			w.settle(pages)
			w.deliver()
			w.decide("a")
			w.deliver()
			w.primary.set("")
			time.Sleep(5 * time.Second)
			w.check()
		})
	}
}

// TestFailoverStaysWithinItsDeadline: a hanging primary costs one timeout, also
// for those who came later.
func TestFailoverStaysWithinItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.decide("a")
		w.primary.set("hang")
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
				if _, err := w.store.Claim(t.Context(), time.Now(), time.Second, 0); err != nil {
					t.Errorf("claim: %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took < 2*time.Second || took > 2200*time.Millisecond {
			t.Errorf("took %v, want 2 s, and a moment before who came later looks again", took)
		}
		if got := w.store.State().Mode; got != alerting.OnSpool {
			t.Errorf("mode %s, want spool", got)
		}
	})
}

// TestFailoverRestart: the daemon is killed while the primary is away, and comes
// back before it.
func TestFailoverRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.run()
		w.decide("seen-by-both")
		w.deliver()
		w.primary.set("refuse")
		w.decide("spooled")
		w.decide("seen-by-both")
		stop()

		// A second life with the same spool; the first one's memory is gone.
		var returned []string
		second := failover(w.primary, w.reserve)
		second.OnReturn = func(open []alerting.Incident) {
			for _, in := range open {
				returned = append(returned, in.ID)
			}
		}
		w.store = second
		stop = w.run()
		defer func() { stop() }()
		open, err := w.store.OpenIncidents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(open) != 2 || !w.store.State().Partial || w.store.State().Mode != alerting.OnSpool {
			t.Errorf("%d open incidents, state %+v; want 2, partial, on the spool", len(open), w.store.State())
		}
		w.deliver()

		// Another daemon opened something in the primary meanwhile.
		time.Sleep(time.Millisecond)
		other := alerting.Incident{ID: "kw-other", Service: "other", State: alerting.Open, Version: 1, Opened: time.Now().UTC()}
		if err := w.primary.Book.Apply(t.Context(), alerting.Change{Incident: other}); err != nil {
			t.Fatal(err)
		}
		w.primary.set("")
		time.Sleep(5 * time.Second)
		synctest.Wait() // orders Run's writes before our reads
		if diff := cmp.Diff(returned, []string{"kw-seen-by-both", "kw-spooled", "kw-other"}); diff != "" {
			t.Errorf("told on return (-got +want):\n%s", diff)
		}
		if w.store.State().Partial {
			t.Error("still partial after the primary was read")
		}
		w.check()
	})
}

// TestFailoverRestartWithPrimary: the daemon was killed with a full spool, and the
// primary is there when it comes back.
func TestFailoverRestartWithPrimary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.primary.set("refuse")
		w.decide("a")
		w.deliver()
		w.decide("a")
		w.decide("b")
		w.primary.set("")
		w.store = failover(w.primary, w.reserve)
		w.deliver()
		if got := w.store.State(); got.Mode != alerting.OnPrimary || got.Partial {
			t.Errorf("state %+v, want the primary at once", got)
		}
		w.check()
	})
}

// TestFailoverReplayWhileWorking: decisions and deliveries go on while a long
// replay runs; none of them may be left behind.
func TestFailoverReplayWhileWorking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.run()()
		w.primary.set("refuse")
		for i := range 40 {
			w.decide(fmt.Sprint("s", i))
		}
		w.primary.mu.Lock()
		w.primary.slow = 50 * time.Millisecond
		w.primary.mu.Unlock()
		w.primary.set("")
		for i := range 40 {
			w.decide(fmt.Sprint("s", i))
			w.deliver()
			time.Sleep(70 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		for range 5 {
			w.deliver()
		}
		w.check()
	})
}

// TestFailoverSecondOutage: what was settled on the primary between two outages
// must not come back from the first one's spool.
func TestFailoverSecondOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.run()()
		for range 3 {
			w.primary.set("refuse")
			w.decide(fmt.Sprint("s", len(w.want)))
			w.reserve.set("refuse") // also the emptying fails for a while
			w.primary.set("")
			time.Sleep(3 * time.Second)
			w.deliver()
			w.reserve.set("")
		}
		w.primary.set("refuse")
		w.deliver()
		if got := w.store.State().Mode; got != alerting.OnSpool {
			t.Errorf("mode %s, want spool", got)
		}
		for service := range w.want {
			w.decide(service)
			w.decide(service)
		}
		w.deliver()
		w.deliver()
		w.primary.set("")
		time.Sleep(5 * time.Second)
		w.check()
	})
}

// TestFailoverPoison: one incident that the primary never takes must not stop
// the paging of any.
func TestFailoverPoison(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		poison := &poisoned{faulty: w.primary, id: "kw-bad"}
		w.store = failover(poison, w.reserve)
		defer w.run()()
		w.decide("bad")
		w.decide("good")
		w.deliver()
		time.Sleep(10 * time.Second)
		w.decide("good")
		w.deliver()
		state := w.store.State()
		if state.Mode != alerting.OnSpool || state.LastError == "" || len(w.got) != 3 {
			t.Errorf("state %+v and %d pages, want the spool, a reason and 3", state, len(w.got))
		}
		poison.cured.Store(true)
		time.Sleep(10 * time.Second)
		w.check()
	})
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

// TestFailoverMirror: the process is killed while the primary answers, and started
// again when it is away. It knows what is open, and owes no page a second time.
func TestFailoverMirror(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		primary, reserve := &faulty{}, &faulty{}
		run := func() (*alerting.Failover, func()) {
			f := &alerting.Failover{Primary: primary, Spool: reserve, Log: slog.New(slog.DiscardHandler)}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- f.Run(ctx) }()
			return f, func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		f, kill := run()
		in := alerting.Incident{ID: "kw-shop-1", Service: "shop", State: alerting.Open, Version: 1, Opened: time.Now().UTC()}
		page := alerting.Page{ID: "kw-shop-1/1/1", Incident: in.ID, Seq: 1001, Action: alerting.Trigger, State: alerting.Queued, Created: in.Opened}
		if err := f.Apply(t.Context(), alerting.Change{Incident: in, Pages: []alerting.Page{page}}); err != nil {
			t.Fatal(err)
		}
		claimed, err := f.Claim(t.Context(), time.Now(), time.Minute, 10)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %v, %v; want the page", claimed, err)
		}
		claimed[0].State, claimed[0].AcceptedAt = alerting.Accepted, time.Now().UTC()
		if err := f.Settle(t.Context(), alerting.Settlement{Page: claimed[0]}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		kill()
		primary.set("refuse")
		f, kill = run()
		open, err := f.OpenIncidents(t.Context())
		if err != nil || len(open) != 1 || open[0].ID != in.ID {
			t.Errorf("in the dark: got %v, %v; want the open incident", open, err)
		}
		if again, err := f.Claim(t.Context(), time.Now().Add(time.Hour), time.Minute, 10); err != nil || len(again) != 0 {
			t.Errorf("in the dark: got %v, %v to send again; want nothing", again, err)
		}
		kill()
	})
}
