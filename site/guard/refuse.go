package guard

import "time"

// Refusal is an error that says no to a request for now. Its text is for visitors.
type Refusal struct {
	// Status is 429 when the client asks too much, 503 when the site is too busy.
	Status int
	// Code is the machine's word: "limited", "codes", "challenge" or "busy".
	Code string
	// Text is one sentence for people.
	Text string
	// Wait is when to come back; always positive.
	Wait time.Duration
	// Challenge says that a proof of work would help.
	Challenge bool
}

// Error is the sentence for people.
func (r *Refusal) Error() string { return r.Text }
