package alerting

import (
	"strconv"
	"strings"
	"time"
)

// Course is what has become of an incident besides its state and its ladder. It
// is stored with it, so that every timer survives a restart and a fail-over. The
// zero value is an incident that goes the plain way.
type Course struct {
	// Hold says why nobody is paged for now.
	Hold Hold
	// Recovered is since when all is well. The incident stays open until ClosesAt
	// in case the service fails anew. Of a resolved incident it is when it recovered.
	Recovered, ClosesAt time.Time
	// Expires is when the acknowledgement, or the closing by hand, ends and the
	// ladder starts anew; zero when never.
	Expires time.Time
	// Closed says that AckBy closed the incident by hand although it still failed.
	Closed bool
	// Failures are the last instants at which the service failed, those of earlier
	// incidents of the last hour too; the newest last.
	Failures []time.Time
	// Ring counts the alerts that were opened at the channels for this incident, from
	// 0. An alert that was acknowledged rings no more, so whoever is paged again after
	// that gets a new one.
	Ring int
}

// HoldKind is what keeps an incident from paging.
type HoldKind string

// The kinds of hold. The zero value holds nothing.
const (
	HeldBySilence  HoldKind = "silence"  // a person or a maintenance window wants quiet
	HeldByCause    HoldKind = "cause"    // something that it depends on is failing
	HeldUntilHours HoldKind = "hours"    // low urgency waits for business hours
	HeldForCause   HoldKind = "upstream" // for some seconds, to see whether something that it depends on fails too
)

// Hold keeps an open incident from paging for now. When it ends and the incident
// still fails, the ladder starts at its foot.
type Hold struct {
	Kind HoldKind
	// Ref is the silence's ID or the incident that causes this one; "" when neither.
	Ref string
	// Text is what people read: "silenced by ada: deploy, until 2026-11-22T04:00:00Z".
	Text string
	// Until is when it ends at the latest; zero when that is not known.
	Until time.Time
}

// Recovering reports whether all is well again, and the incident is kept open
// only in case the service fails anew.
func (i Incident) Recovering() bool { return i.State != Resolved && !i.Recovered.IsZero() }

// timer is when something about the incident is due by itself; zero when nothing is.
func (i Incident) timer() time.Time {
	switch {
	case i.State == Resolved:
		return time.Time{}
	case i.Recovering():
		return i.ClosesAt
	case i.State == Acknowledged:
		return i.Expires
	case i.Hold.Kind != "":
		return i.Hold.Until
	}
	return i.NextActionAt
}

// unheard reports whether everybody was paged who was to be, and nobody has answered.
func (i Incident) unheard() bool {
	return i.State == Open && !i.Recovering() && i.Hold.Kind == "" && i.NextActionAt.IsZero() &&
		!i.Severity.LowUrgency() && (i.Policy.Name != "" || len(i.Policy.Levels) > 0)
}

// unbegun reports whether the ladder stands at its foot and nothing lets it begin:
// somebody gave the incident back when it had recovered.
func (i Incident) unbegun() bool {
	return i.State == Open && i.Hold.Kind == "" && i.Level == 0 && i.Round == 0 && i.NextActionAt.IsZero() && len(i.Policy.Levels) > 0
}

// standsFor reports whether paging for i is enough for an incident that it causes:
// somebody is paged for it, and woken if the other one would wake somebody.
func (i Incident) standsFor(caused Incident) bool {
	pages := i.Policy.Name != "" || len(i.Policy.Levels) > 0
	return pages && (caused.Severity.LowUrgency() || !i.Severity.LowUrgency())
}

// LowUrgency reports whether an incident of this severity wakes nobody.
func (s Severity) LowUrgency() bool { return s == Warning || s == Info }

// or returns the severity with the zero value spelt out.
func (s Severity) or() Severity {
	if s == "" {
		return Critical
	}
	return s
}

// dedupKey is the key of the incident's present alert.
func (i Incident) dedupKey() string {
	if i.Ring == 0 {
		return i.ID
	}
	return i.ID + "." + strconv.Itoa(i.Ring+1)
}

// IncidentOf returns the ID of the incident that a page's dedup key belongs to,
// and which of its alerts it is, from 0. An ID ends in the seconds of the episode's
// start; further alerts add a dot and their number: "kw-shop-1763805600.2".
func IncidentOf(dedupKey string) (incident string, ring int) {
	end := strings.LastIndexByte(dedupKey, '-')
	dot := strings.LastIndexByte(dedupKey, '.')
	if dot <= end || end < 0 {
		return dedupKey, 0
	}
	n, err := strconv.Atoi(dedupKey[dot+1:])
	if err != nil || n < 2 {
		return dedupKey, 0
	}
	return dedupKey[:dot], n - 1
}
