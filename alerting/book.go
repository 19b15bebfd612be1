package alerting

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Book is a [Store] in memory that can be made durable: the one place in Go
// that decides what a store does with a step. The spool wraps one and sets
// Persist, [Failover] keeps one as its last resort. The zero value is empty and
// ready. Safe for concurrent use.
type Book struct {
	// Persist is called with all rows that a step changes, before any of them
	// can be seen. When it returns an error nothing has changed. Nil keeps
	// nothing. It must not call back.
	Persist func(ctx context.Context, rows Rows) error

	// mu guards what follows.
	mu      sync.Mutex
	records map[string]*record
	live    map[string]Page // unfinished pages by ID
	gen     int64
}

// Rows are the rows that one step writes, whole, after it forgot some incidents.
type Rows struct {
	Forget    []string // IDs of incidents to drop first, with all they have
	Incidents []Incident
	Entries   []Entry
	Pages     []Page
}

type record struct {
	incident Incident // Version 0 when only its pages are known
	entries  map[int64]Entry
	pages    map[string]Page
	gen      int64 // of the last change of this record
}

// Apply implements [Store].
func (b *Book) Apply(ctx context.Context, c Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows Rows
	if in := c.Incident; in.Version > 0 {
		var have int64
		if rec := b.records[in.ID]; rec != nil {
			have = rec.incident.Version
		}
		if in.Version < have {
			return ctx.Err()
		}
		if in.Version > have {
			rows.Incidents = []Incident{in}
		}
	}
	rows.Entries, rows.Pages = b.missingEntries(c.Entries), b.missingPages(c.Pages)
	return b.commit(ctx, rows)
}

// OpenIncidents implements [Store].
func (b *Book) OpenIncidents(context.Context) ([]Incident, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var open []Incident
	for _, rec := range b.records {
		if rec.incident.Version > 0 && rec.incident.State != Resolved {
			open = append(open, cloneIncident(rec.incident))
		}
	}
	slices.SortFunc(open, oldestFirst)
	return open, nil
}

func oldestFirst(a, b Incident) int {
	return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
}

// Claim implements [Store].
func (b *Book) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := map[pageKey]Page{}
	for _, p := range b.live {
		f, ok := first[p.key()]
		if !ok || cmp.Or(cmp.Compare(p.Seq, f.Seq), cmp.Compare(p.ID, f.ID)) < 0 {
			first[p.key()] = p
		}
	}
	maps.DeleteFunc(first, func(_ pageKey, p Page) bool { return !claimable(p, now) })
	claimed := slices.SortedFunc(maps.Values(first), byUrgency)
	claimed = claimed[:min(max(limit, 0), len(claimed))]
	for i := range claimed {
		p := &claimed[i]
		if p.State == Sending {
			p.UnsureAt = now
		}
		p.State, p.LeaseUntil, p.Epoch = Sending, now.Add(lease), p.Epoch+1
	}
	if err := b.commit(ctx, Rows{Pages: claimed}); err != nil {
		return nil, err
	}
	for i := range claimed {
		claimed[i] = clonePage(claimed[i])
	}
	return claimed, nil
}

func claimable(p Page, now time.Time) bool {
	if p.State == Sending {
		return !p.LeaseUntil.After(now)
	}
	return !p.Due.After(now)
}

// byUrgency puts the oldest critical trigger first.
func byUrgency(a, b Page) int {
	return cmp.Or(cmp.Compare(a.Urgency(), b.Urgency()), byCreation(a, b))
}

// Urgency is 0 for what wakes somebody for a critical fault, 1 for all else:
// pages of urgency 1 wait while there are others.
func (p Page) Urgency() int {
	if p.Action == Trigger && p.Message.Severity == "critical" {
		return 0
	}
	return 1
}

// Settle implements [Store].
func (b *Book) Settle(ctx context.Context, s Settlement) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	rec := b.records[s.Page.Incident]
	if rec == nil {
		return ctx.Err()
	}
	have, ok := rec.pages[s.Page.ID]
	if !ok || !Settles(have, s.Page) {
		return ctx.Err()
	}
	return b.commit(ctx, Rows{
		Entries: b.missingEntries(s.Entries),
		Pages:   append(b.missingPages(s.Fallback), settled(have, s.Page)),
	})
}

// Settles reports whether an outcome may be written over the stored page: the
// epoch is still the writer's own, and nothing finished becomes unfinished.
func Settles(have, outcome Page) bool {
	return have.Epoch == outcome.Epoch && (have.State.Unfinished() || !outcome.State.Unfinished())
}

// settled is the stored page with the outcome of an attempt; what the page says
// and to whom does not change.
func settled(have, outcome Page) Page {
	have.State, have.Due, have.LeaseUntil = outcome.State, outcome.Due, outcome.LeaseUntil
	have.Attempts, have.FirstTried = outcome.Attempts, outcome.FirstTried
	have.UnsureAt, have.AcceptedAt = outcome.UnsureAt, outcome.AcceptedAt
	have.LastStatus, have.LastError, have.FellBack = outcome.LastStatus, outcome.LastError, outcome.FellBack
	have.VerifiedAt, have.Proof = outcome.VerifiedAt, outcome.Proof
	have.Ringing, have.RingingAt = outcome.Ringing, outcome.RingingAt
	return have
}

// Pages implements [Store].
func (b *Book) Pages(_ context.Context, incident string) ([]Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pages(incident), nil
}

func (b *Book) pages(incident string) []Page {
	rec := b.records[incident]
	if rec == nil {
		return nil
	}
	var pages []Page
	for _, p := range rec.pages {
		pages = append(pages, clonePage(p))
	}
	slices.SortFunc(pages, byCreation)
	return pages
}

// Backlog implements [Store].
func (b *Book) Backlog(context.Context) (Backlog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := Backlog{Pages: len(b.live)}
	for _, p := range b.live {
		if out.Oldest.IsZero() || p.Created.Before(out.Oldest) {
			out.Oldest = p.Created
		}
	}
	return out, nil
}

// Timeline returns the entries of an incident by Seq; none when it is unknown.
func (b *Book) Timeline(_ context.Context, incident string) ([]Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries(incident), nil
}

func (b *Book) entries(incident string) []Entry {
	rec := b.records[incident]
	if rec == nil {
		return nil
	}
	var out []Entry
	for _, seq := range slices.Sorted(maps.Keys(rec.entries)) {
		out = append(out, rec.entries[seq])
	}
	return out
}

// missingEntries returns those that are not here yet.
func (b *Book) missingEntries(es []Entry) []Entry {
	return slices.DeleteFunc(slices.Clone(es), func(e Entry) bool {
		rec := b.records[e.Incident]
		if rec == nil {
			return false
		}
		_, ok := rec.entries[e.Seq]
		return ok
	})
}

// missingPages returns those that are not here yet.
func (b *Book) missingPages(ps []Page) []Page {
	return slices.DeleteFunc(slices.Clone(ps), func(p Page) bool {
		rec := b.records[p.Incident]
		if rec == nil {
			return false
		}
		_, ok := rec.pages[p.ID]
		return ok
	})
}

// commit makes a step durable and then visible. Call it with mu held.
func (b *Book) commit(ctx context.Context, rows Rows) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(rows.Incidents)+len(rows.Entries)+len(rows.Pages)+len(rows.Forget) == 0 {
		return nil
	}
	if b.Persist != nil {
		if err := b.Persist(ctx, rows); err != nil {
			return err
		}
	}
	b.put(rows)
	return nil
}

func (b *Book) put(rows Rows) {
	for _, id := range rows.Forget {
		rec := b.records[id]
		if rec == nil {
			continue
		}
		for page := range rec.pages {
			delete(b.live, page)
		}
		delete(b.records, id)
	}
	for _, in := range rows.Incidents {
		b.record(in.ID).incident = cloneIncident(in)
	}
	for _, e := range rows.Entries {
		b.record(e.Incident).entries[e.Seq] = e
	}
	for _, p := range rows.Pages {
		p = clonePage(p)
		b.record(p.Incident).pages[p.ID] = p
		if p.State.Unfinished() {
			b.live[p.ID] = p
		} else {
			delete(b.live, p.ID)
		}
	}
}

// record returns the record to be changed, made when it is missing.
func (b *Book) record(id string) *record {
	if b.records == nil {
		b.records, b.live = map[string]*record{}, map[string]Page{}
	}
	rec := b.records[id]
	if rec == nil {
		rec = &record{entries: map[int64]Entry{}, pages: map[string]Page{}}
		b.records[id] = rec
	}
	b.gen++
	rec.gen = b.gen
	return rec
}
