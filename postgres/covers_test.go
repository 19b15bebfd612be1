package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
)

func TestCoversAreKept(t *testing.T) {
	t.Parallel()
	store := postgres.Covers{DB: pgtest.New(t)}
	ctx := t.Context()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first := oncall.Cover{Rotation: "primary", Person: "grace", From: now, To: now.Add(time.Hour), By: "ada", Reason: "a doctor's visit", Created: now}
	second := oncall.Cover{Rotation: "primary", From: now.Add(2 * time.Hour), To: now.Add(3 * time.Hour), By: "ada", Created: now}
	ids, err := store.Add(ctx, first, second)
	if err != nil || len(ids) != 2 || ids[0] >= ids[1] {
		t.Fatalf("ids %v, %v", ids, err)
	}
	first.ID, second.ID = ids[0], ids[1]
	// One of two is wrong: neither is stored.
	if _, err := store.Add(ctx, first, oncall.Cover{Rotation: "primary", From: now, To: now, By: "ada", Created: now}); err == nil {
		t.Error("a cover without length was stored")
	}
	got, err := store.List(ctx, now)
	if diff := cmp.Diff([]oncall.Cover{second, first}, got); diff != "" || err != nil {
		t.Errorf("list %v (-want +got):\n%s", err, diff)
	}
	if got, err := store.List(ctx, now.Add(time.Hour)); err != nil || len(got) != 1 {
		t.Errorf("those that end later: %d, %v; want 1", len(got), err)
	}
	if done, err := store.Cancel(ctx, second.ID, "alan", now.Add(time.Minute)); err != nil || !done {
		t.Errorf("cancel: %v, %v", done, err)
	}
	for name, at := range map[string]time.Time{"again": now.Add(2 * time.Minute), "when it is over": now.Add(4 * time.Hour)} {
		id := second.ID
		if name != "again" {
			id = first.ID
		}
		if done, err := store.Cancel(ctx, id, "alan", at); err != nil || done {
			t.Errorf("cancel %s: %v, %v; want nothing done", name, done, err)
		}
	}
	second.Cancelled = now.Add(time.Minute)
	if got, err := store.List(ctx, now); err != nil || !got[0].Cancelled.Equal(second.Cancelled) {
		t.Errorf("after: %+v, %v", got, err)
	}
}
