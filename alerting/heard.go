package alerting

import (
	"context"
	"time"
)

// Heard is what a channel told us that somebody did there: a signed webhook,
// reduced to what matters. It is kept from the moment it is taken until it was
// acted on, and then for a week, so that a recording of it changes nothing.
type Heard struct {
	ID       string // of the event, stable over the channel's attempts
	Delivery string // of the message that brought it
	Type     string // in the channel's words
	DedupKey string // of our alert; "" when the channel did not say it
	Incident string // the channel's own ID
	By       string // who did it; "" when it was no person
	Text     string // of a note
	// Status marks what says how an alert stands: of those only the newest counts.
	Status bool
	At     time.Time // when it happened, UTC
	Raw    []byte    // as it came
	// Outdated is true when a newer Status of the same incident is known; set by reading.
	Outdated bool
}

// Inbox keeps what was heard. All methods are safe for concurrent use.
type Inbox interface {
	// Keep stores what was heard; hearing it again changes nothing.
	Keep(ctx context.Context, h Heard, now time.Time) error
	// Waiting returns what nobody has acted on yet, by the time when it happened, without Raw.
	Waiting(ctx context.Context, limit int) ([]Heard, error)
	// Done notes that it was acted on.
	Done(ctx context.Context, id string, now time.Time) error
	// Forget drops what was received before an instant and returns how many there were.
	Forget(ctx context.Context, before time.Time) (int64, error)
}
