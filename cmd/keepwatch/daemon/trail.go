package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"keepwatch/postgres"
)

// trailMax bounds what waits for the database: a night of clicks.
const trailMax = 10_000

// trail writes what people did into the audit log. It never holds anybody up: an
// acknowledgement must not wait for a database that is away, so entries wait in
// memory until it answers, and each is in the daemon's log at once.
type trail struct {
	add func(ctx context.Context, entries ...postgres.AuditEntry) error
	log *slog.Logger

	wake    chan struct{}
	mu      sync.Mutex
	pending []postgres.AuditEntry // guarded by mu, oldest first
}

func newTrail(db *postgres.DB, log *slog.Logger) *trail {
	return &trail{add: postgres.Audit{DB: db}.Add, log: log, wake: make(chan struct{}, 1)}
}

// note takes an entry. It does not block.
func (t *trail) note(e postgres.AuditEntry) {
	t.log.Info("somebody changed something", "person", e.Who, "what", e.What, "object", e.Object, "detail", e.Detail)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) >= trailMax {
		t.log.Error("audit entry lost, too many wait for the database", "person", e.Who, "what", e.What, "object", e.Object)
		return
	}
	t.pending = append(t.pending, e)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Run writes what was noted until ctx ends, and then tries once more.
func (t *trail) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			t.write(last)
			t.farewell()
			return nil
		case <-t.wake:
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		t.write(within)
		cancel()
	}
}

// write stores what waits. What cannot be stored goes on waiting.
func (t *trail) write(ctx context.Context) {
	t.mu.Lock()
	batch := t.pending
	t.pending = nil
	t.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	if err := t.add(ctx, batch...); err != nil {
		t.log.DebugContext(ctx, "audit entries wait", "count", len(batch), "err", err)
		t.mu.Lock()
		t.pending = append(batch, t.pending...)
		t.mu.Unlock()
	}
}

func (t *trail) farewell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.pending {
		t.log.Error("audit entry lost at the end, no database took it", "person", e.Who, "what", e.What, "object", e.Object)
	}
}
