package alerting

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestDarkLeaderLeadsOn: the database goes away and comes back, and the stand-by would ask
// a moment before the daemon that led in the dark. That one holds incidents which are not
// in the database yet, so it must be the one that leads on.
func TestDarkLeaderLeadsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k lock
		a, b := k.leader("a", true), k.leader("b", true)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = a.Run(ctx) }()
		time.Sleep(1500 * time.Millisecond)
		go func() { _ = b.Run(ctx) }() // asks half a second after a, and before it again
		time.Sleep(3 * time.Second)
		k.change(func() { k.away, k.holder = true, ""; close(k.lost) })
		time.Sleep(7700 * time.Millisecond)
		k.change(func() { k.away = false }) // 12.2 s: the stand-by's turn would be at 12.5 s
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if k.ran() != "+a" || !a.Leads() || b.Leads() || k.holder != "a" {
			t.Errorf("got %q, held by %q; want a to have led all the time", k.ran(), k.holder)
		}
		stop()
		time.Sleep(time.Second)
		synctest.Wait()
	})
}

// TestYoungDatabase: Postgres was away for less than a moment, so the stand-by never found
// it so, and would win the lead before the daemon that led in the dark is back. It lets
// that one ask first; when nobody comes it leads all the same.
func TestYoungDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		up    time.Duration // before the stand-by asks
		other bool
		after time.Duration // the lead is taken
	}{
		{"the database has just started", 0, true, 5 * time.Second},
		{"it has been up for an hour", time.Hour, true, 0},
		{"nobody else has led since", 0, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var k lock
				b := k.leader("b", true)
				try, up := b.Try, time.Now().Add(-tt.up)
				b.Try = func(ctx context.Context) (Lease, bool, error) {
					lease, held, err := try(ctx)
					lease.Up, lease.Other = up, tt.other
					return lease, held, err
				}
				go func() { _ = b.Run(t.Context()) }()
				if tt.after > 0 {
					time.Sleep(tt.after - time.Second)
					synctest.Wait()
					if b.Leads() || k.ran() != "" {
						t.Errorf("leads %s after the restart, want the lead free for the other", tt.after-time.Second)
					}
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if !b.Leads() {
					t.Error("nobody leads")
				}
			})
		})
	}
}

// TestRestartedWhileTheDatabaseRestarts: a daemon that led before it was killed comes back
// while the database is away for a moment. Another one has led since: it waits for the
// database to say so, and does not page beside it.
func TestRestartedWhileTheDatabaseRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := lock{away: true}
		b := k.leader("b", true)
		go func() { _ = b.Run(t.Context()) }()
		time.Sleep(3 * time.Second)
		k.change(func() { k.away, k.holder = false, "a" })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if k.ran() != "" {
			t.Errorf("got %q, want nothing to have run beside a", k.ran())
		}
	})
}

// TestLeadThatCannotBeNoted: a daemon wins the lead at the moment at which the database
// goes away, and cannot note it. It does not lead, for the one that is noted would lead in
// the dark beside it.
func TestLeadThatCannotBeNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k lock
		b := k.leader("b", false)
		try := b.Try
		b.Try = func(ctx context.Context) (Lease, bool, error) {
			lease, held, err := try(ctx)
			lease.Took = func(context.Context) error {
				k.change(func() { k.away = true })
				return errAway
			}
			return lease, held, err
		}
		go func() { _ = b.Run(t.Context()) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if k.ran() != "" || b.Leads() || k.holder != "" {
			t.Errorf("got %q, the lead held by %q; want nobody to lead", k.ran(), k.holder)
		}
	})
}
