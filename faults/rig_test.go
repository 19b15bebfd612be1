package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/fakepd"
	"keepwatch/postgres"
)

// full reports whether the long form of the suite runs (make faults).
func full() bool { return os.Getenv("KEEPWATCH_FAULTS") == "full" }

// seed is the seed of a run: KEEPWATCH_FAULTS_SEED, or one of the moment. It is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("KEEPWATCH_FAULTS_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("KEEPWATCH_FAULTS_SEED: %v", err)
		}
	}
	t.Logf("seed=%d", n)
	return n
}

// linger waits: these tests are about real processes in real time.
func linger(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
}

// rig is the world around the pagers: what is down, who rings, and the database.
type rig struct {
	t        *testing.T
	dir      string
	settings pagerSettings
	pd       *fakepd.Server
	pdLog    *buffer
	db       *postgres.DB
	pagers   []*process
	expect   func(service string) int // how many outages a service had; nil is one each

	mu    sync.Mutex
	world []byte         // guarded by mu
	mails map[string]int // guarded by mu: fallback triggers by dedup key
	asked int            // guarded by mu: the leading pager that asked last, by its number
}

// newRig makes the world of some services over a database.
func newRig(t *testing.T, dsn string, s pagerSettings) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: t.TempDir(), pdLog: &buffer{}, mails: map[string]int{},
		world: bytes.Repeat([]byte{worldUp}, s.Services),
	}
	world := httptest.NewServer(r)
	t.Cleanup(world.Close)
	r.pd = fakepd.New(fakepd.Options{Seed: 1, Log: r.pdLog, MaxIncidents: 100_000})
	t.Cleanup(r.pd.Close)
	server := httptest.NewServer(r.pd.Handler())
	t.Cleanup(server.Close)
	var err error
	if r.db, err = postgres.Connect(t.Context(), dsn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.db.Close)
	s.DSN, s.Events, s.World = dsn, server.URL, world.URL+"/"
	if s.Hold == 0 {
		s.Hold = 3 * time.Second
	}
	if s.Keys == 0 {
		s.Keys = max(s.Services/8, 1)
	}
	r.settings = s
	return r
}

// ServeHTTP tells the pagers what they see, and takes the mails of the fallback.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if req.URL.Path == "/mail" {
		if req.FormValue("action") == "trigger" {
			r.mails[req.FormValue("key")]++
		}
		return
	}
	if n, err := strconv.Atoi(req.FormValue("pager")); err == nil {
		r.asked = n
	}
	_, _ = w.Write(r.world)
}

// set changes what the pagers see of a service.
func (r *rig) set(n int, state byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.world[n] = state
}

func (r *rig) state(n int) byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.world[n]
}

// process is one pager's place, and the process that runs there, if one does.
type process struct {
	rig *rig
	dir string
	log *os.File

	mu     sync.Mutex
	cmd    *exec.Cmd     // guarded by mu; nil when none runs
	ended  chan struct{} // guarded by mu; closed when cmd has ended
	wanted *atomic.Bool  // guarded by mu: the end of cmd is the test's doing
}

// pager makes a place and starts a pager there.
func (r *rig) pager(env ...string) *process {
	r.t.Helper()
	p := &process{rig: r, dir: filepath.Join(r.dir, "pager"+strconv.Itoa(len(r.pagers)))}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	var err error
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		r.t.Fatal(err)
	}
	r.pagers = append(r.pagers, p)
	r.t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.kill()
		if r.t.Failed() {
			raw, _ := os.ReadFile(p.log.Name())
			r.t.Logf("end of the log of %s:\n%s", p.dir, raw[max(0, len(raw)-40000):])
		}
		_ = p.log.Close()
	})
	p.start(env...)
	return p
}

// start starts the process; it may be called from the goroutine that kills.
func (p *process) start(env ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.rig.settings
	s.Dir = p.dir
	raw, err := json.Marshal(s)
	if err != nil {
		p.rig.t.Error(err)
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), pagerEnv+"="+string(raw)), env...)
	cmd.Stderr = p.log
	// A pager ends when its input does, so with this test. (A signal at the death of the
	// parent would come when only the thread that started it ends.)
	if _, err := cmd.StdinPipe(); err != nil {
		p.rig.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		p.rig.t.Errorf("start a pager: %v", err)
		return
	}
	ended, wanted := make(chan struct{}), &atomic.Bool{}
	p.cmd, p.ended, p.wanted = cmd, ended, wanted
	if len(env) > 0 {
		wanted.Store(true) // a failpoint may end it
	}
	go func() { // ends with the process, which the test's cleanup kills
		_ = cmd.Wait()
		if !wanted.Load() {
			p.rig.t.Errorf("a pager ended by itself: %v", cmd.ProcessState)
		}
		close(ended)
	}()
}

func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(sig)
	}
}

// kill ends the process by SIGKILL and waits for that.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	p.wanted.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
	p.cmd = nil
}

// over waits until the process has ended by itself.
func (p *process) over(limit time.Duration) bool {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	select {
	case <-ended:
		p.mu.Lock()
		p.cmd = nil
		p.mu.Unlock()
		return true
	case <-time.After(limit):
		return false
	}
}

// within waits until want is true; it fails the test after limit.
func (r *rig) within(limit time.Duration, what string, want func() bool) {
	r.t.Helper()
	start := time.Now()
	for !want() {
		if time.Since(start) > limit {
			r.t.Fatalf("after %s: never %s", limit, what)
		}
		linger(20 * time.Millisecond)
	}
}

// incidents are those in the database, oldest first; nil while it is away.
func (r *rig) incidents() []alerting.Incident {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
	defer cancel()
	list, err := postgres.Incidents{DB: r.db}.List(ctx, "", 100_000)
	if err != nil {
		return nil
	}
	slices.Reverse(list)
	return list
}

// rang are the dedup keys that PagerDuty ever opened an incident for, and whether it is still open.
func (r *rig) rang() map[string]bool {
	out := map[string]bool{}
	for _, i := range r.pd.State().Incidents {
		out[i.DedupKey] = out[i.DedupKey] || i.Status != "resolved"
	}
	return out
}

// quiet reports whether nothing is open and nothing is owed any more.
func (r *rig) quiet() bool {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
	defer cancel()
	store := postgres.Incidents{DB: r.db}
	open, err := store.OpenIncidents(ctx)
	if err != nil || len(open) > 0 {
		return false
	}
	unfinished, err := store.Unfinished(ctx)
	if err != nil {
		return false
	}
	for _, ch := range unfinished {
		// A fallback is owed from the first failure on, and cancelled when its time comes.
		if slices.ContainsFunc(ch.Pages, func(p alerting.Page) bool { return p.Channel == "pagerduty" && p.State.Unfinished() }) {
			return false
		}
	}
	return r.pd.State().PutOff == 0
}

// stuck says what is not quiet, for the message of a failure.
func (r *rig) stuck() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), 3*time.Second)
	defer cancel()
	store := postgres.Incidents{DB: r.db}
	open, err := store.OpenIncidents(ctx)
	owed, _ := store.Backlog(ctx)
	var s strings.Builder
	fmt.Fprintf(&s, "%d open (%v), %+v owed, %d put off", len(open), err, owed, r.pd.State().PutOff)
	for i, in := range open {
		if i < 5 {
			fmt.Fprintf(&s, "\n  %s %s %+v", in.ID, in.State, in)
		}
	}
	unfinished, _ := store.Unfinished(ctx)
	for i, ch := range unfinished {
		for _, p := range ch.Pages {
			if i < 5 && p.State.Unfinished() && p.Channel == "pagerduty" {
				fmt.Fprintf(&s, "\n  page %s %s %s: %s, due %s, lease until %s, epoch %d, %d attempts, unsure %s, %s", p.ID, p.Action, p.Channel, p.State,
					p.Due.Format(clock), p.LeaseUntil.Format(clock), p.Epoch, p.Attempts, p.UnsureAt.Format(clock), p.LastError)
			}
		}
	}
	fmt.Fprintf(&s, "\n  now %s", time.Now().UTC().Format(clock))
	return s.String()
}

const clock = "15:04:05.000"

// settle waits until all is quiet.
func (r *rig) settle(limit time.Duration) time.Duration {
	r.t.Helper()
	start := time.Now()
	for !r.quiet() {
		if time.Since(start) > limit {
			r.t.Fatalf("not quiet %s after the last blow: %s", limit, r.stuck())
		}
		linger(100 * time.Millisecond)
	}
	return time.Since(start)
}

// counts are what a row of the table says.
type counts struct {
	Incidents, Kills, Stops, Crashes, Late, Repeats int
	Cancelled                                       int // recovered before anything was delivered
	Lost, Doubled, LeftOpen                         int
	Drained                                         time.Duration
	More                                            []string // name=value
}

// judge is the law of the whole suite, for logs and database together: every incident
// that was committed has rung once at PagerDuty and is closed there and here; or it
// recovered before anything was delivered, and PagerDuty never heard of it; or the page
// went out by the fallback. And what PagerDuty got is judged by [fakepd.Check].
func (r *rig) judge(c *counts) {
	t := r.t
	t.Helper()
	ctx := t.Context()
	incidents := r.incidents()
	store := postgres.Incidents{DB: r.db}
	rang := r.rang()
	var want, cancelled []string
	by := map[string]int{}
	for _, in := range incidents {
		by[in.Service]++
		pages, err := store.Pages(ctx, in.ID)
		if err != nil {
			t.Fatal(err)
		}
		first := firstTrigger(pages)
		_, did := rang[in.ID]
		switch {
		case first.State == alerting.Cancelled && !did:
			c.Cancelled++
			cancelled = append(cancelled, in.ID)
		case first.State == alerting.Accepted, did:
			want = append(want, in.ID)
		default:
			c.Lost++
			t.Errorf("LOST: incident %s: its page is %q (%s) and PagerDuty never rang", in.ID, first.State, first.LastError)
		}
		if in.State != alerting.Resolved {
			c.LeftOpen++
			t.Errorf("LEFT OPEN: incident %s is %s here", in.ID, in.State)
		}
		delete(rang, in.ID)
	}
	for key := range rang {
		if id, _ := alerting.IncidentOf(key); id == key {
			t.Errorf("PagerDuty rang for %s, which the database does not know", key)
		}
	}
	for name, n := range by {
		allowed := 1
		if r.expect != nil {
			allowed = r.expect(name)
		}
		if n > allowed && !strings.Contains(name, "blind") {
			c.Doubled += n - allowed
			t.Errorf("DOUBLED: service %s has %d incidents for %d outage(s):%s", name, n, allowed, r.tell(incidents, name))
		}
	}
	rep, err := fakepd.Check(r.pdLog.reader(), fakepd.Want{Keys: want, Cancelled: cancelled})
	if err != nil {
		t.Fatal(err)
	}
	c.Lost += rep.Lost
	c.Doubled += rep.Doubled
	c.LeftOpen += rep.LeftOpen
	for _, p := range rep.Problems {
		t.Errorf("PagerDuty's log: %s%s", p, r.heard(p))
	}
	c.Incidents += len(incidents)
	c.Repeats += rep.Summary.Triggers - rep.Summary.Incidents
	c.Late += rep.Late
}

// tell is what became of the incidents of a service, for the message of a failure.
func (r *rig) tell(incidents []alerting.Incident, service string) string {
	var b strings.Builder
	store := postgres.Incidents{DB: r.db}
	for _, in := range incidents {
		if in.Service != service {
			continue
		}
		fmt.Fprintf(&b, "\n  %s %s", in.ID, in.State)
		entries, _ := store.Timeline(r.t.Context(), in.ID)
		for _, e := range entries {
			fmt.Fprintf(&b, "\n    %s %s %s %s", e.At.Format(clock), e.Kind, e.Person, e.Text)
		}
	}
	return b.String()
}

// heard is what PagerDuty's log and the database have of the incident that a problem
// names, for the message of a failure.
func (r *rig) heard(problem string) string {
	_, rest, _ := strings.Cut(problem, `"`)
	key, _, named := strings.Cut(rest, `"`)
	if !named {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(r.pdLog.text()) {
		if strings.Contains(line, key) {
			b.WriteString("\n    " + strings.TrimSpace(line))
		}
	}
	id, _ := alerting.IncidentOf(key)
	pages, _ := postgres.Incidents{DB: r.db}.Pages(r.t.Context(), id)
	for _, p := range pages {
		fmt.Fprintf(&b, "\n    page %s %s: %s, seq %d, epoch %d, %d attempts, accepted %s, unsure %s, %s", p.ID, p.Action, p.State, p.Seq, p.Epoch,
			p.Attempts, p.AcceptedAt.Format(clock), p.UnsureAt.Format(clock), p.LastError)
	}
	return b.String()
}

func firstTrigger(pages []alerting.Page) alerting.Page {
	for _, p := range pages {
		if p.Action == alerting.Trigger && !p.Fallback {
			return p
		}
	}
	return alerting.Page{}
}

// report prints what the runner of the suite puts into the table.
func (c *counts) report(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for _, f := range []struct {
		name string
		n    int
	}{
		{"incidents", c.Incidents},
		{"kills", c.Kills},
		{"stops", c.Stops},
		{"pg_crashes", c.Crashes},
		{"late", c.Late},
		{"repeats", c.Repeats},
		{"cancelled", c.Cancelled},
		{"lost", c.Lost},
		{"doubled", c.Doubled},
		{"left_open", c.LeftOpen},
	} {
		fmt.Fprintf(&b, " %s=%d", f.name, f.n)
	}
	if c.Drained > 0 {
		fmt.Fprintf(&b, " drained=%s", c.Drained.Round(100*time.Millisecond))
	}
	for _, m := range c.More {
		b.WriteString(" " + m)
	}
	t.Logf("figures:%s", b.String())
}

// misbehave makes about a third of PagerDuty's answers bad, in the shares of the specification.
func (r *rig) misbehave() {
	r.t.Helper()
	for _, f := range []fakepd.Fault{
		{Status: 500, Probability: 0.10},
		{Status: 429, RetryAfter: fakepd.Duration(time.Second), Probability: 0.08},
		{Status: 502, Processed: true, Probability: 0.05},
		{Lost: true, Probability: 0.06},
		{Delay: fakepd.Duration(1500 * time.Millisecond), Probability: 0.05},
	} {
		if err := r.pd.AddFault(f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// course is how each outage of a service goes.
type course struct {
	ackShare, shortShare float64       // shares that are acknowledged, and that recover right after they were committed
	hold                 time.Duration // at most so long between what happens and the next step
}

// drive takes all services down, each at its moment within spread, and up again after
// their pages rang, until every one has had its outage. It returns when the last is up.
func (r *rig) drive(rng *rand.Rand, spread, limit time.Duration, c course) {
	r.t.Helper()
	n := r.settings.Services
	type plan struct {
		down      time.Time
		ack, soon bool
		next      time.Time // earliest next step
	}
	plans := make([]plan, n)
	start := time.Now()
	for i := range plans {
		plans[i] = plan{down: start.Add(time.Duration(rng.Int64N(int64(spread)))), ack: rng.Float64() < c.ackShare, soon: rng.Float64() < c.shortShare}
	}
	pause := make([]time.Duration, n)
	for i := range pause {
		pause[i] = time.Duration(rng.Int64N(int64(c.hold) + 1))
	}
	done := make([]bool, n)
	for left := n; left > 0; {
		if time.Since(start) > limit {
			r.t.Fatalf("%d of %d outages did not end within %s: %s", left, n, limit, r.stuck())
		}
		linger(100 * time.Millisecond)
		committed, acked := map[string]bool{}, map[string]bool{}
		for _, in := range r.incidents() {
			committed[in.Service] = true
			acked[in.Service] = acked[in.Service] || in.State == alerting.Acknowledged
		}
		rang := map[string]bool{}
		for key := range r.rang() {
			if at := strings.LastIndex(key, "-"); at > 3 {
				rang[key[len("kw-"):at]] = true
			}
		}
		now := time.Now()
		for i := range plans {
			p, name := &plans[i], serviceName(i)
			if done[i] || now.Before(p.next) {
				continue
			}
			switch state := r.state(i); {
			case state == worldUp && now.After(p.down):
				r.set(i, worldDown)
			case state == worldUp:
			case p.soon && committed[name], state == worldDown && !p.ack && rang[name], state == worldAcked && acked[name]:
				if !p.soon && p.next.IsZero() {
					p.next = now.Add(pause[i])
					continue
				}
				r.set(i, worldUp)
				done[i] = true
				left--
			case state == worldDown && p.ack && rang[name]:
				r.set(i, worldAcked)
			}
		}
	}
}

// buffer is a buffer for one writer and one reader at a time.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *buffer) reader() io.Reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.NewReader(bytes.Clone(b.buf.Bytes()))
}
