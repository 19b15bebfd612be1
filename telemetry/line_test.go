package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"keepwatch/probe"
	"keepwatch/telemetry/event"
	"keepwatch/telemetry/nrfake"
)

const testKey = "0123456789abcdef0123456789abcdef01234567"

// memory is an [Outbox] in memory with the semantics of postgres.Events.
type memory struct {
	mu   sync.Mutex
	rows map[string]*memoryRow
	down error // answered by every call while set

	expires int // calls of Expire
}

type memoryRow struct {
	e     event.Event
	lease time.Time
	taken bool
}

func newMemory() *memory { return &memory{rows: map[string]*memoryRow{}} }

func (m *memory) Put(_ context.Context, b event.Batch, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range b.Events {
		if _, ok := m.rows[e.ID]; !ok && m.down == nil {
			m.rows[e.ID] = &memoryRow{e: e}
		}
	}
	return m.down
}

func (m *memory) Claim(_ context.Context, now time.Time, lease time.Duration, limit int) ([]event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []*memoryRow
	for _, r := range m.rows {
		if !r.taken && !r.lease.After(now) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *memoryRow) int {
		if c := a.lease.Compare(b.lease); c != 0 {
			return c
		}
		return a.e.At.Compare(b.e.At)
	})
	var es []event.Event
	for _, r := range due[:min(limit, len(due))] {
		r.lease = now.Add(lease)
		r.e.Claims++
		es = append(es, r.e)
	}
	return es, m.down
}

func (m *memory) Ack(_ context.Context, ids []string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if r := m.rows[id]; r != nil && m.down == nil {
			r.taken = true
		}
	}
	return m.down
}

func (m *memory) Lease(_ context.Context, ids []string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if r := m.rows[id]; r != nil && !r.taken && m.down == nil {
			r.lease = until
		}
	}
	return m.down
}

func (m *memory) Expire(_ context.Context, before, _ time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expires++
	n := 0
	for id, r := range m.rows {
		if !r.taken && r.e.At.Before(before) {
			delete(m.rows, id)
			n++
		}
	}
	return n, m.down
}

func (m *memory) Pending(context.Context) (event.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var p event.Pending
	for _, r := range m.rows {
		if !r.taken {
			p.Count++
			if p.Oldest.IsZero() || r.e.At.Before(p.Oldest) {
				p.Oldest = r.e.At
			}
		}
	}
	return p, m.down
}

func (m *memory) waiting() int {
	p, _ := m.Pending(context.Background()) // no error while it is up
	return p.Count
}

// line is a real agent on a collector of its own.
type line struct {
	t         *testing.T
	name      string          // of the scenario
	ctx       context.Context //nolint:containedctx // one test's deadline
	collector *nrfake.Collector
	authority *nrfake.Authority
	server    *nrfake.Server
	addr      string
	box       *memory
	client    *Client
	logs      *bytes.Buffer // read only after stop
	stop      func()
	numbered  int
}

// plan is how a line is set up. The zero value: a harvest every second, an open
// port, an empty outbox.
type plan struct {
	nrfake.Options
	closed bool // the port is refused at first
	whole  bool // leases as long as in production
	box    *memory
}

// setup starts a collector and a client.
func setup(t *testing.T, p plan) *line {
	t.Helper()
	limit := 55 * time.Second
	if long() {
		limit = 8 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	if p.Period == 0 {
		p.Period = time.Second
	}
	if p.box == nil {
		p.box = newMemory()
	}
	p.Key = testKey
	a, err := nrfake.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	l := &line{
		t: t, ctx: ctx, collector: nrfake.New(p.Options), authority: a, box: p.box, numbered: len(p.box.rows),
		addr: "127.0.0.1:0", logs: &bytes.Buffer{},
	}
	l.open()
	if p.closed {
		l.close()
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, a.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	l.client, err = New(Config{LicenseKey: probe.Secret(testKey), Host: l.addr, CAFile: ca}, Parts{
		Outbox: l.box, Log: slog.New(slog.NewTextHandler(l.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.client.rebuild = 200 * time.Millisecond
	if !p.whole {
		l.client.wire.mu.Lock()
		l.client.wire.slack = 6 * time.Second // the agent's own time-out of 20 s matters only where it is waited for
		l.client.wire.mu.Unlock()
	}
	l.run()
	return l
}

func long() bool { return os.Getenv("KEEPWATCH_LONG") != "" }

// run starts the loops; stop ends them and waits.
func (l *line) run() {
	ctx, cancel := context.WithCancel(l.ctx)
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context) error{l.client.Run, l.client.Deliver} {
		wg.Go(func() {
			if err := loop(ctx); err != nil {
				l.t.Errorf("loop: %v", err)
			}
		})
	}
	l.stop = func() { cancel(); wg.Wait() }
	l.t.Cleanup(l.stop)
}

// open serves the collector, again on the same port when it was closed.
func (l *line) open() {
	l.t.Helper()
	s, err := l.authority.Serve(l.ctx, l.addr, l.collector)
	if err != nil {
		l.t.Fatal(err)
	}
	l.server, l.addr = s, s.Addr
	l.t.Cleanup(func() { _ = s.Close() }) // closed already in some tests
}

func (l *line) close() {
	l.t.Helper()
	if err := l.server.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// put stores n further events.
func (l *line) put(n int) {
	l.t.Helper()
	var b event.Batch
	for range n {
		l.numbered++
		b.Events = append(b.Events, numbered(l.numbered))
	}
	if err := l.box.Put(l.ctx, b, time.Now()); err != nil {
		l.t.Error(err)
	}
}

// numbered is a realistic event that can be told from its sisters.
func numbered(n int) event.Event {
	return event.FromResult(probe.Result{
		Check: "front-page", Location: "west", Slot: time.Unix(int64(n), 0), Started: time.Now().UTC(), Attempts: 1, Outcome: probe.Bad,
		Look: probe.Look{Code: 503, Latency: 120 * time.Millisecond, Fault: probe.Fault{Class: probe.ClassStatus, Phase: "expect", Message: fmt.Sprintf("status 503, want 200 (%d)", n)}},
	}, event.Target{Kind: "http", Address: "https://images.example.com/"})
}

// until waits for something that shows in the collector; false: in vain, which is an error.
func (l *line) until(what string, cond func() bool) bool {
	l.t.Helper()
	if err := l.collector.Wait(l.ctx, cond); err != nil {
		l.t.Errorf("%s: waiting for %s: %v; %d of %d events arrived, %d wait, refused: %v\n%s",
			l.name, what, err, len(l.collector.Unique()), l.numbered, l.box.waiting(), l.collector.Violations(), tail(l))
		return false
	}
	return true
}

func tail(l *line) string {
	l.stop()
	out := l.logs.String()
	return out[max(0, len(out)-2000):]
}

// all waits until every event put so far has arrived, then checks that the
// outbox knows it and returns how many arrived more than once.
func (l *line) all() (doubled int) {
	l.t.Helper()
	if !l.until("all events", func() bool { return len(l.collector.Unique()) >= l.numbered }) {
		return 0
	}
	l.stop() // writes back the last outcomes
	if got := l.box.waiting(); got != 0 {
		l.t.Errorf("%s: %d events wait in the outbox, want 0", l.name, got)
	}
	unique := l.collector.Unique()
	if len(unique) != l.numbered {
		l.t.Errorf("%s: %d unique events arrived, want %d", l.name, len(unique), l.numbered)
	}
	for _, n := range unique {
		doubled += n - 1
	}
	if v := l.collector.Violations(); len(v) > 0 {
		l.t.Errorf("%s: the collector refused: %v", l.name, v)
	}
	return doubled
}

// claims returns how many events were claimed at least n times.
func (l *line) claims(n int) int {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	found := 0
	for _, r := range l.box.rows {
		if r.e.Claims >= n {
			found++
		}
	}
	return found
}

// wait is for what does not show in the collector.
func (l *line) wait(what string, cond func() bool) {
	l.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			l.t.Fatalf("waiting for %s: %v\n%s", what, l.ctx.Err(), tail(l))
		}
	}
}
