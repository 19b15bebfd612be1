package archive_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

// marked is an upkeep with one upload that was left, and lazy a store that takes its
// time to look at the file.
type marked struct {
	gallery.Upkeep

	removed int
}

func (m *marked) Stale(context.Context, string, time.Time, time.Time, int) ([]string, error) {
	_, content := bytesOf("left")
	return []string{content}, nil
}

func (m *marked) Removed(context.Context, string, string) error {
	m.removed++
	return nil
}

type lazy struct {
	originals.Store

	looks   time.Duration
	deleted int
}

func (l *lazy) Open(context.Context, string) (*originals.Object, error) {
	time.Sleep(l.looks)
	return nil, originals.ErrNotFound
}

func (l *lazy) Delete(context.Context, string) error {
	l.deleted++
	return nil
}

// A mark holds for an hour. A process that was stopped after it marked an original
// removes nothing when it goes on: somebody else may have put it there again.
func TestNothingIsRemovedLate(t *testing.T) {
	t.Parallel()
	for looks, want := range map[time.Duration]int{9 * time.Minute: 1, 11 * time.Minute: 0} {
		synctest.Test(t, func(t *testing.T) {
			store, files := &marked{}, &lazy{looks: looks}
			_, err := archive.Recover(t.Context(), store, files, "site", time.Now())
			if files.deleted != want || store.removed != want || (err == nil) != (want == 1) {
				t.Errorf("after %v: deleted %d, marks taken %d, want %d; %v", looks, files.deleted, store.removed, want, err)
			}
		})
	}
}
