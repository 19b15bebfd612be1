// Package probe looks at things the way visitors do and says what it saw.
//
// It owns checks, locations, the scheduler and one file per kind of check. It
// does not know incidents, people, SQL, YAML nodes or New Relic: results leave
// through a [Sink].
package probe

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Outcome is what one probe of one slot from one location was. The zero value
// is Unknown: whatever was not proven good or bad. The numbers are stored.
type Outcome int16

// The outcomes.
const (
	Unknown Outcome = 0 // could not be told: late, suspect, not run
	Good    Outcome = 1 // every expectation was met
	Bad     Outcome = 2 // an expectation was not met
)

// String returns "unknown", "good" or "bad".
func (o Outcome) String() string {
	switch o {
	case Good:
		return "good"
	case Bad:
		return "bad"
	case Unknown:
	}
	return "unknown"
}

// Class is a short, bounded word for why a look failed; it is safe as a metric
// label and is stored.
type Class string

// The failure classes.
const (
	ClassDNS     Class = "dns"     // the name did not resolve, or resolved to the wrong values
	ClassConnect Class = "connect" // refused, unreachable, reset before a reply
	ClassTLS     Class = "tls"     // handshake, chain, host name, version or days left
	ClassTimeout Class = "timeout" // the deadline passed
	ClassStatus  Class = "status"  // an answer with the wrong code
	ClassBody    Class = "body"    // the answer's body (or banner, or size) is not what was expected
	ClassHeader  Class = "header"  // a header is not what was expected
	ClassLatency Class = "latency" // right, but slower than latency_under
	ClassMissed  Class = "missed"  // a heartbeat did not come in time
	ClassLost    Class = "lost"    // packets were lost (icmp)
	ClassBroken  Class = "broken"  // the checker itself failed (a bug or a missing right)
)

// Phases is how long each part of a look took; zero where there was none.
type Phases struct {
	DNS, Connect, TLS, FirstByte, Transfer time.Duration
}

// Fault says why a look failed, with the evidence. The zero value means no
// fault.
type Fault struct {
	Class   Class
	Phase   string // dns, connect, tls, first_byte, transfer, expect
	Step    string // of a journey: the name of the step that failed; "" otherwise
	Message string // one sentence, at most 500 bytes, no secrets
	Body    []byte // the first 2 KiB of what was answered, nil when there was none
}

// Look is what one attempt saw.
type Look struct {
	OK bool
	// Blind means that the checker could not look at all (no permission for
	// ICMP, no heartbeat expected yet): neither good nor bad. Fault then says why.
	Blind   bool
	Fault   Fault
	Code    int           // HTTP status or DNS rcode; 0 when there was none
	Latency time.Duration // from the start to the last byte read
	// Limit is the latency_under that the look was judged by; zero when there is
	// none. The runner weighs its own lag against it.
	Limit        time.Duration
	Phases       Phases
	Bytes        int64  // bytes of body read
	RemoteAddr   string // the address that answered, "" when none
	CertNotAfter time.Time
	// Steps are those of a journey in the order they were made, its clean-up last;
	// at most 50, nil for other kinds. Phases and Bytes are their sums without the
	// clean-up.
	Steps []StepLook
}

// StepLook is what one step of a journey saw.
type StepLook struct {
	Name    string
	Cleanup bool // it belongs to the clean-up: its failure does not make the look bad
	Skipped bool // it was not made: an earlier step failed, or a value that it needs is missing
	OK      bool
	Code    int           // HTTP status; 0 when there was none
	Began   time.Duration // from the start of the look
	Latency time.Duration // from the start of the step to the last byte read
	Phases  Phases
	Bytes   int64
	Message string // why it failed or was skipped, at most 500 bytes, no secrets; "" when it is OK
}

// Checker looks at one target. Check must return soon after ctx is done and
// must not panic for bad answers. Implementations are safe for concurrent use:
// several locations share one Checker.
type Checker interface {
	Check(ctx context.Context) Look
}

// Kind is the configuration of one kind of check. Each kind is one file here
// and one line in config/kinds.go.
type Kind interface {
	// Validate calls report for every mistake; path is relative to the kind's
	// block ("url", "expect.status[0]"), msg says what is wrong and what would be right.
	Validate(report func(path, msg string))
	// Target is the address for people: a URL, host:port, a name.
	Target() string
	// Checker makes the checker. Env carries what a kind may need from outside.
	Checker(env Env) (Checker, error)
}

// Env is what kinds may need beside their own block.
type Env struct {
	Name    string        // the check's name
	Every   time.Duration // the check's interval
	Timeout time.Duration // per attempt
	Beats   *Beats        // heartbeats received so far; nil when there are none
	// Variables gives the values that this process knows and no file holds, such as
	// "site.code"; false while there is none. It is asked at each look, by many at
	// once. Nil: there are none.
	Variables func(name string) (Secret, bool)
	// ProbeKey signs the requests of checks that ask for it and have no key of
	// their own; "" when there is none.
	ProbeKey Secret
	// Now is the clock that heartbeats are told by; nil means time.Now.
	Now func() time.Time
}

// Check is one thing to look at.
type Check struct {
	Name    string
	Kind    string // "http", "tcp", …
	Target  string
	Every   time.Duration // slot length; divides 15 min, or is a multiple of 15 min that divides a day
	Timeout time.Duration // one attempt's deadline; at most Every
	Retries int           // further attempts inside the slot after a bad one; the last decides
	// Quorum is how many locations must fail for a slot to be bad; never 0 here
	// (config sets the default: more than half).
	Quorum    int
	Locations []string
	Checker   Checker
	// Spec is the canonical JSON of the configuration, without secrets. A check
	// whose Spec, Every, Quorum and Locations are unchanged keeps its phase over a reload.
	Spec string
}

// Result is the outcome of one slot (or one extra look) from one location.
type Result struct {
	Check    string
	Location string
	Slot     time.Time // UTC start of the slot the look belongs to
	// Extra marks a look beside the slots: a confirmation, or one of a slot that
	// has its result already because the clock was set back. It is evidence for the
	// incident, not for the ledger, and never stored as a slot's result.
	Extra bool
	// Repeat marks an Extra look of a slot that has its result already: the clock was set
	// back. For incidents it counts as the slot's.
	Repeat bool
	// Round tells which looks belong together: the slot's start for ordinary
	// looks, the moment of asking for confirmations, the slot's end for looks after
	// a step back of the clock (UTC, unix nanoseconds).
	Round    int64
	Started  time.Time     // UTC, when the first attempt began
	Lag      time.Duration // how late the look started against its plan
	Outcome  Outcome
	Cause    string // why Unknown: "late", "suspect", "missed", "blind", "shutdown"; "" otherwise
	Attempts int
	Look     Look // the last attempt
}

// Soft reports a slot that was good only after a retry.
func (r Result) Soft() bool { return r.Outcome == Good && r.Attempts > 1 }

// Sink receives results. Record must not block: it is called on the probing
// goroutines, many at once.
type Sink interface {
	Record(r Result)
}

// Store keeps results for good. Insert is idempotent per (check, location,
// slot): storing twice is storing once. Extra results are ignored.
type Store interface {
	Insert(ctx context.Context, rs []Result) error
}

// Secret is a configuration value that is never printed: every formatting verb,
// slog and JSON show "REDACTED". The zero value means not set.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "REDACTED"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// Format hides the value from every verb: without it %d of a text shows the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the value itself; use it only where it leaves for its owner.
func (s Secret) Reveal() string { return string(s) }
