package telemetry

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/telemetry/nrfake"
)

// events is the method that faults of this file hit.
const events = "custom_event_data"

// TestFaultsLoseNothing plays the faults that cost the plain agent up to 100 %
// of its events. KEEPWATCH_LONG=1 holds each fault as long as when that was measured.
func TestFaultsLoseNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	times := func(brief, whole int) int { // answers that go wrong, one a second
		if long() {
			return whole
		}
		return brief
	}
	cases := []scenario{
		{"503", nrfake.Fault{Status: http.StatusServiceUnavailable}, times(3, 20), false},
		{"429", nrfake.Fault{Status: http.StatusTooManyRequests}, times(3, 20), false},
		{"503 for longer than the agent's patience", nrfake.Fault{Status: http.StatusServiceUnavailable}, times(12, 70), false},
		{"502", nrfake.Fault{Status: http.StatusBadGateway}, times(3, 20), false},
		{"504", nrfake.Fault{Status: http.StatusGatewayTimeout}, times(2, 20), false},
		{"413", nrfake.Fault{Status: http.StatusRequestEntityTooLarge}, times(3, 20), false},
		{"401 once", nrfake.Fault{Status: http.StatusUnauthorized}, 1, false},
		{"409 once", nrfake.Fault{Status: http.StatusConflict}, 1, false},
		{"410 once", nrfake.Fault{Status: http.StatusGone}, 1, false},
		{"lost ack", nrfake.Fault{Status: http.StatusServiceUnavailable, Store: true}, times(2, 20), true},
	}
	var wg sync.WaitGroup // not subtests: they would wait for each other on a small machine
	for _, sc := range cases {
		l := setup(t, plan{})
		l.name = sc.name
		wg.Go(func() { sc.play(l) })
	}
	wg.Wait()
}

// scenario is one kind of wrong answers.
type scenario struct {
	name    string
	fault   nrfake.Fault
	times   int
	doubles bool // data were stored and the answer lost: repeating is right
}

func (sc scenario) play(l *line) {
	l.put(100)
	if !l.until("the first events", func() bool { return len(l.collector.Unique()) >= 100 }) {
		return
	}
	sc.fault.Method, sc.fault.Times = events, sc.times
	l.collector.Set(sc.fault)
	for n := range sc.times {
		l.put(20)
		if !l.until("wrong answers", func() bool { return l.collector.Posts(events, sc.fault.Status) > n }) {
			return
		}
	}
	l.put(100)
	if sc.doubles { // all of it has arrived long before it is known to have
		l.wait("the answers", func() bool { return l.box.waiting() == 0 })
	}
	doubled := l.all()
	if !sc.doubles && doubled != 0 {
		l.t.Errorf("%s: %d events were doubled, want 0", sc.name, doubled)
	}
	if sc.doubles && doubled == 0 {
		l.t.Errorf("%s: no event was doubled: the fault did not happen", sc.name)
	}
}

func TestHangLosesNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	l := setup(t, plan{whole: long()})
	l.put(50)
	l.until("the first events", func() bool { return len(l.collector.Unique()) >= 50 })
	l.collector.Set(nrfake.Fault{Method: events, Hang: true, Times: 1})
	l.put(50)
	if long() {
		l.until("the agent to give up", func() bool { return l.collector.Posts(events, 0) > 0 })
	} else {
		// The agent harvests on while one post hangs.
		l.put(50)
		l.until("another post", func() bool { return len(l.collector.Unique()) > 50 })
		l.collector.Set(nrfake.Fault{}) // the hung post is answered with 503
	}
	l.put(50)
	l.all()
}

func TestPortRefusedLosesNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	l := setup(t, plan{})
	l.put(50)
	l.wait("the first events", func() bool { return l.box.waiting() == 0 })
	l.close()
	l.put(200)
	l.wait("the line to break", func() bool { return !l.client.Connected() })
	l.put(50)
	if long() {
		pause := time.NewTimer(70 * time.Second)
		<-pause.C
	}
	l.open()
	if got := l.all(); got != 0 {
		t.Errorf("%d events were doubled, want 0", got)
	}
}

// TestRefusedAtStartLosesNothing also proves that nothing is fed to an agent
// that is not connected: it would swallow it. The agent tries again after 15 s.
func TestRefusedAtStartLosesNothing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	l := setup(t, plan{closed: true})
	l.put(100)
	l.wait("a turn of the dispatcher", func() bool { l.box.mu.Lock(); defer l.box.mu.Unlock(); return l.box.expires > 0 })
	l.open()
	if got := l.all(); got != 0 {
		t.Errorf("%d events were doubled, want 0", got)
	}
	if got := l.claims(2); got != 0 {
		t.Errorf("%d events were claimed twice: they were handed to an agent that was not connected", got)
	}
}

// TestBurst is 10,000 events at once: the plain agent lost 1,667 of them.
func TestBurst(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	l := setup(t, plan{whole: true})
	l.put(10_000)
	if got := l.all(); got != 0 {
		t.Errorf("%d events were doubled, want 0", got)
	}
}

// TestKillBetweenPutAndHarvest drops an agent that has been fed and not
// harvested; the next process must tell all of it once its lease is over.
func TestKillBetweenPutAndHarvest(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	first := setup(t, plan{Options: nrfake.Options{Period: time.Hour}}) // never harvests
	first.until("the connection", func() bool { return first.collector.Posts("connect", http.StatusOK) > 0 })
	first.wait("the connection", first.client.Connected)
	first.client.wire.learn(time.Second, 100) // so that its leases are those of a harvest a second
	first.put(40)
	first.wait("the agent to be fed", func() bool { return first.claims(1) == 40 })
	first.collector.Set(nrfake.Fault{Method: "*", Status: http.StatusServiceUnavailable}) // kill -9 has no last harvest
	first.stop()
	if got := len(first.collector.Unique()); got != 0 {
		t.Fatalf("%d events arrived before the kill, want 0", got)
	}
	second := setup(t, plan{box: first.box})
	if got := second.all(); got != 0 {
		t.Errorf("%d events were doubled, want 0", got)
	}
}

// TestNothingSecretLeaves looks through everything that was sent.
func TestNothingSecretLeaves(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real agent and time")
	}
	l := setup(t, plan{})
	l.wait("the connection", func() bool { return hasRun(l.client.app.Load()) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /share/{code}", func(w http.ResponseWriter, r *http.Request) {
		defer l.client.StartQuery(r.Context(), "select", "photos")()
		http.Error(w, "no", http.StatusInternalServerError)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /img/{size}/{id}", func(http.ResponseWriter, *http.Request) {})
	h := l.client.Middleware(mux)
	for _, target := range []string{"GET /share/s3cret?t=s3cret", "POST /login?code=s3cret", "GET /img/s3cret/1", "GET /s3cret"} {
		method, path, _ := strings.Cut(target, " ")
		r := httptest.NewRequest(method, path, strings.NewReader("code=s3cret"))
		r.Header.Set("Referer", "https://images.example.com/share/s3cret")
		r.Header.Set("User-Agent", "s3cret")
		r.Header.Set("Cookie", "token=s3cret")
		r.Host = "s3cret.example.com"
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	l.until("transactions", func() bool { return len(l.collector.Transactions()) >= 3 })
	l.stop()
	want := map[string]bool{"GET /share/{code}": true, "POST /login": true, "unrouted": true}
	for _, name := range l.collector.Transactions() {
		if !want[name] {
			t.Errorf("transaction %q, want one of %v", name, want)
		}
	}
	found := false
	for _, body := range l.collector.Bodies() {
		found = found || bytes.Contains(body, []byte("GET /share/{code}"))
		for _, secret := range []string{"s3cret", testKey} {
			if bytes.Contains(body, []byte(secret)) {
				t.Errorf("%q was sent in %s", secret, body[:min(len(body), 600)])
			}
		}
	}
	if !found {
		t.Error("the transactions are not in the bodies: nothing was searched")
	}
	if bytes.Contains(l.logs.Bytes(), []byte(testKey)) {
		t.Error("the licence key was logged")
	}
}
