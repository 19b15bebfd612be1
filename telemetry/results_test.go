package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
	"keepwatch/telemetry/event"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// countingStore is a ledger that counts the batches it took.
type countingStore struct {
	batches int
	err     error
}

func (s *countingStore) Insert(context.Context, []probe.Result) error {
	if s.err == nil {
		s.batches++
	}
	return s.err
}

func seen(location string, second int, o probe.Outcome, edit ...func(*probe.Result)) probe.Result {
	r := probe.Result{Check: "front", Location: location, Slot: noon.Add(time.Duration(second) * time.Second), Outcome: o, Attempts: 1}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func cause(c string) func(*probe.Result) { return func(r *probe.Result) { r.Cause = c } }

func TestPick(t *testing.T) {
	t.Parallel()
	extra := func(r *probe.Result) { r.Extra = true }
	rs := []probe.Result{
		seen("west", 0, probe.Good),                       // the first one is no change
		seen("west", 10, probe.Good),                      // as before
		seen("west", 20, probe.Bad),                       // failing
		seen("west", 30, probe.Bad),                       // still failing
		seen("west", 40, probe.Good),                      // changed
		seen("east", 40, probe.Unknown, cause("late")),    // unknown, the first one
		seen("east", 50, probe.Unknown, cause("suspect")), // suspect
		seen("east", 51, probe.Bad, extra),                // not a slot
		seen("east", 52, probe.Unknown, cause("late")),
	}
	for _, tc := range []struct {
		raw  Raw
		want []int // indices of rs
	}{
		{RawFailed, []int{2, 3, 4, 6}},
		{RawAll, []int{0, 1, 2, 3, 4, 5, 6, 8}},
	} {
		t.Run(string(tc.raw), func(t *testing.T) {
			t.Parallel()
			b := newRawState().pick(rs, tc.raw, nil)
			var want []string
			for _, i := range tc.want {
				want = append(want, event.FromResult(rs[i], event.Target{}).ID)
			}
			var got []string
			for _, e := range b.Events {
				got = append(got, e.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCapCountsWhatIsDropped(t *testing.T) {
	t.Parallel()
	var rs []probe.Result
	for i := range 60 {
		rs = append(rs, seen("east", i, probe.Bad), seen("west", i, probe.Bad))
	}
	rs = append(rs, seen("west", 60, probe.Bad)) // the next minute
	s := newRawState()
	first := s.pick(rs[:100], RawFailed, nil)
	second := s.pick(rs[100:], RawFailed, nil)
	if got := len(first.Events) + len(second.Events); got != 61 {
		t.Errorf("%d events, want 60 of the first minute and 1 of the next", got)
	}
	got := map[string]int{}
	for _, d := range append(first.Dropped, second.Dropped...) {
		if !d.Minute.Equal(noon) {
			t.Errorf("dropped in %v, want %v", d.Minute, noon)
		}
		got[d.Location] = max(got[d.Location], d.N)
	}
	if diff := cmp.Diff(map[string]int{"east": 30, "west": 30}, got); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	s.pick([]probe.Result{seen("south", 3600, probe.Good)}, RawFailed, nil)
	if n := len(s.told) + len(s.dropped); n != 0 {
		t.Errorf("%d counters of old minutes are kept", n)
	}
}

func TestResultsAreToldOnceStored(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	box, ledger, logs := newMemory(), &countingStore{}, &bytes.Buffer{}
	c := &Client{wire: newWire(), cfg: Config{Raw: RawFailed}, parts: Parts{Outbox: box}, log: slog.New(slog.NewTextHandler(logs, nil))}
	store := c.Results(ledger)
	batch := []probe.Result{seen("west", 0, probe.Good), seen("west", 10, probe.Bad), seen("west", 20, probe.Good)}

	ledger.err = errors.New("away")
	if err := store.Insert(ctx, batch); !errors.Is(err, ledger.err) || len(box.rows) != 0 {
		t.Fatalf("error %v and %d events, want the ledger's error and none", err, len(box.rows))
	}
	ledger.err, box.down = nil, errors.New("no outbox")
	for i := range 2 {
		if err := store.Insert(ctx, batch); !errors.Is(err, box.down) {
			t.Fatalf("try %d: error %v, want the outbox's", i, err)
		}
	}
	box.down = nil
	if err := store.Insert(ctx, batch); err != nil {
		t.Fatal(err)
	}
	if len(box.rows) != 2 { // the repeated batch is judged as at first: bad, and good again
		t.Errorf("%d events, want 2", len(box.rows))
	}

	// What a failed try has seen must not make the repeat think that nothing changed.
	changed := []probe.Result{seen("west", 25, probe.Unknown, cause("late"))}
	box.down = errors.New("no outbox")
	if err := store.Insert(ctx, changed); !errors.Is(err, box.down) {
		t.Fatalf("error %v, want the outbox's", err)
	}
	box.down = nil
	if err := store.Insert(ctx, changed); err != nil {
		t.Fatal(err)
	}
	if len(box.rows) != 3 {
		t.Errorf("%d events, want 3", len(box.rows))
	}

	// An outbox that refuses for good must not stop the ledger.
	box.down = errors.New("refused")
	bad := []probe.Result{seen("west", 30, probe.Bad)}
	tries := 0
	for store.Insert(ctx, bad) != nil {
		if tries++; tries > 10 {
			t.Fatal("the ledger stands still")
		}
	}
	if tries != putTries-1 || c.Stats().Refused != 1 || !bytes.Contains(logs.Bytes(), []byte("not told")) {
		t.Errorf("%d tries, %d refused, log %q", tries, c.Stats().Refused, logs)
	}
	if ledger.batches != 5+putTries {
		t.Errorf("the ledger got %d batches, want %d", ledger.batches, 5+putTries)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	at := func(min, sec int) time.Time {
		return noon.Add(time.Duration(min)*time.Minute + time.Duration(sec)*time.Second)
	}
	for _, tc := range []struct {
		name      string
		mark, now time.Time
		from, to  time.Time
		due       bool
	}{
		{"first", time.Time{}, at(5, 30), at(3, 0), at(4, 0), true},
		{"not complete", at(4, 0), at(5, 59), time.Time{}, time.Time{}, false},
		{"complete", at(4, 0), at(6, 0), at(4, 0), at(5, 0), true},
		{"after downtime", at(0, 0), at(60, 0), at(0, 0), at(10, 0), true},
		{"a long downtime", noon.AddDate(0, 0, -3), at(1, 0), noon.AddDate(0, 0, -1), noon.AddDate(0, 0, -1).Add(10 * time.Minute), true},
		{"the clock went back", at(10, 0), at(5, 0), time.Time{}, time.Time{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			from, to, due := window(tc.mark, tc.now.Add(-settleTime))
			if due != tc.due || due && (!from.Equal(tc.from) || !to.Equal(tc.to)) {
				t.Errorf("window %v to %v, %v; want %v to %v, %v", from, to, due, tc.from, tc.to, tc.due)
			}
		})
	}
}

func TestAttributesForTheAgent(t *testing.T) {
	t.Parallel()
	e := event.Event{ID: "id", At: noon, Attrs: []byte(`{"s":"x","b":true,"i":9007199254740993,"f":1.5,"n":null,"o":{},"l":[1]}`)}
	got, err := attributes(e, noon.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"s": "x", "b": true, "i": int64(9007199254740993), "f": 1.5,
		"eventId": "id", "occurredAt": noon.UnixMilli(), "lateMs": int64(1000),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if got, err = attributes(e, noon.Add(3*time.Minute)); err != nil || got["late"] != true {
		t.Errorf("late = %v, %v, want true", got["late"], err)
	}
	if _, err = attributes(event.Event{Attrs: []byte("{")}, noon); err == nil {
		t.Error("a broken row passes")
	}
}

// fakeLedger counts what is derived.
type fakeLedger struct {
	mark     time.Time
	minutes  int
	untold   []event.Transition
	told     int
	toldLast []event.Event
}

func (l *fakeLedger) Mark(context.Context) (time.Time, error) { return l.mark, nil }
func (l *fakeLedger) Minutes(_ context.Context, from, to time.Time) ([]event.Minute, error) {
	var ms []event.Minute
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		ms = append(ms, event.Minute{Check: "front", Location: "west", Minute: at, Total: 1})
	}
	return ms, nil
}

func (l *fakeLedger) Summarised(_ context.Context, from, to time.Time, es []event.Event) error {
	if !from.Equal(l.mark) {
		return fmt.Errorf("from %v, want the mark %v", from, l.mark)
	}
	l.mark, l.minutes = to, l.minutes+len(es)
	return nil
}

func (l *fakeLedger) Untold(context.Context, time.Time, int) ([]event.Transition, error) {
	return l.untold, nil
}

func (l *fakeLedger) Told(_ context.Context, ts []event.Transition, es []event.Event, _ time.Time) error {
	l.told, l.untold, l.toldLast = l.told+len(ts), nil, es
	return nil
}

func TestDerive(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	unstored := 20 * time.Minute
	l := &fakeLedger{mark: noon, untold: []event.Transition{{Incident: "a", Seq: 1000, At: noon, Kind: "opened"}}}
	c := &Client{parts: Parts{Ledger: l, Unstored: func() time.Duration { return unstored }}}
	now := noon.Add(27 * time.Minute)
	if err := c.derive(ctx, now); err != nil {
		t.Fatal(err)
	}
	if l.told != 1 || len(l.toldLast) != 1 || l.minutes != 7 {
		t.Errorf("%d transitions and %d minutes, want 1, and 7 up to the oldest result that is not stored", l.told, l.minutes)
	}
	unstored = time.Second // there is always one on its way: that must hold nothing up
	for range 5 {
		if err := c.derive(ctx, now); err != nil {
			t.Fatal(err)
		}
	}
	if l.minutes != 26 || !l.mark.Equal(noon.Add(26*time.Minute)) {
		t.Errorf("%d minutes up to %v, want 26 up to 12:26", l.minutes, l.mark)
	}
}

func TestUpkeepBeatsAndExpires(t *testing.T) {
	t.Parallel()
	box, logs := newMemory(), &bytes.Buffer{}
	c := &Client{wire: newWire(), log: slog.New(slog.NewTextHandler(logs, nil)), parts: Parts{
		Outbox: box, Heartbeats: func() []event.Heartbeat { return []event.Heartbeat{{Location: "west"}, {Location: "east"}} },
	}}
	old := event.FromResult(seen("west", 0, probe.Bad), event.Target{})
	if err := box.Put(t.Context(), event.Batch{Events: []event.Event{old}}, noon); err != nil {
		t.Fatal(err)
	}
	now := noon.AddDate(0, 0, 1).Add(time.Second)
	for range 2 { // twice in a minute is once
		if err := c.upkeep(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Stats().Expired; got != 1 || !bytes.Contains(logs.Bytes(), []byte("given up")) {
		t.Errorf("%d expired, log %q, want 1 and a line", got, logs)
	}
	if got := box.waiting(); got != 2 {
		t.Errorf("%d heartbeats, want 2", got)
	}
}
