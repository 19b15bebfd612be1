package alerting

import "time"

// Routing says how people are reached. Read-only after construction.
type Routing struct {
	// Channel is the notifier that wakes people ("pagerduty"); "" when there is
	// none, then every page goes to all channels of Fallback.
	Channel string
	// Route gives the route of a person on Channel and whether it is the person's
	// own. With a shared route the channel decides who is rung. nil means that
	// nobody has a route of their own.
	Route func(person string) (route string, own bool)
	// Email is the name of the channel that can reach a person by mail; "" when there is none.
	Email string
	// Fallback are the channels that are used when nobody could be resolved.
	Fallback []string
	// Link gives the console's address of an incident; AckLink one that
	// acknowledges it for a person. nil means no link.
	Link    func(incident string) string
	AckLink func(incident, person string) string
}

// Situation is all that a decision depends on, besides the instant.
type Situation struct {
	Rule   Rule
	Open   *Incident // nil when the service has no open incident
	Pages  []Page    // pages of the open incident so far
	Recent []Verdict // of the service's checks, oldest first
	// NotBefore is the earliest start of a new episode: it keeps the IDs of two episodes of one service apart.
	NotBefore time.Time
	OnCall    func(name string, at time.Time) string
	Routing   Routing
}

// Decide says what is to be done now; false when nothing is. It is pure: the
// same situation and instant give the same change.
func Decide(s Situation, now time.Time) (Change, bool) { panic("not yet") }
