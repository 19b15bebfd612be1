package spool_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/spool"
)

func openOutbox(t *testing.T, path string) *spool.Outbox {
	t.Helper()
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func TestOutboxConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) alerting.Store {
		t.Helper()
		return openOutbox(t, filepath.Join(t.TempDir(), "outbox"))
	})
}

// reopening is an outbox that is closed and opened again before every step.
type reopening struct {
	*spool.Outbox
	t    *testing.T
	path string
}

func (r *reopening) again() *spool.Outbox {
	r.t.Helper()
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.Outbox = openOutbox(r.t, r.path)
	return r.Outbox
}

func (r *reopening) Apply(ctx context.Context, c alerting.Change) error {
	return r.again().Apply(ctx, c)
}

func (r *reopening) Settle(ctx context.Context, s alerting.Settlement) error {
	return r.again().Settle(ctx, s)
}

func (r *reopening) Pages(ctx context.Context, incident string) ([]alerting.Page, error) {
	return r.again().Pages(ctx, incident)
}

// TestOutboxRemembersEverything replays one life with the file opened anew
// before each step, and compares it with a book that stayed in memory.
func TestOutboxRemembersEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "outbox")
	file := &reopening{Outbox: openOutbox(t, path), t: t, path: path}
	memory := &alerting.Book{}
	for _, s := range []alerting.Store{file, memory} {
		for n := range 5 {
			if err := s.Apply(t.Context(), change(n)); err != nil {
				t.Fatal(err)
			}
			pages, err := s.Claim(t.Context(), slot(100), time.Second, 1)
			if err != nil || len(pages) != 1 {
				t.Fatalf("claimed %d pages: %v", len(pages), err)
			}
			pages[0].State, pages[0].AcceptedAt = alerting.Accepted, slot(100)
			e := alerting.Entry{Incident: pages[0].Incident, Seq: 1001, Kind: "delivered"}
			if err := s.Settle(t.Context(), alerting.Settlement{Page: pages[0], Entries: []alerting.Entry{e}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	file.again()
	got, err := file.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := memory.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("file and memory differ (-file +memory):\n%s", diff)
	}
	if err := file.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if in, _ := file.again().Held(); in != 0 {
		t.Errorf("%d incidents stand up after a reset", in)
	}
}

func TestOutboxIsForOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outbox")
	openOutbox(t, path)
	if _, err := spool.OpenOutbox(spool.OutboxOptions{Path: path}); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
}

// TestOutboxFull: a step that does not fit changes nothing, and the file is sound.
func TestOutboxFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outbox")
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: path, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for ; kept < 100_000; kept++ {
		c := change(kept)
		c.Incident.Summary = strings.Repeat("y", 50_000)
		if err = o.Apply(t.Context(), c); err != nil {
			break
		}
	}
	if !errors.Is(err, spool.ErrFull) || kept < 3 {
		t.Fatalf("after %d changes: %v, want ErrFull", kept, err)
	}
	if in, _ := o.Held(); in != kept {
		t.Errorf("holds %d incidents, want %d", in, kept)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.Apply(t.Context(), change(kept)); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("apply when closed: %v, want ErrClosed", err)
	}
	if in, _ := openOutbox(t, path).Held(); in != kept {
		t.Errorf("holds %d incidents after reopening, want %d", in, kept)
	}
}

// halfway takes so many imports and then fails: the daemon died there.
type halfway struct {
	*alerting.Book
	left int
}

func (h *halfway) Import(ctx context.Context, c alerting.Change) error {
	if h.left--; h.left < 0 {
		return errors.New("died")
	}
	return h.Book.Import(ctx, c)
}

// TestOutboxDrain stops a drain after each number of imports and begins again.
func TestOutboxDrain(t *testing.T) {
	t.Parallel()
	const n = 6
	for stop := range n + 1 {
		path := filepath.Join(t.TempDir(), "outbox")
		o := openOutbox(t, path)
		for i := range n {
			if err := o.Apply(t.Context(), change(i)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := o.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		to := &halfway{Book: &alerting.Book{}, left: stop}
		if err := o.Drain(t.Context(), to); (err != nil) != (stop < n) {
			t.Fatalf("stopped after %d: %v", stop, err)
		}
		if held, _ := o.Held(); held != n-stop {
			t.Errorf("stopped after %d: still holds %d, want %d", stop, held, n-stop)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		o = openOutbox(t, path)
		if err := o.Drain(t.Context(), to.Book); err != nil {
			t.Fatal(err)
		}
		got, err := to.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("stopped after %d: arrived (-got +want):\n%s", stop, diff)
		}
		if held, _ := o.Held(); held != 0 {
			t.Errorf("stopped after %d: still holds %d at the end", stop, held)
		}
	}
}

func BenchmarkOutboxApply(b *testing.B) {
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(b.TempDir(), "outbox"), MaxBytes: 8 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	for n := 0; b.Loop(); n++ {
		if err := o.Apply(b.Context(), change(n)); err != nil {
			b.Fatal(err)
		}
	}
}
