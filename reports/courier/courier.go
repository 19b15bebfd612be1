// Package courier sends written reports to the people and programs that asked for
// them, each revision of a week once to each.
//
// It sends at least once: a place is claimed before sending and settled after. When
// a courier dies in between, the claim runs out and another sends again, under the
// same message ID, so that mail programs show one mail; the entry keeps that it may
// have come twice. The package knows neither mail nor HTTP nor SQL.
package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"keepwatch/reports"
)

// State is how a report stands with a recipient.
type State string

// The states. Waiting entries are tried again; Sent and Failed ones are over.
const (
	Sending State = "sending"
	Waiting State = "waiting"
	Sent    State = "sent"
	Failed  State = "failed"
)

// Key names what is sent to whom. Recipient is like "mail:team@example.com" or
// "webhook:chat".
type Key struct {
	Week, Zone string
	Revision   int
	Recipient  string
}

// Entry is one line of the book. Instants are UTC; zero where it did not happen.
type Entry struct {
	Key
	State    State
	Attempts int
	First    time.Time // of the first attempt
	Next     time.Time // not before; of a Sending entry when its claim runs out
	At       time.Time // when it was sent
	Doubt    bool      // it may have come twice
	Error    string    // of the last attempt
}

// Book remembers what was sent. Safe for concurrent use, also by several daemons.
type Book interface {
	// List returns the written reports, newest week first, and Load one of them.
	List(ctx context.Context, zone string, limit int) ([]reports.Saved, error)
	Load(ctx context.Context, week, zone string, revision int) (reports.Report, error)
	// Entries returns the entries whose first attempt was at or after since.
	Entries(ctx context.Context, since time.Time) ([]Entry, error)
	// Claim takes a key until then: one that was never tried, a waiting one that is due,
	// or one whose claim ran out. By hand takes any that nobody holds. False when it is not to be had.
	Claim(ctx context.Context, k Key, now, until time.Time, byHand bool) (Entry, bool, error)
	// Settle writes how a claimed attempt ended; it does nothing when the attempt is
	// not the newest any more.
	Settle(ctx context.Context, e Entry) error
}

// Recipient is one place that reports go to. Send has ended soon after ctx has; an
// error that is [ErrRefused] is final, any other is tried again.
type Recipient interface {
	Name() string // the Recipient of a Key
	Send(ctx context.Context, r reports.Report) error
}

// ErrRefused means that trying again is of no use.
var ErrRefused = errors.New("refused")

const (
	wakeEvery = time.Minute
	// sendDeadline bounds one attempt, and claimFor is longer, so that no claim runs
	// out under somebody who still sends.
	sendDeadline = 30 * time.Second
	claimFor     = 5 * time.Minute
	roundMax     = 10 * time.Minute
	// newsFor is how long after it was written a report is still sent to somebody who
	// has not had it: long enough for a long week-end without a daemon.
	newsFor = 7 * 24 * time.Hour
	// oldest is how long ago a week may have ended: weeks from an import are no news.
	oldest = 35 * 24 * time.Hour

	firstPause  = time.Minute
	pauseMost   = time.Hour
	attemptMost = 12
	savedLimit  = 200
)

// Courier sends what was written. Set all fields; Run one at a time.
type Courier struct {
	Book       Book
	Recipients func() []Recipient // the present ones; called at each wake
	Log        *slog.Logger
	Now        func() time.Time // the clock; nil means time.Now

	mu       sync.Mutex
	problems []string // guarded by mu
}

// Run sends until ctx ends. It returns nil.
func (c *Courier) Run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := c.round(ctx, c.now()); err != nil && ctx.Err() == nil {
			c.Log.Warn("reports not sent, will try again", "err", err)
		}
		wait = wakeEvery/2 + rand.N(wakeEvery/2)
	}
}

func (c *Courier) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC()
	}
	return c.Now().UTC()
}

// Problems says what could not be sent and what to do, for the lines of health.
func (c *Courier) Problems() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problems
}

// round sends all that is due at now.
func (c *Courier) round(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, roundMax)
	defer cancel()
	recipients := c.Recipients()
	if len(recipients) == 0 {
		c.tell(nil)
		return nil
	}
	saved, err := c.Book.List(ctx, "", savedLimit)
	if err != nil {
		return fmt.Errorf("list reports: %w", err)
	}
	entries, err := c.Book.Entries(ctx, now.Add(-oldest))
	if err != nil {
		return fmt.Errorf("list what was sent: %w", err)
	}
	var errs []error
	for _, k := range due(saved, entries, recipients, now) {
		if err := c.try(ctx, k, recipientOf(recipients, k.Recipient)); err != nil {
			errs = append(errs, err)
		}
	}
	if entries, err = c.Book.Entries(ctx, now.Add(-oldest)); err != nil {
		return errors.Join(append(errs, fmt.Errorf("list what was sent: %w", err))...)
	}
	c.tell(problems(entries, recipients, now))
	return errors.Join(errs...)
}

func (c *Courier) tell(problems []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = problems
}

func recipientOf(all []Recipient, name string) Recipient {
	for _, r := range all {
		if r.Name() == name {
			return r
		}
	}
	return nil
}

// due decides what is to be tried at now: of each week that is news the newest
// revision, to each recipient that has not had it. It is pure.
func due(saved []reports.Saved, entries []Entry, recipients []Recipient, now time.Time) []Key {
	known := map[Key]Entry{}
	for _, e := range entries {
		known[e.Key] = e
	}
	newest := map[string]reports.Saved{}
	var order []string
	for _, s := range slices.Backward(saved) { // oldest week first
		key := s.Week + " " + s.Zone
		old, ok := newest[key]
		if !ok {
			order = append(order, key)
		}
		if !ok || s.Revision > old.Revision {
			newest[key] = s
		}
	}
	var out []Key
	for _, key := range order {
		s := newest[key]
		if now.Sub(s.Written) > newsFor || ended(s).Before(now.Add(-oldest)) {
			continue
		}
		for _, r := range recipients {
			k := Key{Week: s.Week, Zone: s.Zone, Revision: s.Revision, Recipient: r.Name()}
			e, tried := known[k]
			if !tried || (e.State == Waiting || e.State == Sending) && !e.Next.After(now) {
				out = append(out, k)
			}
		}
	}
	return out
}

// ended is when the week of a saved report ended; the zero time of a week that
// cannot be read, which is no news then.
func ended(s reports.Saved) time.Time {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.Time{}
	}
	w, err := reports.ParseWeek(s.Week, zone)
	if err != nil {
		return time.Time{}
	}
	return w.To
}

// try makes one attempt of one key, unless somebody else has it.
func (c *Courier) try(ctx context.Context, k Key, to Recipient) error {
	now := c.now()
	e, ok, err := c.Book.Claim(ctx, k, now, now.Add(claimFor), false)
	if err != nil {
		return fmt.Errorf("claim %s for %s: %w", k.Week, k.Recipient, err)
	}
	if !ok {
		return nil
	}
	if e.Doubt {
		c.Log.Warn("report may have been sent before", "week", k.Week, "revision", k.Revision, "recipient", k.Recipient)
	}
	r, err := c.Book.Load(ctx, k.Week, k.Zone, k.Revision)
	if err == nil {
		err = sendOnce(ctx, to, r)
	}
	return c.settle(ctx, e, err)
}

func sendOnce(ctx context.Context, to Recipient, r reports.Report) error {
	ctx, cancel := context.WithTimeout(ctx, sendDeadline)
	defer cancel()
	return to.Send(ctx, r)
}

// settle writes how an attempt ended. It outlives a stop, so that what was sent is
// known to be sent.
func (c *Courier) settle(ctx context.Context, e Entry, sendErr error) error {
	now := c.now()
	switch {
	case sendErr == nil:
		e.State, e.At, e.Error = Sent, now, ""
		c.Log.Info("report sent", "week", e.Week, "revision", e.Revision, "recipient", e.Recipient)
	case errors.Is(sendErr, ErrRefused), e.Attempts >= attemptMost:
		e.State, e.Error = Failed, sendErr.Error()
		c.Log.Error("report not sent", "week", e.Week, "revision", e.Revision, "recipient", e.Recipient, "err", sendErr)
	default:
		e.State, e.Error = Waiting, sendErr.Error()
		pause := pauseAfter(e.Attempts)
		e.Next = now.Add(pause/2 + rand.N(pause/2+1))
		c.Log.Warn("report not sent yet", "week", e.Week, "revision", e.Revision, "recipient", e.Recipient, "err", sendErr)
	}
	if e.State == Failed && !e.At.IsZero() {
		e.State = Sent // it was sent before, and again only by hand
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendDeadline)
	defer cancel()
	if err := c.Book.Settle(ctx, e); err != nil {
		return fmt.Errorf("note how %s went to %s: %w", e.Week, e.Recipient, err)
	}
	return nil
}

// pauseAfter doubles from a minute to an hour: with twelve attempts about seven hours.
func pauseAfter(attempts int) time.Duration {
	return min(firstPause<<min(max(attempts-1, 0), 10), pauseMost)
}

// problems says what was given up on or has failed more than twice, of recipients that are still asked for.
func problems(entries []Entry, recipients []Recipient, now time.Time) []string {
	const often = 3
	var out []string
	for _, e := range entries {
		if recipientOf(recipients, e.Recipient) == nil || now.Sub(e.First) > newsFor {
			continue
		}
		switch {
		case e.State == Failed:
			out = append(out, fmt.Sprintf("the report of %s did not go to %s: %s (keepwatch report send --week %s sends it again)", e.Week, e.Recipient, e.Error, e.Week))
		case e.State == Waiting && e.Attempts >= often:
			out = append(out, fmt.Sprintf("the report of %s has not gone to %s after %d attempts: %s", e.Week, e.Recipient, e.Attempts, e.Error))
		}
	}
	return out
}

// Outcome is how sending by hand went to one recipient; Err is nil when it was sent.
type Outcome struct {
	Recipient string
	Before    bool // it had been sent before
	Err       error
}

// SendNow sends a written report to each recipient once, whatever was sent before,
// and notes it in the book, so that Run does not send it again.
func (c *Courier) SendNow(ctx context.Context, r reports.Report, to []Recipient) []Outcome {
	var out []Outcome
	for _, rec := range to {
		o := Outcome{Recipient: rec.Name()}
		now := c.now()
		e, ok, err := c.Book.Claim(ctx, Key{Week: r.Week, Zone: r.Zone, Revision: r.Revision, Recipient: rec.Name()}, now, now.Add(claimFor), true)
		switch {
		case err != nil:
			o.Err = fmt.Errorf("claim: %w", err)
		case !ok:
			o.Err = errors.New("is being sent at this moment by another process: look again in some minutes")
		default:
			o.Before = !e.At.IsZero()
			sendErr := sendOnce(ctx, rec, r)
			final := sendErr
			if sendErr != nil && !errors.Is(sendErr, ErrRefused) { // a person sees it now: nothing is tried behind their back
				final = fmt.Errorf("%w: %w", ErrRefused, sendErr)
			}
			o.Err = errors.Join(sendErr, c.settle(ctx, e, final))
		}
		out = append(out, o)
	}
	return out
}

// Names lists recipients for people.
func Names(all []Recipient) string {
	names := make([]string, 0, len(all))
	for _, r := range all {
		names = append(names, r.Name())
	}
	return strings.Join(names, ", ")
}
