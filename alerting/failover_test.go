package alerting_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/spool"
)

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
