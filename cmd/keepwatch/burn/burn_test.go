package burn

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestBudgetsUnwatched: while the ledger cannot be read health says since when, and no longer.
func TestBudgetsUnwatched(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 3, 12, 0, 0, time.UTC)
	b := &Watch{}
	b.note(context.DeadlineExceeded, now)
	b.note(context.DeadlineExceeded, now.Add(time.Minute))
	if l, ok := b.Line(); !ok || !strings.Contains(l.Text, "not watched since 2026-12-01T03:12:00Z") {
		t.Errorf("got %t, %q", ok, l.Text)
	}
	b.note(nil, now.Add(2*time.Minute))
	if l, ok := b.Line(); ok {
		t.Errorf("got %q, want no line", l.Text)
	}
}
