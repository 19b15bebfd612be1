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
