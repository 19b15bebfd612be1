// Package nrfake stands in for New Relic's collector. It speaks the agent's
// protocol 17 over TLS, refuses what the real service would refuse, and
// misbehaves on demand. It is a test double and a game-day tool; it knows nothing
// of Keepwatch.
package nrfake

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Limits of the real service.
const (
	keyLength    = 40
	maxPostBytes = 1_000_000 // after gzip
	keptBodies   = 2_000     // the newest bodies, for a look at what left
	keptEvents   = 1_000_000
	keptNotes    = 1_000
)

// Options are how the collector behaves. The zero value answers like the real
// one: a harvest every 5 s, 8,333 events in it, any key.
type Options struct {
	Key    string        // the only key accepted; "": every key of 40 characters
	Period time.Duration // report_period_ms; default 5 s
	Limit  int           // custom events per harvest; default 8,333; negative: none are wanted
	// Slow leaves event_harvest_config out of the connect reply: the agent then harvests once a minute.
	Slow bool
	// Host is told to agents as the address of all calls after the first, host:port.
	// Default: the Host header of the request.
	Host string
}

// Fault is how answers go wrong. The zero value is no fault.
type Fault struct {
	Method string // which method, "" all but preconnect and connect, "*" all
	Status int    // answer this instead of 202; 0: no wrong status
	Store  bool   // keep the data all the same: the answer is lost, not the data
	Hang   bool   // do not answer until the client gives up or the fault is lifted
	Times  int    // how often; 0: until lifted
}

// Event is one custom event that arrived.
type Event struct {
	Type  string
	ID    string // its eventId attribute
	Attrs map[string]json.RawMessage
	At    time.Time // arrival
}

// Collector is the stand-in: an [http.Handler]. Made by [New]; safe for concurrent use.
type Collector struct {
	opts Options

	mu           sync.Mutex // guards all below
	fault        Fault
	lifted       chan struct{} // closed when the fault changes
	changed      chan struct{} // closed at each change of what arrived
	runs         int
	run          string // the current agent_run_id
	events       []Event
	unique       map[string]int
	transactions []string
	bodies       [][]byte
	posts        map[string]int // by method and status, "custom_event_data 202"
	violations   []string
}

// New makes a collector.
func New(o Options) *Collector {
	if o.Period == 0 {
		o.Period = 5 * time.Second
	}
	if o.Limit == 0 {
		o.Limit = 8_333
	}
	return &Collector{
		opts: o, lifted: make(chan struct{}), changed: make(chan struct{}),
		unique: map[string]int{}, posts: map[string]int{},
	}
}

// Set makes answers go wrong from now on; the zero Fault lifts it.
func (c *Collector) Set(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
	close(c.lifted)
	c.lifted = make(chan struct{})
}

// Unique returns how often each event id arrived.
func (c *Collector) Unique() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.unique)
}

// Events returns what arrived, in order.
func (c *Collector) Events() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// Transactions returns the names of the web transactions that arrived.
func (c *Collector) Transactions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.transactions)
}

// Bodies returns the newest bodies of every method, unzipped.
func (c *Collector) Bodies() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.bodies)
}

// Posts returns how often a method was answered with a status; status 0 counts hung calls.
func (c *Collector) Posts(method string, status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.posts[method+" "+strconv.Itoa(status)]
}

// Violations returns what the real service would have refused.
func (c *Collector) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.violations)
}

// Wait blocks until cond holds; it is asked again after each call that
// arrived. The error is ctx's.
func (c *Collector) Wait(ctx context.Context, cond func() bool) error {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refusedError carries the status of an answer to a bad call.
type refusedError struct {
	status int
	why    string
}

func (e *refusedError) Error() string { return e.why }

func refuse(status int, format string, args ...any) error {
	return &refusedError{status: status, why: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one call of an agent.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.URL.Query().Get("method")
	status, reply := c.answer(r, method)
	c.mu.Lock()
	c.posts[method+" "+strconv.Itoa(status)]++
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	if status == 0 { // hung: there is nobody to answer any more
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(reply) //nolint:gosec // JSON for an agent, not a page; it may have gone, then it calls again
}

// answer does one call and returns the status and body of the answer.
func (c *Collector) answer(r *http.Request, method string) (int, []byte) {
	body, err := c.check(r, method)
	if err != nil {
		return c.refused(method, err)
	}
	f, lifted, on := c.faultFor(method)
	if on && !f.Store {
		if f.Hang {
			return c.hang(r, lifted)
		}
		return f.Status, []byte(`{"exception":{"message":"as ordered","error_type":"Fault"}}`)
	}
	reply, err := c.take(method, r, body)
	if err != nil {
		return c.refused(method, err)
	}
	if on && f.Hang {
		return c.hang(r, lifted)
	}
	if on {
		return f.Status, []byte(`{}`)
	}
	if method == "preconnect" || method == "connect" {
		return http.StatusOK, reply
	}
	return http.StatusAccepted, reply
}

func (c *Collector) hang(r *http.Request, lifted <-chan struct{}) (int, []byte) {
	select {
	case <-r.Context().Done():
		return 0, nil
	case <-lifted:
		return http.StatusServiceUnavailable, []byte(`{}`)
	}
}

func (c *Collector) refused(method string, err error) (int, []byte) {
	status := http.StatusBadRequest
	if ref, ok := errors.AsType[*refusedError](err); ok {
		status = ref.status
	}
	c.note(method + ": " + err.Error())
	return status, []byte(`{"exception":{"message":"refused","error_type":"Refused"}}`)
}

func (c *Collector) note(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.violations) < keptNotes {
		c.violations = append(c.violations, why)
	}
}

func (c *Collector) faultFor(method string) (Fault, <-chan struct{}, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fault
	if f.Status == 0 && !f.Hang {
		return f, nil, false
	}
	setup := method == "preconnect" || method == "connect"
	if f.Method != "*" && f.Method != method && (f.Method != "" || setup) {
		return f, nil, false
	}
	if f.Times > 0 {
		if f.Times == 1 {
			c.fault = Fault{}
		} else {
			c.fault.Times--
		}
	}
	return f, c.lifted, true
}

// check is what the real service checks before it looks at the data.
func (c *Collector) check(r *http.Request, method string) ([]byte, error) {
	q := r.URL.Query()
	key := q.Get("license_key")
	switch {
	case r.Method != http.MethodPost:
		return nil, refuse(http.StatusMethodNotAllowed, "method %s", r.Method)
	case r.URL.Path != "/agent_listener/invoke_raw_method":
		return nil, refuse(http.StatusNotFound, "path %s", r.URL.Path)
	case q.Get("protocol_version") != "17" || q.Get("marshal_format") != "json":
		return nil, refuse(http.StatusBadRequest, "protocol %s, format %s", q.Get("protocol_version"), q.Get("marshal_format"))
	case len(key) != keyLength || c.opts.Key != "" && key != c.opts.Key:
		return nil, refuse(http.StatusUnauthorized, "a licence key that is not ours")
	case r.Header.Get("Content-Encoding") != "gzip":
		return nil, refuse(http.StatusUnsupportedMediaType, "encoding %q", r.Header.Get("Content-Encoding"))
	}
	packed, err := io.ReadAll(io.LimitReader(r.Body, maxPostBytes+1))
	if err != nil {
		return nil, refuse(http.StatusRequestTimeout, "body: %v", err)
	}
	if len(packed) > maxPostBytes {
		return nil, refuse(http.StatusRequestEntityTooLarge, "more than %d bytes", maxPostBytes)
	}
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, refuse(http.StatusUnsupportedMediaType, "gzip: %v", err)
	}
	body, err := io.ReadAll(io.LimitReader(zr, 64*maxPostBytes))
	if err != nil {
		return nil, refuse(http.StatusUnsupportedMediaType, "gzip: %v", err)
	}
	if !json.Valid(body) {
		return nil, refuse(http.StatusBadRequest, "the body is not JSON")
	}
	return body, c.checkRun(method, q.Get("run_id"))
}

func (c *Collector) checkRun(method, run string) error {
	if method == "preconnect" || method == "connect" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if run != c.run {
		return refuse(http.StatusConflict, "run %q, but the current one is %q", run, c.run)
	}
	return nil
}

// take keeps the data of a call.
func (c *Collector) take(method string, r *http.Request, body []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies = append(c.bodies, body)
	if len(c.bodies) > keptBodies {
		c.bodies = slices.Delete(c.bodies, 0, len(c.bodies)-keptBodies)
	}
	switch method {
	case "preconnect":
		host := c.opts.Host
		if host == "" {
			host = r.Host
		}
		return json.Marshal(map[string]any{"return_value": map[string]string{"redirect_host": host}})
	case "connect":
		return c.connect()
	case "custom_event_data":
		return []byte(`{"return_value":null}`), c.takeEvents(body)
	case "analytic_event_data":
		return []byte(`{"return_value":null}`), c.takeTransactions(body)
	case "metric_data", "error_data", "error_event_data", "span_event_data",
		"transaction_sample_data", "sql_trace_data", "log_event_data":
		return []byte(`{"return_value":null}`), nil
	}
	return nil, refuse(http.StatusBadRequest, "method %q is unknown", method)
}

// connect begins a new run; the caller holds mu.
func (c *Collector) connect() ([]byte, error) {
	c.runs++
	c.run = "run-" + strconv.Itoa(c.runs)
	value := map[string]any{"agent_run_id": c.run, "max_payload_size_in_bytes": maxPostBytes, "collect_custom_events": c.opts.Limit >= 0}
	if !c.opts.Slow {
		value["event_harvest_config"] = map[string]any{
			"report_period_ms": c.opts.Period.Milliseconds(),
			"harvest_limits": map[string]int{
				"analytic_event_data": 833, "custom_event_data": max(c.opts.Limit, 0), "error_event_data": 8, "log_event_data": 833, "span_event_data": 166,
			},
		}
	}
	return json.Marshal(map[string]any{"return_value": value})
}
