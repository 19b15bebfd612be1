package alerting

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// Importer takes over what another store holds. Import merges one record into
// what is there, in one transaction: the incident by its higher Version, entries
// that are missing, pages by [MergePages]. A record whose incident has Version 0
// carries pages and entries only. Importing twice is importing once.
type Importer interface {
	Import(ctx context.Context, c Change) error
}

// Transfer is what a [Store] offers beside its daily work, so that its contents
// can move to another one and back.
type Transfer interface {
	Importer
	// Unfinished returns every incident that is open or still owes a page, with
	// all its pages (finished ones too) and without entries, oldest first.
	Unfinished(ctx context.Context) ([]Change, error)
}

// Primary is the store of every day; see [Failover].
type Primary interface {
	Store
	Transfer
}

// Reserve is a store that stands in while the primary is away.
type Reserve interface {
	Store
	// All returns everything that it holds, entries too, oldest incident first.
	All(ctx context.Context) ([]Change, error)
	// Reset replaces everything that it holds by these, in one transaction.
	Reset(ctx context.Context, cs []Change) error
}

// pageKey is what orders pages: within it one page is in flight at a time.
type pageKey struct{ channel, route, dedup string }

func (p Page) key() pageKey { return pageKey{p.Channel, p.Route, p.DedupKey} }

// MergeIncident returns the later of two states of one incident: the higher
// Version, and at equal versions the state further along.
func MergeIncident(have, got Incident) Incident {
	if c := cmp.Compare(got.Version, have.Version); c > 0 || c == 0 && along(got.State) > along(have.State) {
		return got
	}
	return have
}

func along(s State) int {
	switch s {
	case Resolved:
		return 2
	case Acknowledged:
		return 1
	case Open:
	}
	return 0
}

// MergePages joins what two stores know about the pages of one incident and
// returns all of them in order of creation. It is idempotent and does not care
// for the order of its arguments: accepted beats rejected beats cancelled beats
// unsure beats queued, and nothing finished becomes unfinished, but for two
// corrections that the parts could not know of:
//   - a trigger or acknowledge that is unfinished in one store, while the other
//     had a later resolve accepted, is cancelled: it would open a second incident;
//   - a resolve that was cancelled because nothing had been delivered is owed
//     again when the other store did deliver, or may have delivered.
func MergePages(have, got []Page) []Page {
	byID := make(map[string]Page, len(have)+len(got))
	for _, p := range slices.Concat(have, got) {
		if known, ok := byID[p.ID]; ok {
			p = mergePage(known, p)
		}
		byID[p.ID] = p
	}
	merged := slices.SortedFunc(maps.Values(byID), byCreation)
	correct(merged)
	return merged
}

func byCreation(a, b Page) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
}

// mergePage joins two states of one page.
func mergePage(a, b Page) Page {
	if further(b, a) {
		a, b = b, a
	}
	out := a
	out.Epoch = max(a.Epoch, b.Epoch)
	out.Attempts = max(a.Attempts, b.Attempts)
	out.FellBack = a.FellBack || b.FellBack
	out.UnsureAt = later(a.UnsureAt, b.UnsureAt)
	out.AcceptedAt = earlier(a.AcceptedAt, b.AcceptedAt)
	out.FirstTried = earlier(a.FirstTried, b.FirstTried)
	seen := a
	if laterLook(b, a) {
		seen = b
	}
	out.VerifiedAt, out.Proof, out.Ringing, out.RingingAt = seen.VerifiedAt, seen.Proof, seen.Ringing, seen.RingingAt
	return out
}

// laterLook reports whether a was looked up after b. Like [further] it is a
// total order on what it decides.
func laterLook(a, b Page) bool {
	return cmp.Or(
		a.VerifiedAt.Compare(b.VerifiedAt), cmp.Compare(a.Proof, b.Proof),
		cmp.Compare(a.Ringing, b.Ringing), a.RingingAt.Compare(b.RingingAt),
	) > 0
}

// further reports whether a is further along than b. It must be a total order
// on everything that a merge takes from the winner, so that merging does not
// depend on who asks whom.
func further(a, b Page) bool {
	c := cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(a.Epoch, b.Epoch),
		cmp.Compare(back(a), back(b)),
		cmp.Compare(a.Attempts, b.Attempts),
		a.LeaseUntil.Compare(b.LeaseUntil),
		a.Due.Compare(b.Due),
		cmp.Compare(a.LastStatus, b.LastStatus),
		cmp.Compare(a.LastError, b.LastError),
		cmp.Compare(a.Message.Summary, b.Message.Summary),
	)
	return c > 0
}

// back is 1 for a page that has come back from an attempt: at equal epochs that
// is later than being sent.
func back(p Page) int {
	if p.State == Sending {
		return 0
	}
	return 1
}

func rank(p Page) int {
	switch p.State {
	case Accepted:
		return 3
	case Rejected:
		return 2
	case Cancelled:
		return 1
	case Queued, Sending:
	}
	return 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlier ignores zero times.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// correct applies the two corrections that [MergePages] names.
func correct(pages []Page) {
	resolved := map[pageKey]int64{}  // highest Seq of an accepted resolve
	delivered := map[pageKey]int64{} // highest Seq of a trigger that is accepted or may be
	for _, p := range pages {
		switch {
		case p.Action == Resolve && p.State == Accepted:
			resolved[p.key()] = max(resolved[p.key()], p.Seq)
		case p.Action == Trigger && (p.State == Accepted || !p.UnsureAt.IsZero()):
			delivered[p.key()] = max(delivered[p.key()], p.Seq)
		}
	}
	for i, p := range pages {
		last, done := resolved[p.key()]
		_, sent := delivered[p.key()]
		switch {
		case p.Action != Resolve && p.State.Unfinished() && done && p.Seq < last:
			pages[i].State, pages[i].LastError = Cancelled, "resolved before this was sent"
		case p.Action == Resolve && p.State == Cancelled && sent && !done:
			pages[i].State, pages[i].LastError = Queued, ""
		}
	}
}

func cloneIncident(in Incident) Incident {
	in.Checks = slices.Clone(in.Checks)
	in.Policy.Levels = slices.Clone(in.Policy.Levels)
	in.Failures = slices.Clone(in.Failures)
	return in
}

func clonePage(p Page) Page {
	p.Message.Details = maps.Clone(p.Message.Details)
	return p
}
