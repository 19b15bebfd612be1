package fakepd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Fault is one way to misbehave, posted to /_fault as JSON. Its parts combine:
// {"delay":"11s","late":"55s"} is a call that times out at the sender and is
// processed long after. The first fault that matches an event applies.
type Fault struct {
	// Status answers with this HTTP status instead of processing. Range: 400 to 599.
	Status int `json:"status,omitempty"`
	// RetryAfter is sent with the status; "" sends none. Whole seconds.
	RetryAfter Duration `json:"retry_after,omitempty"`
	// Processed processes the event although the answer says otherwise.
	Processed bool `json:"processed,omitempty"`
	// Delay is how long the answer waits after the event was processed. At most 10m.
	Delay Duration `json:"delay,omitempty"`
	// Late is how long after its arrival the event is processed; the answer does not wait. At most 10m.
	Late Duration `json:"late,omitempty"`
	// Lost processes the event and closes the connection instead of answering.
	Lost bool `json:"lost,omitempty"`
	// Drop answers 202 and forgets the event, as a service in maintenance does.
	Drop bool `json:"drop,omitempty"`
	// Close closes the connection; nothing is processed.
	Close bool `json:"close,omitempty"`
	// Hole never answers: the caller waits until it gives up. Nothing is processed, unless
	// Processed says so.
	Hole bool `json:"hole,omitempty"`
	// Torn breaks the connection in the middle of the answer's body; the event was processed.
	Torn bool `json:"torn,omitempty"`
	// Unreached fails before a request is sent: "dns" or "tls". Only for a Server that is a
	// client's Transport; over a socket use a name that does not exist, or https to a plain port.
	Unreached string `json:"unreached,omitempty"`
	// PerMinute answers 429 when a routing key had this many events accepted in the last minute.
	PerMinute int `json:"per_minute,omitempty"`

	// Count ends the fault after so many events; 0 goes on until DELETE /_fault.
	Count int `json:"count,omitempty"`
	// Probability is the share of matching events it hits, over 0 to 1; 0 means all.
	Probability float64 `json:"probability,omitempty"`
	// Action, RoutingKey and DedupKey narrow it to such events; "" means any.
	Action     string `json:"action,omitempty"`
	RoutingKey string `json:"routing_key,omitempty"`
	DedupKey   string `json:"dedup_key,omitempty"`

	// REST makes it a fault of the REST API instead of the Events API; Method and Path (a
	// prefix, such as "/incidents") narrow it. With status, processed, delay, lost, close, hole and torn.
	REST   bool   `json:"rest,omitempty"`
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`

	// WebhookCopies sends each webhook this many times while the fault is on. At most 20.
	WebhookCopies int `json:"webhook_copies,omitempty"`
	// WebhookReorder collects so many webhooks, at most a second long, and sends the last first. At most 20.
	WebhookReorder int `json:"webhook_reorder,omitempty"`
	// WebhookReplay sends each webhook once more after so long. At most 10m.
	WebhookReplay Duration `json:"webhook_replay,omitempty"`
	// WebhookForge also sends, before each webhook, one with a wrong signature that says the
	// incident was resolved by mallory.
	WebhookForge bool `json:"webhook_forge,omitempty"`
	// WebhookOdd also sends, after each webhook, one of a type that nobody knows.
	WebhookOdd bool `json:"webhook_odd,omitempty"`
}

// webhooks reports whether the fault is about webhooks only.
func (f Fault) webhooks() bool {
	g := Fault{
		WebhookCopies: f.WebhookCopies, WebhookReorder: f.WebhookReorder, WebhookReplay: f.WebhookReplay,
		WebhookForge: f.WebhookForge, WebhookOdd: f.WebhookOdd,
	}
	return f == g && g != Fault{}
}

// Duration is a time.Duration that is written like "1.5s" in JSON.
type Duration time.Duration

// MarshalText writes "1.5s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "1.5s".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

const (
	maxFaults     = 100
	maxFaultDelay = Duration(10 * time.Minute)
	maxCopies     = 20
	maxRateKeys   = 1000
)

var errFaults = errors.New("too many faults: DELETE /_fault first")

// parseFault reads a fault and refuses what makes no sense.
func parseFault(body []byte) (Fault, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var f Fault
	if err := d.Decode(&f); err != nil {
		return Fault{}, err
	}
	return f, f.check()
}

func (f Fault) check() error {
	switch {
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d is no failure; give 400 to 599", f.Status)
	case f.WebhookReplay < 0 || f.WebhookReplay > maxFaultDelay, f.Delay < 0 || f.Delay > maxFaultDelay, f.Late < 0 || f.Late > maxFaultDelay, f.RetryAfter < 0:
		return errors.New("delay and late are 0s to 10m, retry_after is not negative")
	case f.Probability < 0 || f.Probability > 1:
		return errors.New("probability is over 0 to 1")
	case f.Count < 0 || f.PerMinute < 0 || f.WebhookCopies < 0 || f.WebhookCopies > maxCopies, f.WebhookReorder < 0 || f.WebhookReorder > maxCopies:
		return errors.New("count and per_minute are not negative, webhook_copies is 0 to 20")
	case f.Action != "" && f.Action != trigger && f.Action != acknowledge && f.Action != resolve:
		return errors.New("action is trigger, acknowledge or resolve")
	case f == Fault{REST: f.REST, Method: f.Method, Path: f.Path, Count: f.Count, Probability: f.Probability, Action: f.Action, RoutingKey: f.RoutingKey, DedupKey: f.DedupKey}:
		return errors.New("the fault does nothing; give status, delay, late, lost, drop, close, hole, torn, per_minute or webhook_copies")
	}
	return f.contradicts()
}

// contradicts says which parts of a fault exclude each other.
func (f Fault) contradicts() error {
	switch {
	case f.Drop && f.Late != 0, f.Close && (f.Status != 0 || f.Lost || f.Drop), f.Status != 0 && (f.Lost || f.Drop):
		return errors.New("close, drop, lost, late and status exclude each other where they contradict")
	case f.Unreached != "" && (f.Unreached != "dns" && f.Unreached != "tls" || f.Action != "" || f.DedupKey != "" || f.RoutingKey != ""):
		return errors.New("unreached is dns or tls, and hits every event")
	case f.Hole && (f.Status != 0 || f.Lost || f.Drop || f.Close || f.Torn || f.Delay != 0 || f.Late != 0):
		return errors.New("hole stands alone, or with processed")
	case f.Torn && (f.Lost || f.Close):
		return errors.New("torn, lost and close exclude each other")
	case !f.REST && (f.Method != "" || f.Path != ""):
		return errors.New("method and path are for faults of the REST API: add rest")
	case f.REST && (f.Late != 0 || f.Drop || f.PerMinute != 0 || f.Action != "" || f.RoutingKey != "" || f.DedupKey != "" || f.WebhookCopies != 0):
		return errors.New("a fault of the REST API has status, processed, delay, lost, close, hole, torn, method and path")
	}
	return nil
}

// faults are the ones switched on. The Server's mutex guards them.
type faults struct {
	list []*Fault
	rng  *rand.Rand
	rate map[string][]time.Time // accepted events of the last minute by routing key
}

func newFaults(seed uint64) *faults {
	return &faults{rng: rand.New(rand.NewPCG(seed, 1)), rate: map[string][]time.Time{}}
}

func (fs *faults) add(f Fault) error {
	if len(fs.list) >= maxFaults {
		return errFaults
	}
	fs.list = append(fs.list, &f)
	return nil
}

// pick returns the fault for an event and counts it; the zero Fault is none.
func (fs *faults) pick(e event, now time.Time) Fault {
	for i, f := range fs.list {
		if f.webhooks() {
			continue
		}
		if f.REST || f.Unreached != "" || !f.matches(e) || (f.PerMinute > 0 && !fs.over(e.RoutingKey, f.PerMinute, now)) {
			continue
		}
		if hit, ok := fs.strike(i); ok {
			return hit
		}
	}
	return Fault{}
}

// pickUnreached returns what keeps a request from being sent; "" is nothing.
func (fs *faults) pickUnreached(rest bool) string {
	for i, f := range fs.list {
		if f.Unreached != "" && f.REST == rest {
			if hit, ok := fs.strike(i); ok {
				return hit.Unreached
			}
		}
	}
	return ""
}

// pickREST returns the fault for a REST call and counts it; the zero Fault is none.
func (fs *faults) pickREST(method, path string) Fault {
	for i, f := range fs.list {
		if f.REST && f.Unreached == "" && (f.Method == "" || f.Method == method) && strings.HasPrefix(path, f.Path) {
			if hit, ok := fs.strike(i); ok {
				return hit
			}
		}
	}
	return Fault{}
}

// strike uses a fault once, if its probability lets it.
func (fs *faults) strike(i int) (Fault, bool) {
	f := fs.list[i]
	if f.Probability > 0 && fs.rng.Float64() >= f.Probability {
		return Fault{}, false
	}
	hit := *f
	if f.Count > 0 {
		f.Count--
		if f.Count == 0 {
			fs.list = append(fs.list[:i], fs.list[i+1:]...)
		}
	}
	return hit, true
}

func (f *Fault) matches(e event) bool {
	return (f.Action == "" || f.Action == e.Action) && (f.RoutingKey == "" || f.RoutingKey == e.RoutingKey) &&
		(f.DedupKey == "" || f.DedupKey == e.DedupKey)
}

// over reports whether a routing key has used up its minute.
func (fs *faults) over(key string, perMinute int, now time.Time) bool {
	return len(fs.recent(key, now)) >= perMinute
}

func (fs *faults) recent(key string, now time.Time) []time.Time {
	times := fs.rate[key]
	for len(times) > 0 && now.Sub(times[0]) >= time.Minute {
		times = times[1:]
	}
	return times
}

// accepted counts an event for the rate limit.
func (fs *faults) accepted(key string, now time.Time) {
	if len(fs.rate) >= maxRateKeys {
		clear(fs.rate)
	}
	fs.rate[key] = append(fs.recent(key, now), now)
}

// retry says how long until a routing key has room again.
func (fs *faults) retry(key string, now time.Time) time.Duration {
	times := fs.recent(key, now)
	if len(times) == 0 {
		return time.Second
	}
	return max(times[0].Add(time.Minute).Sub(now), time.Second)
}

// webhook is all that is on for webhooks now.
func (fs *faults) webhook() Fault {
	all := Fault{WebhookCopies: 1}
	for _, f := range fs.list {
		all.WebhookCopies = max(all.WebhookCopies, f.WebhookCopies)
		all.WebhookReorder = max(all.WebhookReorder, f.WebhookReorder)
		all.WebhookReplay = max(all.WebhookReplay, f.WebhookReplay)
		all.WebhookForge = all.WebhookForge || f.WebhookForge
		all.WebhookOdd = all.WebhookOdd || f.WebhookOdd
	}
	return all
}
