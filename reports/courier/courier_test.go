package courier

import (
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

	"keepwatch/reports"
)

// book is a book in memory with the rules of the real one.
type book struct {
	mu      sync.Mutex
	saved   []reports.Saved
	entries map[Key]Entry
	broken  error
}

func (b *book) List(context.Context, string, int) ([]reports.Saved, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.saved), b.broken
}

func (b *book) Load(_ context.Context, week, zone string, revision int) (reports.Report, error) {
	return reports.Report{Week: week, Zone: zone, Revision: revision}, nil
}

func (b *book) Entries(_ context.Context, since time.Time) ([]Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Entry
	for _, e := range b.entries {
		if !e.First.Before(since) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(x, y Entry) int { return strings.Compare(fmt.Sprint(x.Key), fmt.Sprint(y.Key)) })
	return out, nil
}

func (b *book) Claim(_ context.Context, k Key, now, until time.Time, byHand bool) (Entry, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[k]
	switch {
	case !ok:
		e = Entry{Key: k, First: now}
	case (e.State == Waiting || e.State == Sending) && !e.Next.After(now):
		e.Doubt = e.Doubt || e.State == Sending
	case byHand && e.State != Sending:
	default:
		return Entry{}, false, nil
	}
	e.State, e.Next, e.Attempts = Sending, until, e.Attempts+1
	b.entries[k] = e
	return e, true, nil
}

func (b *book) Settle(ctx context.Context, e Entry) error {
	if ctx.Err() != nil { // as a database does
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.entries[e.Key]; old.State == Sending && old.Attempts == e.Attempts {
		b.entries[e.Key] = e
	}
	return nil
}

// box is a recipient that notes what it gets.
type box struct {
	name string
	mu   sync.Mutex
	got  []string
	err  func(n int) error // of the n-th attempt, from 1
	n    int
	slow time.Duration
}

func (b *box) Name() string { return b.name }

func (b *box) Send(ctx context.Context, r reports.Report) error {
	if b.slow > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(b.slow):
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	if b.err != nil {
		if err := b.err(b.n); err != nil {
			return err
		}
	}
	b.got = append(b.got, fmt.Sprintf("%s r%d", r.Week, r.Revision))
	return nil
}

func (b *box) has() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// monday is when the week before was written: synctest begins on Saturday 1 January 2000.
func monday(b *book) {
	b.saved = append(b.saved, reports.Saved{Week: "1999-W51", Zone: "UTC", Revision: 1, Written: time.Now().UTC()})
}

func newBook() *book { return &book{entries: map[Key]Entry{}} }

func courier(b *book, to ...Recipient) *Courier {
	return &Courier{Book: b, Recipients: func() []Recipient { return to }, Log: slog.New(slog.DiscardHandler)}
}

// runFor runs couriers for a while and waits for their end.
func runFor(t *testing.T, d time.Duration, all ...*Courier) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, c := range all {
		running.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(d)
	cancel()
	running.Wait()
}

func TestOnceToEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		monday(b)
		ada, chat := &box{name: "mail:ada", slow: time.Second}, &box{name: "webhook:chat"}
		runFor(t, time.Hour, courier(b, ada, chat), courier(b, ada, chat)) // two daemons that both believe to lead
		for _, r := range []*box{ada, chat} {
			if got := r.has(); !slices.Equal(got, []string{"1999-W51 r1"}) {
				t.Errorf("%s got %v", r.name, got)
			}
		}
		runFor(t, time.Hour, courier(b, ada, chat)) // and after a restart
		if got := ada.has(); len(got) != 1 {
			t.Errorf("after a restart: %v", got)
		}
		b.saved = append(b.saved, reports.Saved{Week: "1999-W51", Zone: "UTC", Revision: 2, Written: time.Now().UTC()})
		runFor(t, time.Hour, courier(b, ada, chat))
		if got := ada.has(); !slices.Equal(got, []string{"1999-W51 r1", "1999-W51 r2"}) {
			t.Errorf("after a revision: %v", got)
		}
	})
}

func TestRetriesWithAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		monday(b)
		flaky := &box{name: "mail:flaky", err: func(n int) error {
			if n < 4 {
				return errors.New("421 come back later")
			}
			return nil
		}}
		dead := &box{name: "mail:dead", err: func(int) error { return errors.New("no route") }}
		gone := &box{name: "mail:gone", err: func(int) error { return fmt.Errorf("%w: 550 no such box", ErrRefused) }}
		c := courier(b, flaky, dead, gone)
		runFor(t, 24*time.Hour, c)
		if got := flaky.has(); len(got) != 1 || flaky.n != 4 {
			t.Errorf("flaky got %v after %d attempts, want one after 4", got, flaky.n)
		}
		if dead.n != attemptMost {
			t.Errorf("dead was tried %d times, want %d", dead.n, attemptMost)
		}
		if gone.n != 1 {
			t.Errorf("a refused mail was tried %d times, want once", gone.n)
		}
		problems := strings.Join(c.Problems(), "\n")
		for _, want := range []string{"1999-W51 did not go to mail:dead: no route", "mail:gone", "keepwatch report send --week 1999-W51"} {
			if !strings.Contains(problems, want) {
				t.Errorf("the problems lack %q: %s", want, problems)
			}
		}
		if strings.Contains(problems, "flaky") {
			t.Errorf("flaky was sent: %s", problems)
		}
		runFor(t, 8*24*time.Hour, c)
		if got := c.Problems(); len(got) != 0 {
			t.Errorf("old problems stay: %v", got)
		}
	})
}

// TestCrashBetween: a claim without an end is taken over, and the entry says that it may have come twice.
func TestCrashBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		monday(b)
		k := Key{Week: "1999-W51", Zone: "UTC", Revision: 1, Recipient: "mail:ada"}
		now := time.Now().UTC()
		if _, ok, _ := b.Claim(t.Context(), k, now, now.Add(claimFor), false); !ok {
			t.Fatal("no claim")
		}
		ada := &box{name: "mail:ada"}
		runFor(t, claimFor-time.Second, courier(b, ada))
		if got := ada.has(); len(got) != 0 {
			t.Fatalf("sent under a claim that holds: %v", got)
		}
		runFor(t, time.Hour, courier(b, ada))
		if got, e := ada.has(), b.entries[k]; len(got) != 1 || !e.Doubt || e.State != Sent || e.Attempts != 2 {
			t.Errorf("got %v, %+v", got, e)
		}
	})
}

// TestStopWhileSending: what was sent while the daemon stopped is known to be sent.
func TestStopWhileSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		monday(b)
		late := &lateBox{}
		runFor(t, time.Second, courier(b, late))
		for _, e := range b.entries {
			if e.State != Sent {
				t.Errorf("got %+v", e)
			}
		}
		if len(b.entries) != 1 {
			t.Errorf("%d entries", len(b.entries))
		}
	})
}

// lateBox takes the report although the daemon is told to stop meanwhile.
type lateBox struct{}

func (*lateBox) Name() string { return "mail:late" }

func (*lateBox) Send(context.Context, reports.Report) error {
	time.Sleep(2 * time.Second)
	return nil
}

func TestWhatIsNews(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) // a Monday
	ada := &box{name: "mail:ada"}
	saved := func(week string, revision int, age time.Duration) reports.Saved {
		return reports.Saved{Week: week, Zone: "UTC", Revision: revision, Written: now.Add(-age)}
	}
	key := func(week string, revision int) Key {
		return Key{Week: week, Zone: "UTC", Revision: revision, Recipient: "mail:ada"}
	}
	for _, tt := range []struct {
		name    string
		saved   []reports.Saved
		entries []Entry
		want    []Key
	}{
		{"nothing", nil, nil, nil},
		{"new", []reports.Saved{saved("2026-W47", 1, 0)}, nil, []Key{key("2026-W47", 1)}},
		{"three weeks without a daemon, oldest first", []reports.Saved{saved("2026-W47", 1, 0), saved("2026-W46", 1, 0), saved("2026-W45", 1, 0)}, nil, []Key{key("2026-W45", 1), key("2026-W46", 1), key("2026-W47", 1)}},
		{"only the newest revision", []reports.Saved{saved("2026-W47", 2, 0), saved("2026-W47", 1, time.Hour)}, nil, []Key{key("2026-W47", 2)}},
		{"written long ago", []reports.Saved{saved("2026-W46", 1, 8*24*time.Hour)}, nil, nil},
		{"a week from an import", []reports.Saved{saved("2026-W30", 1, 0)}, nil, nil},
		{"a zone that is not here any more", []reports.Saved{{Week: "2026-W47", Zone: "Nowhere/Atlantis", Revision: 1, Written: now}}, nil, nil},
		{"sent", []reports.Saved{saved("2026-W47", 1, 0)}, []Entry{{Key: key("2026-W47", 1), State: Sent}}, nil},
		{"given up", []reports.Saved{saved("2026-W47", 1, 0)}, []Entry{{Key: key("2026-W47", 1), State: Failed}}, nil},
		{"waits", []reports.Saved{saved("2026-W47", 1, 0)}, []Entry{{Key: key("2026-W47", 1), State: Waiting, Next: now.Add(1)}}, nil},
		{"has waited", []reports.Saved{saved("2026-W47", 1, 0)}, []Entry{{Key: key("2026-W47", 1), State: Waiting, Next: now}}, []Key{key("2026-W47", 1)}},
		{"a claim ran out", []reports.Saved{saved("2026-W47", 1, 0)}, []Entry{{Key: key("2026-W47", 1), State: Sending, Next: now}}, []Key{key("2026-W47", 1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := due(tt.saved, tt.entries, []Recipient{ada}, now); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSendNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		monday(b)
		ada, bad := &box{name: "mail:ada"}, &box{name: "mail:bad", err: func(int) error { return errors.New("no route") }}
		c := courier(b, ada)
		r := reports.Report{Week: "1999-W51", Zone: "UTC", Revision: 1}
		first := c.SendNow(t.Context(), r, []Recipient{ada, bad})
		if first[0].Err != nil || first[0].Before || first[1].Err == nil {
			t.Errorf("got %+v", first)
		}
		runFor(t, time.Hour, c)
		if got := ada.has(); len(got) != 1 {
			t.Errorf("the courier sent again what was sent by hand: %v", got)
		}
		if again := c.SendNow(t.Context(), r, []Recipient{ada}); !again[0].Before || again[0].Err != nil || len(ada.has()) != 2 {
			t.Errorf("by hand again: %+v, %v", again, ada.has())
		}
		now := time.Now().UTC()
		if _, ok, _ := b.Claim(t.Context(), Key{Week: "1999-W51", Zone: "UTC", Revision: 1, Recipient: "mail:ada"}, now, now.Add(time.Minute), true); !ok {
			t.Fatal("no claim")
		}
		if held := c.SendNow(t.Context(), r, []Recipient{ada}); held[0].Err == nil {
			t.Error("sent what another process sends at this moment")
		}
	})
}

// TestBookAway: nothing is sent that cannot be noted, and it is sent when the book is back.
func TestBookAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		monday(b)
		b.broken = errors.New("away")
		ada := &box{name: "mail:ada"}
		c := courier(b, ada)
		runFor(t, time.Hour, c)
		if got := ada.has(); len(got) != 0 {
			t.Errorf("got %v", got)
		}
		b.broken = nil
		runFor(t, 2*time.Minute, c)
		if got := ada.has(); len(got) != 1 {
			t.Errorf("got %v", got)
		}
	})
}
