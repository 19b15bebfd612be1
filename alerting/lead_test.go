package alerting

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errAway = errors.New("the database is away")

// lock is a lock that two leaders share; away makes it unreachable.
type lock struct {
	mu     sync.Mutex // guards what follows
	holder string
	away   bool
	lost   chan struct{}
	parts  string // what ran, in order
}

func (k *lock) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

func (k *lock) ran() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.parts
}

func (k *lock) leader(name string, was bool) *Leader {
	return &Leader{
		Try: func(context.Context) (Lease, bool, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.away {
				return Lease{}, false, errAway
			}
			if k.holder != "" {
				return Lease{}, false, nil
			}
			k.holder, k.lost = name, make(chan struct{})
			return Lease{Lost: k.lost, Release: func() { k.change(func() { k.holder = "" }) }}, true, nil
		},
		Was:  func() bool { return was },
		Mark: func(b bool) { was = b },
		Part: func(ctx context.Context) error {
			k.change(func() { k.parts += "+" + name })
			<-ctx.Done()
			k.change(func() { k.parts += "-" + name })
			return nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

func TestLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k lock
		wait := func() { time.Sleep(3 * time.Second); synctest.Wait() }
		a, b := k.leader("a", true), k.leader("b", true) // neither has asked before
		actx, stopA := context.WithCancel(t.Context())
		bctx, stopB := context.WithCancel(t.Context())
		go func() { _ = a.Run(actx) }()
		wait()
		go func() { _ = b.Run(bctx) }()
		wait()
		if k.ran() != "+a" || !a.Leads() || b.Leads() {
			t.Fatalf("with two daemons: got %q, want only a to lead", k.ran())
		}
		// The database goes away: the leader goes on, the stand-by stays one.
		k.change(func() { k.away, k.holder = true, ""; close(k.lost) })
		wait()
		if k.ran() != "+a" || !a.Leads() || b.Leads() {
			t.Fatalf("database away: got %q, want a to go on", k.ran())
		}
		// It returns and the other daemon is faster: the old leader steps down.
		k.change(func() { k.holder, k.away = "other", false })
		wait()
		if k.ran() != "+a-a" || a.Leads() {
			t.Fatalf("another leads: got %q, want a to have stopped", k.ran())
		}
		k.change(func() { k.holder = "" })
		wait()
		lead := map[bool]string{true: "a", false: "b"}[a.Leads()]
		if k.ran() != "+a-a+"+lead || a.Leads() == b.Leads() {
			t.Fatalf("free again: got %q, a %v, b %v", k.ran(), a.Leads(), b.Leads())
		}
		stopA()
		wait()
		if !b.Leads() || k.holder != "b" {
			t.Fatalf("a was stopped: holder %q, want b to take over", k.holder)
		}
		stopB()
		wait()
		if k.holder != "" {
			t.Errorf("a clean stop must give the lock back, held by %q", k.holder)
		}
	})
}

func TestLeaderAfterRestartWithoutDatabase(t *testing.T) {
	t.Parallel()
	for _, was := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			k := lock{away: true}
			l := k.leader("a", was)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if l.Leads() != was {
				t.Errorf("led last %v: leads %v", was, l.Leads())
			}
			stop()
			if err := <-done; err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

func TestLeaderPartFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k lock
		l := k.leader("a", false)
		boom := errors.New("boom")
		l.Part = func(context.Context) error { return boom }
		if err := l.Run(t.Context()); !errors.Is(err, boom) {
			t.Errorf("got %v, want the part's error", err)
		}
		if k.holder != "" {
			t.Error("the lock was not given back")
		}
	})
}

// TestLeaderRestartedAsStandBy: who led before it was killed, and finds another
// daemon leading, must not page beside that one when the database goes away.
func TestLeaderRestartedAsStandBy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := lock{holder: "other"}
		l := k.leader("a", true)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		k.change(func() { k.away = true })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if l.Leads() {
			t.Error("two daemons page: the one that leads, and one that led before it was killed")
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
