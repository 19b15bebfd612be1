package alerting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Proof is what a look at its channel shows of an accepted page. "Accepted" is
// only a promise: the channel may drop the event later without a word.
type Proof string

// The proofs. The zero value means that nobody has looked yet.
const (
	Ringing    Proof = "ringing"      // open there, and somebody is being rung
	Answered   Proof = "acknowledged" // somebody acknowledged it there
	Closed     Proof = "closed"       // it was open there and has been closed
	NoIncident Proof = "no incident"  // accepted, but no incident came of it
	Unassigned Proof = "unassigned"   // open there, and nobody is rung
	Suppressed Proof = "suppressed"   // taken there as an alert that rings nobody
	Mute       Proof = "unreachable"  // assigned there to somebody whom the channel cannot reach
	Elsewhere  Proof = "elsewhere"    // somebody is rung, but not the one who is owed the page
	Unreadable Proof = "unreadable"   // the channel could not be asked; that is no failure of the page
)

// Silent reports whether the page, although accepted, wakes nobody whom it shall wake.
func (p Proof) Silent() bool {
	switch p {
	case NoIncident, Unassigned, Suppressed, Mute, Elsewhere:
		return true
	case "", Ringing, Answered, Closed, Unreadable:
	}
	return false
}

// Evidence is the answer of one look.
type Evidence struct {
	Proof Proof
	// Who is rung (or acknowledged, or closed it), as the channel calls them; "" when nobody, or no person.
	Who string
	// Since is when that began; zero when the channel did not say.
	Since time.Time
	// Detail is one sentence for a person; "" when Proof says all.
	Detail string
}

// Verifier looks an accepted trigger up at its channel. It has its own deadline
// and is safe for concurrent use. An error means that the channel could not be
// asked, and its text says what a person must do.
type Verifier interface {
	Verify(ctx context.Context, p Page) (Evidence, error)
}

// Status says in one phrase how a page stands, for people: queued, being sent,
// accepted, ringing NAME since …, acknowledged by NAME, failed (why), fell back
// to …. in is the page's incident and pages are all of that incident's; zone nil is UTC.
func (p Page) Status(in Incident, pages []Page, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return p.stands(in, zone) + p.fellBackTo(pages)
}

func (p Page) stands(in Incident, zone *time.Location) string {
	clock := func(t time.Time) string { return t.In(zone).Format("15:04:05") }
	switch p.State {
	case Queued:
		switch {
		case p.Attempts == 0 && p.LastError == "":
			return "queued"
		case p.LastError == "":
			return "queued, to be tried again at " + clock(p.Due)
		}
		return fmt.Sprintf("failed (%s), tried again at %s", p.LastError, clock(p.Due))
	case Sending:
		return "sent, not answered yet"
	case Rejected:
		return fmt.Sprintf("failed (%s)", p.LastError)
	case Cancelled:
		return fmt.Sprintf("cancelled (%s)", p.LastError)
	case Accepted:
	}
	if p.Action != Trigger {
		return "accepted"
	}
	return p.rings(in, clock)
}

// rings says how an accepted trigger stands.
func (p Page) rings(in Incident, clock func(time.Time) string) string {
	if in.State == Acknowledged && in.AckBy != "" {
		return "acknowledged by " + in.AckBy
	}
	since := func(what string) string {
		if p.RingingAt.IsZero() {
			return what
		}
		return what + " since " + clock(p.RingingAt)
	}
	switch p.Proof {
	case "":
		return "accepted"
	case Ringing:
		if in.State == Resolved {
			return since("rang " + p.Ringing)
		}
		return since("ringing " + p.Ringing)
	case Answered:
		if p.Ringing == "" {
			return "acknowledged"
		}
		return "acknowledged by " + p.Ringing
	case Closed:
		if p.Ringing == "" {
			return "rang, closed since"
		}
		return "rang, closed by " + p.Ringing
	case Elsewhere:
		return "accepted but not paging: " + since("ringing "+p.Ringing+" instead")
	case Unreadable:
		return "accepted; whether it rings could not be read"
	case NoIncident, Unassigned, Suppressed, Mute:
	}
	return "accepted but not paging: " + p.Proof.why()
}

// why explains a proof of silence.
func (p Proof) why() string {
	switch p {
	case NoIncident:
		return "no incident was opened"
	case Unassigned:
		return "the incident is assigned to nobody"
	case Suppressed:
		return "the alert is suppressed"
	case Mute:
		return "it cannot reach who is assigned"
	case Elsewhere:
		return "somebody else is rung"
	case "", Ringing, Answered, Closed, Unreadable:
	}
	return string(p)
}

// fellBackTo names the channels that took over from a page.
func (p Page) fellBackTo(pages []Page) string {
	if !p.FellBack {
		return ""
	}
	var channels []string
	for _, q := range pages {
		if isFallbackOf(q, p) && q.State != Cancelled {
			channels = append(channels, q.Channel)
		}
	}
	if len(channels) == 0 {
		return ""
	}
	slices.Sort(channels)
	return "; fell back to " + strings.Join(channels, ", ")
}
