package probe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
	"keepwatch/spool"
)

var errAway = errors.New("the test took it away")

// table is a store that keeps results once, like Postgres.
type table struct {
	mu     sync.Mutex
	away   bool
	hang   bool
	refuse string // check that it never takes
	rows   map[string]int
	calls  int
	most   int // largest batch
}

func key(r probe.Result) string { return fmt.Sprint(r.Check, " ", r.Slot.Unix()) }

func (s *table) Insert(ctx context.Context, rs []probe.Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.most = max(s.most, len(rs))
	if s.hang {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	}
	if s.away {
		return errAway
	}
	for _, r := range rs {
		if r.Check == s.refuse {
			return fmt.Errorf("bad row: %w", probe.ErrRefused)
		}
	}
	if s.rows == nil {
		s.rows = map[string]int{}
	}
	for _, r := range rs {
		s.rows[key(r)]++
	}
	return nil
}

func (s *table) set(change func(*table)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *table) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

// disk is a journal that can hang or be full.
type disk struct {
	*spool.Journal
	mu   sync.Mutex
	full bool
	hang chan struct{}
	sync int
}

func (d *disk) Append(rs []probe.Result) error {
	d.mu.Lock()
	full, hang := d.full, d.hang
	d.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if full {
		return spool.ErrFull
	}
	return d.Journal.Append(rs)
}

func (d *disk) Sync() error {
	d.mu.Lock()
	d.sync++
	d.mu.Unlock()
	return d.Journal.Sync()
}

// synced is how often Sync was called.
func (d *disk) synced() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sync
}

type bundle struct {
	store   *table
	journal *disk
	rec     *probe.Recorder
	log     *bytes.Buffer
}

func setup(t *testing.T) bundle {
	t.Helper()
	j, err := spool.OpenJournal(spool.JournalOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	b := bundle{store: &table{}, journal: &disk{Journal: j}, log: &bytes.Buffer{}}
	b.rec = &probe.Recorder{Store: b.store, Journal: b.journal, Log: slog.New(slog.NewTextHandler(b.log, nil))}
	return b
}

// run runs the recorder until the returned func is called.
func (b bundle) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		if err := b.rec.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

func res(check string, n int) probe.Result {
	return probe.Result{Check: check, Location: "west", Slot: time.Now().UTC().Add(time.Duration(n) * time.Second), Outcome: probe.Good}
}

func TestRecorderStoresOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		stop := b.run(t)
		for n := range 10 {
			b.rec.Record(res("a", n))
		}
		extra := res("extra", 0)
		extra.Extra = true
		b.rec.Record(extra)
		if got := b.rec.State(); got.Pending != 10 || b.store.len() != 0 {
			t.Errorf("before the second: pending %d, stored %d; want 10, 0", got.Pending, b.store.len())
		}
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		want := probe.RecorderState{Stored: 10}
		if diff := cmp.Diff(b.rec.State(), want); diff != "" {
			t.Errorf("state (-got +want):\n%s", diff)
		}
		if b.store.len() != 10 || b.store.calls != 1 {
			t.Errorf("stored %d in %d statements, want 10 in 1", b.store.len(), b.store.calls)
		}
		b.rec.Record(res("a", 99))
		stop() // drains
		if b.store.len() != 11 {
			t.Errorf("stored %d after the end, want 11", b.store.len())
		}
		b.rec.Record(res("late", 0)) // a prober that ends after us
		if got := b.rec.Pending(); got != 1 {
			t.Errorf("pending %d after the end, want 1 in the journal", got)
		}
	})
}

func TestRecorderFullBatchDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		defer b.run(t)()
		for n := range 2500 {
			b.rec.Record(res("a", n))
		}
		synctest.Wait()
		if got := b.store.len(); got < 1000 {
			t.Errorf("stored %d at once, want a full batch at least", got)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if b.store.len() != 2500 || b.store.most != 1000 {
			t.Errorf("stored %d, largest batch %d; want 2500, 1000", b.store.len(), b.store.most)
		}
	})
}

// TestRecorderTenMinuteOutage: ten minutes away, refusing or hanging; nothing is
// lost and nothing is counted twice.
func TestRecorderTenMinuteOutage(t *testing.T) {
	t.Parallel()
	for _, hang := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			defer b.run(t)()
			b.store.set(func(s *table) { s.away, s.hang = !hang, hang })
			const minutes, perSecond = 10, 20
			for n := range minutes * 60 * perSecond {
				b.rec.Record(res("a", n))
				time.Sleep(time.Second / perSecond)
			}
			state := b.rec.State()
			if state.Pending != minutes*60*perSecond || state.AwaySince.IsZero() || state.LastError == "" || state.Lag < 9*time.Minute {
				t.Errorf("hang %v: state %+v, want everything pending and a reason", hang, state)
			}
			synctest.Wait()
			if n := b.journal.synced(); n < 60 {
				t.Errorf("hang %v: the journal was synced %d times in ten minutes", hang, n)
			}
			b.store.set(func(s *table) { s.away, s.hang = false, false })
			time.Sleep(15 * time.Second)
			synctest.Wait()
			want := probe.RecorderState{Stored: minutes * 60 * perSecond}
			if diff := cmp.Diff(b.rec.State(), want); diff != "" {
				t.Errorf("hang %v: state (-got +want):\n%s", hang, diff)
			}
			for k, times := range b.store.rows {
				if times != 1 {
					t.Errorf("%s was stored %d times", k, times)
				}
			}
			if b.store.len() != minutes*60*perSecond {
				t.Errorf("hang %v: %d rows", hang, b.store.len())
			}
			if got := strings.Count(b.log.String(), "\n"); got != 2 {
				t.Errorf("%d log lines, want one for away and one for back:\n%s", got, b.log)
			}
		})
	}
}

func TestRecorderBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		defer b.run(t)()
		b.store.set(func(s *table) { s.away = true })
		b.rec.Record(res("a", 0))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := b.store.calls; got < 12 || got > 26 {
			t.Errorf("%d attempts in a minute, want 12 to 26", got)
		}
	})
}

func TestRecorderSetsARefusedResultAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		defer b.run(t)()
		b.store.set(func(s *table) { s.refuse = "bad" })
		for n := range 100 {
			b.rec.Record(res("good", n))
		}
		b.rec.Record(res("bad", 1))
		b.rec.Record(res("good", 100))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want := probe.RecorderState{Stored: 101, Refused: 1}
		if diff := cmp.Diff(b.rec.State(), want); diff != "" {
			t.Errorf("state (-got +want):\n%s", diff)
		}
		if !strings.Contains(b.log.String(), "check=bad") {
			t.Errorf("the log does not name it:\n%s", b.log)
		}
	})
}

func TestRecorderFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		defer b.run(t)()
		b.journal.mu.Lock()
		b.journal.full = true
		b.journal.mu.Unlock()
		b.rec.Record(res("a", 0))
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if got := b.rec.State(); got.Stored != 1 || got.Lost != 0 || got.LastError == "" {
			t.Errorf("full disk: state %+v, want stored directly and a reason", got)
		}
		b.store.set(func(s *table) { s.away = true })
		for n := range 30_000 {
			b.rec.Record(res("b", n))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := b.rec.State(); got.Lost != 10_000 || got.Pending != 20_000 {
			t.Errorf("disk full and store away: state %+v, want 10000 lost, 20000 kept", got)
		}
		if !strings.Contains(b.log.String(), "results were lost") {
			t.Errorf("no word of it in the log:\n%s", b.log)
		}
		b.store.set(func(s *table) { s.away = false })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := b.store.len(); got != 20_001 {
			t.Errorf("%d rows, want 20001", got)
		}
	})
}

// TestRecorderHangingDisk: the first Record waits its 250 ms, the others nothing.
func TestRecorderHangingDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		defer b.run(t)()
		hang := make(chan struct{})
		b.journal.mu.Lock()
		b.journal.hang = hang
		b.journal.mu.Unlock()
		start := time.Now()
		for n := range 25_000 {
			b.rec.Record(res("a", n))
		}
		if took := time.Since(start); took != 250*time.Millisecond {
			t.Errorf("25,000 records took %v of a hanging disk's time, want 250 ms", took)
		}
		lost := b.rec.State().Lost
		if lost != 4999 { // one is in the write, 20,000 wait
			t.Errorf("lost %d, want 4999", lost)
		}
		b.journal.mu.Lock()
		b.journal.hang = nil
		b.journal.mu.Unlock()
		close(hang)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := b.store.len(); got != 20_001 {
			t.Errorf("%d rows after the disk came back, want 20001", got)
		}
	})
}

func TestRecorderManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		stop := b.run(t)
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				for n := range 200 {
					b.rec.Record(res(fmt.Sprint("c", g), n))
				}
			})
		}
		wg.Wait()
		stop()
		if got := b.store.len(); got != 3200 {
			t.Errorf("%d rows, want 3200", got)
		}
		if got := b.rec.State(); got.Pending != 0 || got.Lost != 0 {
			t.Errorf("state %+v", got)
		}
		counts := slices.Collect(func(yield func(int) bool) {
			for _, n := range b.store.rows {
				if !yield(n) {
					return
				}
			}
		})
		if slices.Max(counts) != 1 {
			t.Error("a result was stored twice")
		}
	})
}
