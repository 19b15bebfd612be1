package alerting

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"time"
)

// found settles what a look showed.
func (v *Prover) found(ctx context.Context, l *lookup, p Page, pages []Page, e Evidence) {
	l.tries = 0
	s := v.settlement(p, pages, e, v.now())
	v.mu.Lock()
	if e.Proof.Silent() && !answered(p, pages) {
		l.again++
		l.due = v.now().Add(min(lookAgain<<min(l.again-1, 8), lookAtMost))
		v.silent[p.ID] = cmp.Or(e.Detail, e.Proof.why())
	} else {
		v.drop(p.ID)
	}
	v.mu.Unlock()
	if s.Page.Proof.Silent() && len(s.Entries) > 0 {
		v.Log.Warn("page accepted but not paging", "page", p.ID, "channel", p.Channel, "proof", string(e.Proof), "detail", e.Detail)
	}
	v.Deliverer.settle(ctx, s)
}

// settlement is what evidence means for a page: its timeline when something
// changed, and the fallback pages when it wakes nobody.
func (v *Prover) settlement(p Page, pages []Page, e Evidence, now time.Time) Settlement {
	before := p
	p.VerifiedAt, p.Proof, p.Ringing, p.RingingAt = now.UTC(), e.Proof, clip(e.Who, 200), e.Since.UTC()
	if e.Since.IsZero() {
		p.RingingAt = time.Time{}
	}
	s := Settlement{Page: p}
	changed := before.Proof != p.Proof || before.Ringing != p.Ringing
	if !e.Proof.Silent() {
		if changed {
			s.prove(v.now(), evidenceText(p, e))
		}
		return s
	}
	text := evidenceText(p, e)
	if !answered(p, pages) {
		t := v.Deliverer.terms(p)
		s.Fallback = fallBack(&s.Page, t, now, now)
		switch {
		case len(s.Fallback) > 0:
			text += "; paging through " + joined(t.fallback) + " instead"
		case len(t.fallback) == 0 && !p.Fallback:
			text += "; there is no fallback channel that could be used instead"
		}
	}
	if changed || len(s.Fallback) > 0 {
		s.prove(v.now(), text)
	}
	return s
}

func joined(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return fmt.Sprint(names[0], " and ", joined(names[1:]))
}

// evidenceText is the line of the timeline.
func evidenceText(p Page, e Evidence) string {
	text := p.Channel
	switch e.Proof {
	case Ringing:
		text += " rings " + p.Ringing
	case Answered:
		text += ": acknowledged"
		if p.Ringing != "" {
			text += " by " + p.Ringing
		}
	case Closed:
		text += ": the incident has been closed there"
	case Elsewhere:
		text += " accepted the page" + to(p) + " but rings " + p.Ringing
	case NoIncident, Unassigned, Suppressed, Mute, Unreadable, "":
		text += " accepted the page" + to(p) + " but wakes nobody: " + e.Proof.why()
	}
	if !e.Since.IsZero() {
		text += " since " + e.Since.UTC().Format("15:04:05")
	}
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

// prove adds a line about a look. Its Seq depends on what was seen, so that two
// daemons that see the same write it once.
func (s *Settlement) prove(at time.Time, text string) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Page.ID + "\x00look\x00" + string(s.Page.Proof) + "\x00" + s.Page.Ringing)) // never fails
	kind := "verified"
	if s.Page.Proof.Silent() {
		kind = "failed"
		if len(s.Fallback) > 0 {
			kind = "fallback"
		}
	}
	s.Entries = append(s.Entries, Entry{
		Incident: s.Page.Incident, Seq: int64(1)<<52 | int64(h.Sum32())<<16 | 0xffff, At: at.UTC(),
		Kind: kind, Person: s.Page.Person, Text: clip(text, 1000),
	})
}

// Seen takes what somebody else read of an alert, such as a poll of all open
// ones: who is rung now. It changes the newest accepted page of that key when
// there is one route only; nothing happens while nothing has changed.
func (v *Prover) Seen(ctx context.Context, incident, channel, dedupKey string, e Evidence) {
	v.init()
	v.mu.Lock()
	before, known := v.seen[dedupKey]
	if len(v.seen) >= maxLooks {
		clear(v.seen)
	}
	v.seen[dedupKey] = e
	v.mu.Unlock()
	if known && before.Proof == e.Proof && before.Who == e.Who || e.Proof.Silent() {
		return
	}
	pages, err := v.Store.Pages(ctx, incident)
	if err != nil {
		return // the next poll brings it again
	}
	p, ok := newestOf(pages, channel, dedupKey)
	if !ok || p.Proof.Silent() || p.Proof == e.Proof && p.Ringing == e.Who {
		return // a page that wakes nobody is judged by a look of its own
	}
	v.Deliverer.settle(ctx, v.settlement(p, pages, e, v.now()))
}

// newestOf is the newest accepted trigger of an alert that has one route only.
func newestOf(pages []Page, channel, key string) (Page, bool) {
	var newest Page
	for _, p := range pages {
		if p.Action != Trigger || p.Channel != channel || p.DedupKey != key || p.State != Accepted {
			continue
		}
		if newest.ID != "" && newest.Route != p.Route {
			return Page{}, false
		}
		if newest.ID == "" || p.Seq > newest.Seq {
			newest = p
		}
	}
	return newest, newest.ID != ""
}
