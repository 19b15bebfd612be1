package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/spool"
)

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Keep(...[]byte) error                 { return spool.ErrFull }
func (fullDisk) Oldest(int) ([][]byte, uint64, error) { return nil, 0, nil }
func (fullDisk) Taken(uint64) error                   { return spool.ErrFull }

func openSpool(t *testing.T, path string) *spool.Outbox {
	t.Helper()
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func deed(who string, at int) postgres.AuditEntry {
	return postgres.AuditEntry{At: time.Date(2026, 12, 1, 3, 12, at, 123_456_789, time.UTC), Who: who, What: "ack", Object: "kw-shop-1"}
}

func whoDid(t *testing.T, audit postgres.Audit) []string {
	t.Helper()
	list, err := audit.List(t.Context(), "", time.Time{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, e := range list {
		who = append(who, e.Who)
	}
	return who
}

// TestTrailOutlivesAKillWhileTheDatabaseIsAway: what was done in the dark is in the audit
// log when the next daemon has the database, once, also when the first had told it.
func TestTrailOutlivesAKillWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	audit := postgres.Audit{DB: pgtest.New(t)}
	path := filepath.Join(t.TempDir(), "outbox.db")
	first := openSpool(t, path)
	away := func(context.Context, ...postgres.AuditEntry) error { return postgres.ErrUnavailable }
	killed := &trail{add: away, disk: first.Trail(), log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1)}
	killed.note(deed("ada", 1))
	killed.note(deed("", 2)) // the table would refuse it, and hold up all others
	killed.write(t.Context())
	killed.add = func(ctx context.Context, entries ...postgres.AuditEntry) error {
		return errors.Join(audit.Add(ctx, entries...), errors.New("the answer was lost"))
	}
	killed.note(deed("grace", 3))
	killed.write(t.Context())
	if err := first.Close(); err != nil { // nothing else is left of it
		t.Fatal(err)
	}
	next := newTrail(audit.DB, openSpool(t, path).Trail(), slog.New(slog.DiscardHandler))
	next.write(t.Context())
	next.note(deed("alan", 4))
	next.write(t.Context())
	if diff := cmp.Diff([]string{"alan", "grace", "unknown", "ada"}, whoDid(t, audit)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if texts, _, err := next.disk.Oldest(10); err != nil || len(texts) > 0 {
		t.Errorf("still on the disk: %q, %v; want nothing", texts, err)
	}
}

// TestTrailRunsBeyondABadDisk: the memory stands behind a disk that takes nothing, and
// what neither takes is said at the end.
func TestTrailRunsBeyondABadDisk(t *testing.T) {
	t.Parallel()
	for name, disk := range map[string]trailDisk{"full": fullDisk{}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var told []string
				var up atomic.Bool
				tr := &trail{disk: disk, log: slog.New(slog.NewTextHandler(&log, nil)), wake: make(chan struct{}, 1)}
				tr.add = func(_ context.Context, entries ...postgres.AuditEntry) error {
					if !up.Load() {
						return postgres.ErrUnavailable
					}
					for _, e := range entries {
						told = append(told, e.Who)
					}
					return nil
				}
				ctx, stop := context.WithCancel(t.Context())
				go func() { _ = tr.Run(ctx) }()
				tr.note(deed("ada", 1))
				tr.note(deed("grace", 2))
				synctest.Wait()
				up.Store(true)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if diff := cmp.Diff([]string{"ada", "grace"}, told); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				up.Store(false)
				tr.note(deed("alan", 3))
				stop()
				synctest.Wait()
				if text := log.String(); !strings.Contains(text, "audit entry lost at the end") || !strings.Contains(text, "person=alan") {
					t.Errorf("want the loss in the log, got:\n%s", text)
				}
			})
		})
	}
}
