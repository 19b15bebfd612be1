package telemetry

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// What New Relic's collector allows, and how we stay below it.
const (
	defaultPeriod = time.Minute // go-agent v3.45.0 when the connect reply names none
	defaultLimit  = 100_000     // its MaxCustomEvents
	maxPost       = 4_000       // events that may wait in the agent at once
	// maxPostBytes bounds their JSON. The agent drops a post of more than 1,000,000
	// bytes after gzip, whole and silently; our events shrink at least to two thirds
	// even when every text in them is random.
	maxPostBytes  = 1_500_000
	agentTimeout  = 20 * time.Second // the agent's HTTP time-out (go-agent v3.45.0, internal_app.go)
	leaseSlack    = 5 * time.Second
	maxReplyBytes = 1 << 20
	maxBodyBytes  = 64 << 20
)

// flight is an event that was handed to the agent and whose fate is not known.
type flight struct {
	size  int
	until time.Time // end of its lease
}

// outcomes are the event ids of posts, by what became of them.
type outcomes struct{ taken, kept, freed []string }

func (o outcomes) empty() bool { return len(o.taken)+len(o.kept)+len(o.freed) == 0 }

// fate is what a post's answer means for its events.
type fate int8

const (
	taken fate = iota // New Relic has them
	kept              // the agent keeps them and tries again itself
	freed             // the agent has thrown them away
)

// wire is what the transport has learned from the collector's answers.
type wire struct {
	gone     chan struct{} // capacity 1: the collector ended the application (410)
	flushing sync.Mutex    // held while outcomes are written back, so that none is overtaken

	mu        sync.Mutex // guards all below
	connected bool
	period    time.Duration
	limit     int // events per period
	shrink    int // the pace is divided by this; doubled at 413, halved at success
	slack     time.Duration
	flights   map[string]flight
	bytes     int // of all flights
	fates     map[string]fate
	posting   int       // posts of events that are not answered yet
	window    time.Time // start of the current pacing window
	sent      int       // events handed over in it
	nTaken    int64
	nResent   int64
}

func newWire() *wire {
	return &wire{
		gone: make(chan struct{}, 1), period: defaultPeriod, limit: defaultLimit, shrink: 1,
		slack: agentTimeout + leaseSlack, flights: map[string]flight{}, fates: map[string]fate{},
	}
}

// lease is how long an event may stay with the agent: two harvests and its HTTP
// time-out. A shorter one doubled 16 % of 10,000 events in the 60 s mode.
func (w *wire) lease() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return 2*w.period + w.slack
}

func (w *wire) isConnected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connected
}

func (w *wire) counts() (sent, resent int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nTaken, w.nResent
}

// room is how many events and bytes may be handed to the agent now. It forgets
// flights whose lease has ended: the agent has dropped them.
func (w *wire) room(now time.Time) (events, size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, f := range w.flights {
		if !now.Before(f.until) {
			w.land(id)
		}
	}
	if now.Sub(w.window) >= w.period || now.Before(w.window) {
		w.window, w.sent = now, 0
	}
	pace := min(w.limit/2, maxPost)
	if pace > 0 {
		pace = max(pace/w.shrink, 1)
	}
	events = min(pace-w.sent, min(w.limit, maxPost)-len(w.flights))
	return max(events, 0), max(maxPostBytes-w.bytes, 0)
}

// launch notes an event that is about to be handed over.
func (w *wire) launch(id string, size int, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.land(id)
	w.flights[id] = flight{size: size, until: until}
	w.bytes += size
	w.sent++
	delete(w.fates, id) // an older post's fate is no longer this one's
}

// land forgets a flight; the caller holds mu.
func (w *wire) land(id string) {
	if f, ok := w.flights[id]; ok {
		w.bytes -= f.size
		delete(w.flights, id)
	}
}

// posted notes the fate of a post. An event that was taken once stays taken.
func (w *wire) posted(ids []string, f fate, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posting--
	for _, id := range ids {
		if old, ok := w.fates[id]; ok && old == taken {
			continue
		}
		w.fates[id] = f
		if f != kept {
			w.land(id)
		} else if fl, ok := w.flights[id]; ok {
			fl.until = now.Add(2*w.period + w.slack)
			w.flights[id] = fl
		}
	}
	if f == taken {
		w.nTaken += int64(len(ids))
		w.shrink = max(w.shrink/2, 1)
	} else {
		w.nResent += int64(len(ids))
	}
}

// begin notes that a post of events is on its way.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posting++
}

// quiet reports that no post of events is on its way.
func (w *wire) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.posting == 0
}

// answered notes a status: 0 for a transport error.
func (w *wire) answered(method string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	good := status == http.StatusOK || status == http.StatusAccepted
	w.connected = good && (w.connected || method != "preconnect")
	if status == http.StatusRequestEntityTooLarge && method == customEvents {
		w.shrink = min(2*w.shrink, maxPost)
	}
	if status == http.StatusGone {
		select {
		case w.gone <- struct{}{}:
		default: // already told
		}
	}
}

// learn reads the pace out of a connect reply.
func (w *wire) learn(period time.Duration, limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.period, w.limit = period, limit
}

func (w *wire) takeOutcomes() outcomes {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.fates) == 0 {
		return outcomes{}
	}
	var o outcomes
	for id, f := range w.fates {
		switch f {
		case taken:
			o.taken = append(o.taken, id)
		case kept:
			o.kept = append(o.kept, id)
		case freed:
			o.freed = append(o.freed, id)
		}
	}
	w.fates = map[string]fate{}
	return o
}

// putBack returns outcomes that could not be written; newer ones win, save that taken stays taken.
func (w *wire) putBack(o outcomes) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range o.taken {
		w.fates[id] = taken
	}
	for f, ids := range map[fate][]string{kept: o.kept, freed: o.freed} {
		for _, id := range ids {
			if _, newer := w.fates[id]; !newer {
				w.fates[id] = f
			}
		}
	}
}

// customEvents is the collector's method for our events.
const customEvents = "custom_event_data"

// transport stands under the agent, which drops events without telling: it
// reads which events a post holds and what the answer means for them.
type transport struct {
	next http.RoundTripper
	wire *wire
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	method := req.URL.Query().Get("method")
	var ids []string
	if method == customEvents {
		var err error
		if ids, err = postedIDs(req); err != nil {
			return nil, fmt.Errorf("read own events: %w", err)
		}
	}
	if len(ids) > 0 {
		t.wire.begin()
	}
	resp, err := t.next.RoundTrip(req)
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	t.wire.answered(method, status)
	if len(ids) > 0 {
		t.wire.posted(ids, fateOf(status), time.Now())
	}
	if err == nil && method == "connect" && status == http.StatusOK {
		return t.connected(resp)
	}
	return resp, err
}

// fateOf follows go-agent v3.45.0, collector.go, ShouldSaveHarvestData.
func fateOf(status int) fate {
	switch status {
	case http.StatusOK, http.StatusAccepted:
		return taken
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
		return kept
	}
	return freed
}

// connected reads the pace from the reply and hands the reply on unread.
func (t *transport) connected(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	closeErr := resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read connect reply: %w", err)
	}
	if closeErr != nil {
		return nil, fmt.Errorf("close connect reply: %w", closeErr)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	t.wire.learn(pace(body))
	return resp, nil
}

// pace is the harvest period and event limit of a connect reply; what it does
// not say is the agent's default.
func pace(reply []byte) (time.Duration, int) {
	var r struct {
		Value struct {
			Collect *bool `json:"collect_custom_events"`
			Harvest struct {
				Period int64 `json:"report_period_ms"`
				Limits struct {
					Custom *int `json:"custom_event_data"`
				} `json:"harvest_limits"`
			} `json:"event_harvest_config"`
		} `json:"return_value"`
	}
	period, limit := defaultPeriod, defaultLimit
	if err := json.Unmarshal(reply, &r); err != nil {
		return period, limit // the agent will refuse it too
	}
	if h := r.Value.Harvest; h.Period > 0 {
		period = max(time.Duration(h.Period)*time.Millisecond, time.Second) // the agent's harvest clock ticks once a second
		if h.Limits.Custom != nil {
			limit = max(*h.Limits.Custom, 0)
		}
	}
	if c := r.Value.Collect; c != nil && !*c {
		limit = 0
	}
	return period, limit
}

// postedIDs reads the event ids out of a request without using up its body.
func postedIDs(req *http.Request) ([]string, error) {
	if req.GetBody == nil {
		return nil, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	zr, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(zr, maxBodyBytes))
	if err != nil {
		return nil, err
	}
	return idsIn(plain), nil
}

// idsIn finds the values of "eventId" in JSON. A text that holds the same words
// has its quotes escaped, so it cannot match.
func idsIn(plain []byte) []string {
	mark := []byte(`"eventId":"`)
	var ids []string
	for {
		i := bytes.Index(plain, mark)
		if i < 0 {
			return ids
		}
		plain = plain[i+len(mark):]
		end := bytes.IndexByte(plain, '"')
		if end < 0 {
			return ids
		}
		ids = append(ids, string(plain[:end]))
	}
}
