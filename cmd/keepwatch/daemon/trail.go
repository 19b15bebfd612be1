package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"keepwatch/postgres"
)

const (
	// trailMax bounds what waits in memory: a night of clicks.
	trailMax = 10_000
	// trailBatch bounds what is written in one transaction.
	trailBatch = 200
)

// trailDisk is what a [spool.Trail] does.
type trailDisk interface {
	Keep(texts ...[]byte) error
	Oldest(limit int) (texts [][]byte, mark uint64, err error)
	Taken(mark uint64) error
}

// trail writes what people did into the audit log. It never holds anybody up: an
// acknowledgement must not wait for a database or a disk, so entries go to the disk
// and from there to the database behind the person's back, and each is in the
// daemon's log at once.
type trail struct {
	add  func(ctx context.Context, entries ...postgres.AuditEntry) error // twice is once
	disk trailDisk                                                       // nil: entries wait in memory
	log  *slog.Logger

	wake    chan struct{}
	mu      sync.Mutex
	pending []postgres.AuditEntry // guarded by mu: neither on the disk nor in the database, oldest first
}

func newTrail(db *postgres.DB, disk trailDisk, log *slog.Logger) *trail {
	return &trail{add: postgres.Audit{DB: db}.Add, disk: disk, log: log, wake: make(chan struct{}, 1)}
}

// note takes an entry. It does not block.
func (t *trail) note(e postgres.AuditEntry) {
	t.log.Info("somebody changed something", "person", e.Who, "what", e.What, "object", e.Object, "detail", e.Detail)
	e.Who, e.What = cmp.Or(e.Who, "unknown"), cmp.Or(e.What, "unknown") // an entry that the table refuses would hold up all others
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

// Run writes what was noted, and what an earlier run left on the disk, until ctx ends;
// then it tries once more.
func (t *trail) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		t.write(within)
		cancel()
		select {
		case <-ctx.Done():
		case <-t.wake:
		case <-tick.C:
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	t.write(last)
	t.farewell()
	return nil
}

// write stores what waits. What cannot be stored goes on waiting.
func (t *trail) write(ctx context.Context) {
	t.mu.Lock()
	fresh := t.pending
	t.pending = nil
	t.mu.Unlock()
	if len(fresh) > 0 && !t.keep(fresh) {
		if err := t.add(ctx, fresh...); err != nil {
			t.log.DebugContext(ctx, "audit entries wait in memory", "count", len(fresh), "err", err)
			t.mu.Lock()
			t.pending = append(fresh, t.pending...)
			t.mu.Unlock()
			return
		}
	}
	for t.disk != nil {
		again, err := t.drain(ctx)
		if err != nil {
			t.log.DebugContext(ctx, "audit entries wait on the disk", "err", err)
		}
		if !again || err != nil {
			return
		}
	}
}

// keep puts entries on the disk; false when it does not take them.
func (t *trail) keep(entries []postgres.AuditEntry) bool {
	if t.disk == nil {
		return false
	}
	texts := make([][]byte, len(entries))
	for i, e := range entries {
		text, err := json.Marshal(e)
		if err != nil {
			t.log.Error("audit entry cannot be kept on the disk", "err", err)
			return false
		}
		texts[i] = text
	}
	if err := t.disk.Keep(texts...); err != nil {
		t.log.Error("audit entries cannot be kept on the disk; a kill loses them while the database is away", "count", len(entries), "err", err)
		return false
	}
	return true
}

// drain writes the oldest that are on the disk; true when there may be more. A crash
// between the two stores repeats entries, which the database knows by then.
func (t *trail) drain(ctx context.Context) (again bool, err error) {
	texts, mark, err := t.disk.Oldest(trailBatch)
	if err != nil || len(texts) == 0 {
		return false, err
	}
	entries := make([]postgres.AuditEntry, 0, len(texts))
	for _, text := range texts {
		var e postgres.AuditEntry
		if err := json.Unmarshal(text, &e); err != nil {
			t.log.Error("audit entry lost, it cannot be read from the disk", "err", err)
			continue
		}
		entries = append(entries, e)
	}
	if err := t.add(ctx, entries...); err != nil {
		return false, err
	}
	return len(texts) == trailBatch, t.disk.Taken(mark)
}

func (t *trail) farewell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.pending {
		t.log.Error("audit entry lost at the end, neither the disk nor the database took it", "person", e.Who, "what", e.What, "object", e.Object)
	}
}
