package alerting

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

const (
	firstRetry   = time.Second
	triggerCap   = 30 * time.Second
	otherCap     = 2 * time.Minute
	setupRetry   = 5 * time.Minute // a person must mend it first
	retryAtMost  = 5 * time.Minute // of what a channel asks for
	echoSuffix   = "/echo"
	answerSuffix = "/resolve"
)

// terms are what a settlement depends on besides the page and the receipt.
type terms struct {
	hold          time.Duration // 0 means that resolves are neither held nor repeated
	fallbackAfter time.Duration
	fallback      []string // channels that take over, without the page's own
	jitter        float64  // in [0, 1)
}

// step is what to do with a claimed page; the zero value means send it.
type step struct {
	cancel string    // why it is not to be sent any more
	wait   time.Time // when to look at it again
}

// plan decides whether a claimed page is still to be sent, from all pages of its incident.
func plan(p Page, siblings []Page, now time.Time, hold time.Duration) step {
	if p.Action == Trigger {
		return planTrigger(p, siblings)
	}
	var triggers, delivered, tried int
	var unsure time.Time
	for _, q := range siblings {
		if q.key() != p.key() || q.Seq > p.Seq || q.ID == p.ID {
			continue
		}
		unsure = later(unsure, q.UnsureAt)
		if q.Action == Trigger {
			triggers++
			if mayRing(q) {
				delivered++
			}
			if q.Attempts > 0 {
				tried++
			}
		}
	}
	switch {
	case p.Action == Resolve && tried > 0 && hold > 0:
		// A server that answered 5xx may have processed the trigger all the same
		// (seen in the kill tests). A resolve of nothing is dropped there; an alert that nobody resolves rings on.
	case triggers > 0 && delivered == 0 && p.UnsureAt.IsZero():
		return step{cancel: "not needed: nothing had been delivered there"}
	}
	switch {
	case p.Action == Resolve && !unsure.IsZero() && now.Before(unsure.Add(hold)):
		return step{wait: unsure.Add(hold)}
	}
	return step{}
}

func planTrigger(p Page, siblings []Page) step {
	if mayRing(p) {
		return step{}
	}
	for _, q := range siblings {
		switch {
		case q.Action == Resolve && q.Seq > p.Seq:
			if why := q.Message.Details[whyDetail]; why != "" {
				return step{cancel: why}
			}
			return step{cancel: recoveredFirst(p)}
		case q.Action == Acknowledge && q.Seq > p.Seq:
			return step{cancel: "acknowledged before delivery"}
		case p.Fallback && isFallbackOf(p, q) && q.State == Accepted && !q.Proof.Silent():
			return step{cancel: "not needed: " + q.Channel + " accepted the page in time"}
		}
	}
	return step{}
}

// recoveredFirst says why a trigger is not sent any more, and what nobody can
// know: an attempt that was answered with an error may have been processed.
func recoveredFirst(p Page) string {
	if p.Attempts == 0 {
		return "recovered before delivery"
	}
	return "recovered before it was accepted; one of the attempts may have rung all the same"
}

// mayRing reports whether the channel has, or may have, taken the page.
func mayRing(p Page) bool { return !p.AcceptedAt.IsZero() || !p.UnsureAt.IsZero() }

func isFallbackOf(p, origin Page) bool { return p.ID == origin.ID+"/"+p.Channel }

// settlement is how one attempt ended, by the table of paging-spec 2.2.
func settlement(p Page, siblings []Page, got Receipt, t terms, now time.Time) Settlement {
	now = now.UTC()
	before := p
	if !got.unsent() {
		p.Attempts++
	}
	p.LeaseUntil = time.Time{}
	p.LastStatus, p.LastError = got.Status, clip(got.Detail, 500)
	if p.FirstTried.IsZero() {
		p.FirstTried = now
	}
	s := Settlement{Page: p}
	switch got.Class {
	case Taken:
		s.Page.State, s.Page.AcceptedAt, s.Page.LastError = Accepted, now, ""
		s.tell(0, now, "delivered", acceptedText(p, now))
		s.Fallback = followUp(s.Page, siblings, t, now)
		return s
	case Refused:
		s.Page.State = Rejected
		s.Fallback = fallBack(&s.Page, t, now, now)
	case Setup:
		s.Page.State, s.Page.Due = Queued, now.Add(setupRetry)
		s.Fallback = fallBack(&s.Page, t, now, now)
	case Again, Doubtful:
		s.Page.State, s.Page.Due = Queued, now.Add(backoff(p, got, t))
		if got.Class == Doubtful {
			s.Page.UnsureAt = now
		}
		s.Fallback = fallBack(&s.Page, t, p.Created.Add(t.fallbackAfter), now)
	}
	if before.FirstTried.IsZero() || before.LastError != p.LastError {
		s.tell(0, now, "failed", failedText(p, got))
	}
	if len(s.Fallback) > 0 && !s.Fallback[0].Due.After(now) {
		s.tell(1, now, "fallback", "paging through "+strings.Join(t.fallback, ", ")+" instead")
	}
	if p.Action == Trigger && got.Class == Refused && len(t.fallback) == 0 && !p.Fallback {
		s.tell(1, now, "failed", "there is no fallback channel; nobody hears of this page")
	}
	return s
}

// cancelled settles a page that is not to be sent any more.
func cancelled(p Page, why string, now time.Time) Settlement {
	p.State, p.LeaseUntil, p.LastError = Cancelled, time.Time{}, why
	s := Settlement{Page: p}
	s.tell(0, now.UTC(), "cancelled", fmt.Sprintf("%s through %s%s: %s", p.Action, p.Channel, to(p), why))
	return s
}

// followUp is what an accepted page owes: the repetition of a resolve whose
// trigger may be processed late, and the resolve of a trigger that went out
// after the incident had ended elsewhere.
func followUp(p Page, siblings []Page, t terms, now time.Time) []Page {
	next := p
	next.State, next.Action, next.Created = Queued, Resolve, now
	next.Epoch, next.Attempts, next.LastStatus, next.LastError, next.FellBack = 0, 0, 0, "", false
	next.FirstTried, next.UnsureAt, next.AcceptedAt, next.LeaseUntil = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	next.VerifiedAt, next.Proof, next.Ringing, next.RingingAt = time.Time{}, "", "", time.Time{}
	switch p.Action {
	case Resolve:
		doubt := slices.ContainsFunc(siblings, func(q Page) bool {
			return q.key() == p.key() && q.Action != Resolve && (!q.UnsureAt.IsZero() || q.State == Cancelled && q.Attempts > 0)
		})
		if t.hold == 0 || !doubt || strings.HasSuffix(p.ID, echoSuffix) {
			return nil
		}
		next.ID, next.Seq, next.Due = p.ID+echoSuffix, p.Seq+1, now.Add(t.hold)
		return []Page{next}
	case Trigger:
		var end int64
		for _, q := range siblings {
			if q.Action == Resolve && q.Seq > p.Seq {
				if q.key() == p.key() {
					return nil
				}
				end = max(end, q.Seq)
			}
		}
		if end == 0 {
			return nil
		}
		next.ID, next.Seq, next.Due = p.ID+answerSuffix, end, now
		next.Message.Summary = clip("resolved: "+p.Message.Summary, 1024)
		return []Page{next}
	case Acknowledge:
	}
	return nil
}

// fallBack makes the fallback pages of a trigger, once, and notes that in p.
func fallBack(p *Page, t terms, due, now time.Time) []Page {
	if p.Action != Trigger || p.Fallback || p.FellBack || len(t.fallback) == 0 {
		return nil
	}
	p.FellBack = true
	out := make([]Page, 0, len(t.fallback))
	for _, channel := range t.fallback {
		f := Page{
			ID: p.ID + "/" + channel, Incident: p.Incident, Seq: p.Seq, Channel: channel, Route: serviceRoute, DedupKey: p.DedupKey,
			Action: Trigger, Person: p.Person, Level: p.Level, Message: p.Message, Fallback: true,
			State: Queued, Created: now.UTC(), Due: later(due, now).UTC(),
		}
		if p.Person != "" {
			f.Route = PersonRoute(p.Person)
		}
		out = append(out, f)
	}
	return out
}

// backoff is how long to wait for the next attempt: 1 s, doubled, with full jitter.
func backoff(p Page, got Receipt, t terms) time.Duration {
	if got.RetryAfter > 0 {
		wait := min(got.RetryAfter, retryAtMost)
		return wait + time.Duration(t.jitter*float64(wait)/10)
	}
	most := otherCap
	if p.Action == Trigger {
		most = triggerCap
	}
	wait := most
	if p.Attempts <= 7 {
		wait = min(firstRetry<<(p.Attempts-1), most)
	}
	return max(time.Duration(t.jitter*float64(wait)), 100*time.Millisecond)
}

// tell adds a line to the timeline. Its Seq lies beyond those of the engine's
// changes and below 2^53, which JSON readers keep exactly.
func (s *Settlement) tell(n int64, now time.Time, kind, text string) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Page.ID)) // never fails
	seq := int64(1)<<52 | int64(h.Sum32())<<16 | (s.Page.Epoch<<1|n)&0xffff
	s.Entries = append(s.Entries, Entry{
		Incident: s.Page.Incident, Seq: seq, At: now, Kind: kind, Person: s.Page.Person, Text: clip(text, 1000),
	})
}

func to(p Page) string {
	if p.Person == "" {
		return ""
	}
	return " for " + p.Person
}

func acceptedText(p Page, now time.Time) string {
	text := fmt.Sprintf("%s accepted the %s%s", p.Channel, p.Action, to(p))
	if p.Attempts > 1 {
		text += fmt.Sprintf(" at attempt %d", p.Attempts)
	}
	if wait := now.Sub(p.Created); wait >= time.Second {
		text += ", " + length(wait) + " after it was owed"
	}
	return text
}

func failedText(p Page, got Receipt) string {
	what := "trying again"
	switch got.Class {
	case Refused:
		what = "it will not be tried again"
	case Setup:
		what = "a person must mend the configuration"
	case Doubtful:
		what = "it may have been taken; trying again under the same key"
	case Again, Taken:
	}
	return fmt.Sprintf("%s did not accept the %s%s: %s; %s", p.Channel, p.Action, to(p), got.Detail, what)
}
