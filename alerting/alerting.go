// Package alerting turns results into incidents and incidents into owed pages.
//
// The pure part is [Decide]; [Engine] feeds it from memory, writes each
// decision, its timeline and the owed pages through a [Store] in one step, and
// a separate [Deliverer] sends them. It knows neither SQL nor PagerDuty.
package alerting

import (
	"context"
	"errors"
	"time"

	"keepwatch/oncall"
	"keepwatch/probe"
)

// State is where an incident stands.
type State string

// The states.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Resolved     State = "resolved"
)

// Incident is one episode of a service failing, or an alarm. ID is derived from the service
// and the episode's start ("kw-image-site-1763805600"), so a replay or a second
// daemon cannot double it; the dedup keys of its pages begin with it (see [IncidentOf]).
type Incident struct {
	ID      string
	Service string
	State   State
	// Version counts changes, from 1. A stored incident is replaced only by a higher version.
	Version int64
	// Started is the first bad slot of the episode; Opened is when it was confirmed.
	Started, Opened, Acknowledged, Resolved time.Time
	AckBy                                   string // who acknowledged; "" when nobody did
	Summary                                 string
	Checks                                  []string // failing checks, sorted
	// Level is the index of the next escalation level to page; Round counts repeats from 0.
	Level, Round int
	// NextActionAt is when the next level is due; zero when nothing is due
	// (acknowledged, resolved, or the ladder is at its end).
	NextActionAt time.Time
	// Policy is the escalation policy as it was when the incident opened.
	Policy oncall.Policy
	// Alarm is the name of the alarm that opened it; "" when checks did.
	Alarm string
	// Severity is how bad it is, as it was at the opening; "" counts as Critical.
	Severity Severity

	Course
}

// Entry is one line of an incident's timeline. Seq is unique in the incident.
type Entry struct {
	Incident string
	Seq      int64 // Version*1000 + n, so that two writers of one version agree
	At       time.Time
	Kind     string // opened, escalated, acknowledged, resolved, delivered, failed, fallback, note, cancelled, held, released, recovering, reopened, expired
	Person   string
	Text     string
}

// Action is what a page asks the channel to do.
type Action string

// The actions, in the words of PagerDuty's Events API v2.
const (
	Trigger     Action = "trigger"
	Acknowledge Action = "acknowledge"
	Resolve     Action = "resolve"
)

// PageState is what a person can read about a page.
type PageState string

// The page states. Queued and Sending are unfinished.
const (
	Queued    PageState = "queued"    // owed, not yet tried or to be tried again
	Sending   PageState = "sending"   // claimed by a deliverer until LeaseUntil
	Accepted  PageState = "accepted"  // the channel took it; not yet proof that it rang
	Rejected  PageState = "rejected"  // the channel refuses it for good; a fallback went out
	Cancelled PageState = "cancelled" // the incident recovered before any attempt was accepted or unsure
)

// Unfinished reports whether the page still has to be sent, or sent again.
func (s PageState) Unfinished() bool { return s == Queued || s == Sending }

// Message is what a page says. Plain data, stored as JSON with the page.
type Message struct {
	Summary   string            `json:"summary"`  // at most 1,024 characters
	Source    string            `json:"source"`   // the service
	Severity  string            `json:"severity"` // critical, error, warning, info
	Time      time.Time         `json:"time"`     // when the episode began, UTC
	Component string            `json:"component,omitempty"`
	Details   map[string]string `json:"details,omitempty"`
	Link      string            `json:"link,omitempty"` // the incident's page on the console
	AckLink   string            `json:"ack_link,omitempty"`
	// Text makes it a notice: a letter for reading, which rings nobody and asks for no
	// acknowledgement. Only channels that carry letters (e-mail) are given one.
	Text string `json:"text,omitempty"`
}

// Page is one notification owed to a person through a channel.
type Page struct {
	ID       string // "<incident>/<version>/<n>": replaying a change owes nothing twice
	Incident string
	Seq      int64  // order within (Route, DedupKey)
	Channel  string // name of the notifier: "pagerduty", or a fallback channel's name
	Route    string // reference to a routing key ("service", "person:ada"), never the key itself
	DedupKey string
	Action   Action
	Person   string // YAML key of who is to be woken; "" when the channel decides
	Level    int
	Message  Message
	Fallback bool // sent because another channel did not accept in time

	State      PageState
	Created    time.Time
	Due        time.Time // not before
	LeaseUntil time.Time
	Epoch      int64 // grows with each claim; fences late writers
	Attempts   int   // those that left this machine, or may have
	FirstTried time.Time
	UnsureAt   time.Time // last outcome that may or may not have been processed
	AcceptedAt time.Time
	LastStatus int
	LastError  string // one sentence, no secrets
	FellBack   bool   // fallback pages were already owed for this one

	// VerifiedAt is when the page was last looked up at its channel; zero when it
	// never was, or could not be.
	VerifiedAt time.Time
	Proof      Proof     // what the last look showed; "" before it
	Ringing    string    // who is rung, or who acknowledged, in the channel's words; "" when nobody
	RingingAt  time.Time // since when
}

// Change is one decision with everything it owes. It is applied whole or not at all.
type Change struct {
	Incident Incident
	Entries  []Entry
	Pages    []Page
}

// Settlement is the outcome of one attempt to send a page. It is ignored when
// the page's Epoch is no longer Epoch (a late writer).
type Settlement struct {
	Page     Page // with State, Due, UnsureAt, AcceptedAt, Attempts … as they shall be
	Entries  []Entry
	Fallback []Page // further pages owed because of this outcome
}

// Store keeps incidents, timelines and the outbox of pages. There are two
// implementations (postgres and spool) and one conformance suite
// (alerting/storetest). All methods are safe for concurrent use, idempotent,
// and take the time as a parameter.
type Store interface {
	// Apply writes a change in one transaction. An incident is replaced only by a
	// higher Version; entries and pages that exist already are left alone. New
	// pages are stored with the state they carry (a replay may bring accepted ones).
	// A change with a lower Version than the stored one is ignored whole: its pages
	// are those of a late writer. An incident of Version 0 is not written (pages only).
	Apply(ctx context.Context, c Change) error
	// OpenIncidents returns all incidents that are not resolved, oldest first.
	OpenIncidents(ctx context.Context) ([]Incident, error)
	// Claim leases up to limit due pages until now+lease: state Queued with Due
	// <= now, or Sending with LeaseUntil <= now, and no older (smaller Seq) unfinished page
	// of the same (Channel, Route, DedupKey). Oldest critical trigger first. Claiming sets Sending,
	// LeaseUntil and Epoch+1; a reclaimed expired lease sets UnsureAt to now.
	Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Page, error)
	// Settle writes the outcome of an attempt, its timeline and its fallback pages in one transaction.
	Settle(ctx context.Context, s Settlement) error
	// Pages returns the pages of an incident, in order of creation (Created, then
	// Seq, then ID); none for an incident that does not exist.
	Pages(ctx context.Context, incident string) ([]Page, error)
	// Backlog counts the pages that are not finished, for health.
	Backlog(ctx context.Context) (Backlog, error)
}

// Backlog is what is still owed: pages that are Queued or Sending.
type Backlog struct {
	Pages  int
	Oldest time.Time // Created of the oldest of them; zero when there is none
}

// ErrNotFound is returned for an incident that does not exist.
var ErrNotFound = errors.New("no such incident")

// Class is how an attempt to send a page ended (paging-spec 2.2).
type Class string

// The classes of outcome.
const (
	Taken    Class = "accepted" // 202
	Refused  Class = "rejected" // 400, 413 also after the minimal payload
	Setup    Class = "config"   // 401, 403, 404: a person must mend the configuration
	Again    Class = "retry"    // safe to repeat: 408, 429, 5xx, not yet written
	Doubtful Class = "unknown"  // written, no answer: it may have been processed
)

// Receipt is what a notifier learned from one attempt.
type Receipt struct {
	Class      Class
	Status     int           // protocol status, 0 when none
	RetryAfter time.Duration // asked for by the channel; 0 when not
	Detail     string        // one sentence for a person, no secrets
}

// unsent reports whether nothing left this machine: no channel or key was there to send with.
func (r Receipt) unsent() bool { return r.Class == Setup && r.Status == 0 }

// Notifier sends pages through one channel. Send has its own deadline (at most
// 10 s), never panics, and always returns a class. Safe for concurrent use.
type Notifier interface {
	Send(ctx context.Context, p Page) Receipt
}

// CheckRule is what the engine must know of a critical check.
type CheckRule struct {
	Name      string
	Locations []string
	Quorum    int           // locations that must fail
	Every     time.Duration // slot length
	Timeout   time.Duration // longest a whole look may take, retries included
}

// Rule is when a service is failing and whom that concerns.
type Rule struct {
	Service string
	Checks  []CheckRule // one bad check makes the service bad, unless it is in Redundant
	Confirm int         // quorum-bad looks in a row that open an incident; at least 1
	Recover int         // quorum-good looks in a row of every failing check that resolve it; at least 1
	Policy  oncall.Policy
	// Severity is how bad it is when the service fails; "" counts as Critical.
	Severity Severity
	// Redundant are groups of Checks that stand in for each other.
	Redundant []Redundancy
	// DependsOn are the services without which this one cannot work. While one of
	// them has an open incident, this one's pages nobody.
	DependsOn []string
	// Reopen is how long a recovered incident is kept open in case the service
	// fails anew; 0 resolves it at once.
	Reopen time.Duration
}

// Verdict is what all locations of a check together said in one round.
type Verdict struct {
	Check   string
	Round   int64
	At      time.Time // when the round was decided, UTC
	Slot    time.Time // slot the round belongs to
	Extra   bool
	Outcome probe.Outcome
	Failing []string    // locations that said bad
	Fault   probe.Fault // of the first failing location
	Code    int
}
