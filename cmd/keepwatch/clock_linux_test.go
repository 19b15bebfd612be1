package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/steady"
)

// secondLevel is how long after the first level the second one is paged.
const secondLevel = 20 * time.Second

// The daemon looks at the host's clock every clockEvery; less than clockLimit is no step.
const (
	clockEvery = 500 * time.Millisecond
	clockLimit = 500 * time.Millisecond
)

const clockRigConfig = `version: 1
data_dir: ./data
console: {listen: "${KILL_CONSOLE}"}
checks:
  - {name: front, every: 2s, timeout: 1500ms, http: {url: "${KILL_TARGET}/"}}
services:
  - {name: shop, objective: 95%, critical: [front], escalation: shop, reopen: 0s}
people:
  ada: {name: Ada, email: ada@example.com, pagerduty: {routing_key: "ada0000000000000000000000000000k"}}
  grace: {name: Grace, email: grace@example.com, pagerduty: {routing_key: "grace00000000000000000000000000k"}}
rotations:
  primary: {start: 2026-01-05, people: [ada]}
  secondary: {start: 2026-01-05, people: [grace]}
escalations:
  shop: {levels: [{page: primary}, {page: secondary, after: 20s}]}
pagerduty: {routing_key: "${PAGERDUTY_ROUTING_KEY}", events_url: "${KILL_EVENTS}", webhook_secret: "${KILL_SECRET}", hold_resolve: "${KILL_HOLD}"}
`

// TestRow9HostClock sets the clock of a host on which a whole daemon runs, with its
// Postgres: in User-Mode Linux, for that needs a kernel of its own.
func TestRow9HostClock(t *testing.T) {
	t.Parallel()
	if os.Getenv("KEEPWATCH_FAULTS") != "full" {
		t.Skip("make faults runs it; the stories TestStoryHostClock… are its short form")
	}
	if _, err := exec.LookPath("linux.uml"); err != nil {
		t.Fatal("User-Mode Linux is missing: deploy/need uml installs it")
	}
	binary, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join("testdata", "clock", "run"), binary).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, figures, ok := strings.Cut(line, "figures:"); ok {
			t.Logf("figures:%s", strings.TrimRight(figures, "\r\n"))
		}
	}
}

// clockRig is a rig on a host whose clock the test sets.
type clockRig struct {
	*rig
	d     *process
	start time.Time // with a monotonic reading
	wall  time.Time // the host's clock then
	steps int
	off   time.Duration // the worst difference of a second level

	mu    sync.Mutex
	pages []clockPage // guarded by mu
}

// clockPage is an event that PagerDuty got.
type clockPage struct {
	at     time.Time // with a monotonic reading
	action string
	key    string // of the person
}

// TestHostClockInside is what TestRow9HostClock runs in a kernel of its own.
func TestHostClockInside(t *testing.T) {
	t.Parallel()
	if os.Getenv("KEEPWATCH_TEST_CLOCK") != "inside" {
		t.Skip("TestRow9HostClock runs it")
	}
	now := time.Now()
	r := &clockRig{rig: newRig(t, 1, ""), start: now, wall: now.UTC().Round(0)}
	r.config = clockRigConfig
	front := httptest.NewServer(r)
	defer front.Close()
	r.pdURL = front.URL
	r.d = r.daemon("one")
	r.within(3*time.Minute, "ready", func() bool { return r.d.says("/readyz", "") })
	hour := func(n int) func() time.Time {
		return func() time.Time { return r.truth().Add(time.Duration(n) * time.Hour) }
	}
	at := func(s string) func() time.Time {
		return func() time.Time { at, _ := time.Parse(time.RFC3339, s); return at }
	}
	for _, round := range []struct {
		name  string
		steps []func() time.Time
	}{
		{"no step", nil},
		{"an hour forward", []func() time.Time{hour(1)}},
		{"an hour back", []func() time.Time{hour(-1)}},
		{"forward and back", []func() time.Time{hour(1), hour(0)}},
		{"back and forward", []func() time.Time{hour(-1), hour(1)}},
		{"into an hour that the host's zone has not", []func() time.Time{at("2026-03-08T06:59:57Z")}},
		{"into an hour that it has twice", []func() time.Time{at("2026-11-01T05:59:57Z")}},
	} {
		r.round(round.name, round.steps...)
	}
	r.takenOver("+1h0m0s", hour(1))
	r.round("after an hour forward was taken over")
	r.gap(time.Hour)
	r.takenOver("-1h0m0s", hour(0))
	r.round("in the hour that is lived through again")
	r.judgeClock()
}

// ServeHTTP is PagerDuty, with a note of when each event came.
func (r *clockRig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(req.Body)
	var e struct {
		Key    string `json:"routing_key"`
		Action string `json:"event_action"`
	}
	if err == nil && json.Unmarshal(body, &e) == nil && e.Action != "" {
		r.mu.Lock()
		r.pages = append(r.pages, clockPage{at, e.Action, e.Key})
		r.mu.Unlock()
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.pd.Handler().ServeHTTP(w, req)
}

// truth is what the host's clock would show had nobody set it.
func (r *clockRig) truth() time.Time { return r.wall.Add(time.Since(r.start)) }

// set sets the clock of the host, which must be no machine but User-Mode Linux.
func (r *clockRig) set(to time.Time) {
	r.t.Helper()
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !bytes.Contains(raw, []byte("User Mode Linux")) {
		r.t.Fatalf("this is no User-Mode Linux (%v): its clock is not set", err)
	}
	ts := unix.NsecToTimespec(to.UnixNano())
	if time.Until(to).Abs() > clockLimit {
		r.steps++
	}
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		r.t.Fatal(err)
	}
}

// since are the events of an action for somebody from an index on.
func (r *clockRig) since(i int, action, person string) (found []time.Time, next int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pages[i:] {
		if p.action == action && strings.HasPrefix(p.key, person) {
			found = append(found, p.at)
		}
	}
	return found, len(r.pages)
}

// round is an outage during which the clock is set: the second level must come when it
// would have come.
func (r *clockRig) round(name string, steps ...func() time.Time) {
	r.t.Helper()
	_, from := r.since(0, "", "")
	first := func(action, person string, limit time.Duration) time.Time {
		r.t.Helper()
		var at []time.Time
		r.within(limit, name+": "+action+" for "+person, func() bool {
			at, _ = r.since(from, action, person)
			return len(at) > 0
		})
		return at[0]
	}
	down := time.Now()
	r.goDown()
	ada := first("trigger", "ada", 20*time.Second)
	for _, to := range steps {
		linger(4 * time.Second)
		r.set(to())
	}
	off := first("trigger", "grace", secondLevel+20*time.Second).Sub(ada) - secondLevel
	r.t.Logf("%s: paged %s after it went down, the second level %s off", name, ada.Sub(down).Round(time.Millisecond), off.Round(time.Millisecond))
	if r.off = max(r.off, off.Abs()); off.Abs() > time.Second {
		r.t.Errorf("%s: the second level came %s off", name, off)
	}
	r.comeUp()
	first("resolve", "ada", 20*time.Second)
	first("resolve", "grace", 20*time.Second)
	if len(steps) > 0 {
		r.set(r.truth())
		linger(2 * clockEvery) // two steps between two looks are one
	}
	r.within(20*time.Second, "closed", func() bool { return len(r.d.openThere()) == 0 })
}

// takenOver sets the clock while all is quiet and waits until the daemon has followed.
func (r *clockRig) takenOver(by string, to func() time.Time) {
	r.t.Helper()
	_, from := r.since(0, "", "")
	r.set(to())
	took := r.within(2*time.Minute, "taken over: "+by, func() bool { return r.d.says("/healthz", "set by "+by) })
	r.t.Logf("a step of %s was taken over after %s", by, took.Round(100*time.Millisecond))
	if _, next := r.since(from, "", ""); next != from {
		r.t.Errorf("somebody was paged for a step of %s: %+v", by, r.pages[from:])
	}
}

// gap fails unless the ledger says of so much time that the clock was set.
func (r *clockRig) gap(want time.Duration) {
	r.t.Helper()
	db := r.openDatabase(r.d)
	defer db.Close()
	now := r.truth().Add(want)
	lines, err := postgres.Reports{DB: db}.Timelines(r.t.Context(), []string{"front"}, r.wall, now, now)
	if err != nil {
		r.t.Fatal(err)
	}
	var got time.Duration
	for _, s := range lines["front"].Spans {
		if s.Verdict == reports.Unknown && strings.Contains(s.Cause, "the clock of this host was set by "+steady.Signed(want)) {
			got += s.To.Sub(s.From)
		}
	}
	if (got - want).Abs() > 10*time.Second {
		r.t.Errorf("%s have the step as their cause, want %s: %+v", got, want, lines["front"].Spans)
	}
}

// judgeClock looks at what PagerDuty got, and at the ledger.
func (r *clockRig) judgeClock() {
	r.t.Helper()
	rep, err := fakepd.Check(r.pdLog.reader(), fakepd.Want{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range rep.Problems {
		r.t.Errorf("PagerDuty's log: %s", p)
	}
	if !r.d.says("/metrics", fmt.Sprintf("\nkeepwatch_clock_steps_total %d\n", r.steps)) {
		log, _ := os.ReadFile(r.d.log.Name())
		r.t.Errorf("not each of %d steps was noticed once; the daemon's log says:", r.steps)
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "clock of this host") {
				r.t.Log(strings.TrimSpace(line))
			}
		}
	}
	db := r.openDatabase(r.d)
	defer db.Close()
	// The ledger is an hour ahead of the clock, for that hour is lived through again.
	v, err := postgres.Reports{DB: db}.Verify(r.t.Context(), []string{"front"}, r.wall.Add(-time.Hour), r.truth().Add(2*time.Hour))
	if err != nil || len(v.Differences) > 0 {
		r.t.Errorf("the ledger does not agree with the results: %v, %v", v, err)
	}
	r.t.Logf("figures: incidents=%d steps=%d lost=%d doubled=%d left_open=%d off_max=%s", rep.Summary.Incidents, r.steps, rep.Lost, rep.Doubled, rep.LeftOpen, r.off.Round(time.Millisecond))
}
