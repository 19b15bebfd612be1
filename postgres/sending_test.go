package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/reports/courier"
)

func TestSendingClaims(t *testing.T) {
	t.Parallel()
	book := postgres.Sending{Reports: postgres.Reports{DB: pgtest.New(t)}}
	ctx := t.Context()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	k := courier.Key{Week: "2026-W47", Zone: "UTC", Revision: 1, Recipient: "mail:ada@example.com"}
	claim := func(at time.Time, byHand bool) (courier.Entry, bool) {
		t.Helper()
		e, ok, err := book.Claim(ctx, k, at, at.Add(5*time.Minute), byHand)
		if err != nil {
			t.Fatal(err)
		}
		return e, ok
	}
	settle := func(e courier.Entry) {
		t.Helper()
		if err := book.Settle(ctx, e); err != nil {
			t.Fatal(err)
		}
	}

	var won int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 { // eight daemons at once
		all.Go(func() {
			if _, ok, err := book.Claim(ctx, k, now, now.Add(5*time.Minute), false); err != nil {
				t.Error(err)
			} else if ok {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	all.Wait()
	if won != 1 {
		t.Fatalf("%d of 8 have the claim, want 1", won)
	}
	if _, ok := claim(now.Add(time.Minute), true); ok {
		t.Error("by hand took a claim that somebody holds")
	}
	second, ok := claim(now.Add(5*time.Minute), false)
	if !ok || !second.Doubt || second.Attempts != 2 {
		t.Fatalf("a claim that ran out: %+v, %v", second, ok)
	}
	stale := second
	stale.Attempts, stale.State, stale.Error = 1, courier.Failed, "of the one that was dead"
	settle(stale)
	second.State, second.Next, second.Error = courier.Waiting, now.Add(time.Hour), "421 later"
	settle(second)
	if _, ok := claim(now.Add(59*time.Minute), false); ok {
		t.Error("claimed before its time")
	}
	third, ok := claim(now.Add(time.Hour), false)
	if !ok || third.Attempts != 3 || third.Error != "421 later" {
		t.Fatalf("after the pause: %+v, %v", third, ok)
	}
	third.State, third.At, third.Error = courier.Sent, now.Add(61*time.Minute), ""
	settle(third)
	if _, ok := claim(now.Add(48*time.Hour), false); ok {
		t.Error("what was sent was claimed again")
	}
	entries, err := book.Entries(ctx, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []courier.Entry{{
		Key: k, State: courier.Sent, Attempts: 3, First: now, Next: now.Add(65 * time.Minute), At: now.Add(61 * time.Minute), Doubt: true,
	}}
	if diff := cmp.Diff(entries, want); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
	if later, err := book.Entries(ctx, now.Add(time.Second)); err != nil || len(later) != 0 {
		t.Errorf("entries before since: %v, %v", later, err)
	}
	if again, ok := claim(now.Add(48*time.Hour), true); !ok || !again.At.Equal(third.At) {
		t.Errorf("by hand: %+v, %v", again, ok)
	}
}
