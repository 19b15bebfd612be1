package alerting

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Snapshot is a copy of all that is known of one incident, as of Gen.
type Snapshot struct {
	Change

	ID  string // of the incident, also when only its pages are known
	Gen int64  // grows with every change
}

// Import implements [Importer].
func (b *Book) Import(ctx context.Context, c Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := Rows{Entries: b.missingEntries(c.Entries)}
	if in := c.Incident; in.Version > 0 {
		if rec := b.records[in.ID]; rec != nil {
			in = MergeIncident(rec.incident, in)
		}
		rows.Incidents = []Incident{in}
	}
	byIncident := map[string][]Page{}
	for _, p := range c.Pages {
		byIncident[p.Incident] = append(byIncident[p.Incident], p)
	}
	for incident, pages := range byIncident {
		rows.Pages = append(rows.Pages, MergePages(b.pages(incident), pages)...)
	}
	return b.commit(ctx, rows)
}

// Unfinished implements [Transfer].
func (b *Book) Unfinished(context.Context) ([]Change, error) {
	var out []Change
	for _, s := range b.Snapshots() {
		if s.Unfinished() {
			s.Entries = nil
			out = append(out, s.Change)
		}
	}
	return out, nil
}

// Unfinished reports whether the incident is open or still owes a page.
func (c Change) Unfinished() bool {
	if c.Incident.Version > 0 && c.Incident.State != Resolved {
		return true
	}
	return slices.ContainsFunc(c.Pages, func(p Page) bool { return p.State.Unfinished() })
}

// Snapshots returns a copy of everything, oldest incident first.
func (b *Book) Snapshots() []Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Snapshot, 0, len(b.records))
	for id, rec := range b.records {
		out = append(out, Snapshot{ID: id, Gen: rec.gen, Change: Change{
			Incident: cloneIncident(rec.incident), Entries: b.entries(id), Pages: b.pages(id),
		}})
	}
	slices.SortFunc(out, func(a, b Snapshot) int {
		return cmp.Or(a.Incident.Opened.Compare(b.Incident.Opened), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// All returns everything, entries too, oldest incident first.
func (b *Book) All(context.Context) ([]Change, error) {
	var out []Change
	for _, s := range b.Snapshots() {
		out = append(out, s.Change)
	}
	return out, nil
}

// Reset replaces everything by these, in one step.
func (b *Book) Reset(ctx context.Context, cs []Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows Rows
	for id := range b.records {
		rows.Forget = append(rows.Forget, id)
	}
	for _, c := range cs {
		if c.Incident.Version > 0 {
			rows.Incidents = append(rows.Incidents, c.Incident)
		}
		rows.Entries, rows.Pages = append(rows.Entries, c.Entries...), append(rows.Pages, c.Pages...)
	}
	return b.commit(ctx, rows)
}

// Forget drops the incidents that have not changed since these snapshots were
// taken, all in one step, and leaves the others.
func (b *Book) Forget(ctx context.Context, seen []Snapshot) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows Rows
	for _, s := range seen {
		if rec := b.records[s.ID]; rec != nil && rec.gen == s.Gen {
			rows.Forget = append(rows.Forget, s.ID)
		}
	}
	return b.commit(ctx, rows)
}

// Load puts rows in place as they are, without Persist: what a durable store
// read back when it was opened, or what another store already made durable.
func (b *Book) Load(rows Rows) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(rows)
}

// Held counts the incidents and the unfinished pages.
func (b *Book) Held() (incidents, pages int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.records), len(b.live)
}

// mark changes whenever what is held does.
func (b *Book) mark() mirrorMark {
	b.mu.Lock()
	defer b.mu.Unlock()
	return mirrorMark{gen: b.gen, held: len(b.records)}
}

// Copy imports every snapshot that copied does not name with its present Gen
// and notes it there; it goes on after an error and returns all of them. The
// snapshots that to now has are returned.
func Copy(ctx context.Context, seen []Snapshot, to Importer, copied map[string]int64) ([]Snapshot, error) {
	var there []Snapshot
	var errs []error
	for _, s := range seen {
		if copied[s.ID] != s.Gen {
			if err := to.Import(ctx, s.Change); err != nil {
				errs = append(errs, fmt.Errorf("import %s: %w", s.ID, err))
				if ctx.Err() != nil || len(errs) > maxImportErrors {
					break
				}
				continue
			}
			copied[s.ID] = s.Gen
		}
		there = append(there, s)
	}
	if len(errs) > 0 {
		return there, fmt.Errorf("%d of %d incidents were not taken: %w", len(seen)-len(there), len(seen), errs[0])
	}
	return there, nil
}

// maxImportErrors ends a copy to a store that takes nothing.
const maxImportErrors = 3
