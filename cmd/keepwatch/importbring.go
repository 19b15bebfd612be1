package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/history"
	"keepwatch/postgres"
	"keepwatch/probe"
	"keepwatch/reports"
)

const (
	// importBatch is how many results are stored in one transaction.
	importBatch = 10_000
	// importTurn is after how many lines finished slots are looked for.
	importTurn = 20_000
)

// bringing stores what logs hold.
type bringing struct {
	logs   *probeLogs
	store  *postgres.Results
	db     *postgres.DB
	zone   *time.Location
	dryRun bool
	out    *cli

	folder history.Folder
	batch  []probe.Result
	done   map[history.Series]*brought
}

// brought is what came of one series.
type brought struct {
	postgres.Imported
	slots, soft int
	outcomes    [3]int
}

func (b *bringing) all(ctx context.Context) error {
	b.done = map[history.Series]*brought{}
	b.folder = history.Folder{Survey: b.logs.survey, Plan: map[string][]history.Period{}}
	checks := map[string]history.Stretch{} // and the first and last result of each
	for s, x := range b.logs.survey {
		c, ok := checks[s.Check]
		if !ok || x.First.Before(c.First) {
			c.First = x.First
		}
		if x.Last.After(c.Last) {
			c.Last = x.Last
		}
		checks[s.Check] = c
	}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if err := b.extend(ctx, b.logs.checks[name], checks[name]); err != nil {
			return err
		}
	}
	lines := 0
	for _, file := range b.logs.files {
		err := b.logs.read(file, func(e history.Entry) error {
			b.folder.Add(e)
			if lines++; lines%importTurn != 0 {
				return nil
			}
			return b.folder.Ready(false, b.take(ctx))
		}, func(*history.LineError) {}) // they were told at the first look
		if err != nil {
			return err
		}
	}
	if err := b.folder.Ready(true, b.take(ctx)); err != nil {
		return err
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	b.say()
	return nil
}

// extend makes a check's present configuration valid from its first result to its last.
func (b *bringing) extend(ctx context.Context, check *probe.Check, held history.Stretch) error {
	var added []history.Period
	plan := func(known []reports.Rev) []postgres.PastRevision {
		var before []history.Period
		for _, r := range known {
			before = append(before, history.Period{From: r.From, To: r.To, Slot: r.Slot})
		}
		added, b.folder.Plan[check.Name] = history.Extend(before, check.Every, held.First, held.Last)
		var past []postgres.PastRevision
		for _, p := range added {
			past = append(past, postgres.PastRevision{From: p.From, To: p.To})
		}
		return past
	}
	if b.dryRun {
		known, err := b.store.Revisions(ctx, check.Name)
		if err != nil {
			return err
		}
		plan(known)
	} else if err := b.store.ExtendHistory(ctx, check, plan); err != nil {
		return err
	}
	for _, p := range added {
		until := "on"
		if !p.To.IsZero() {
			until = "to " + wording.Stamp(p.To)
		}
		b.out.printf("%s: its present configuration (every %s from %s, quorum %d) is valid from %s %s\n",
			check.Name, check.Every, strings.Join(check.Locations, ", "), check.Quorum, wording.Stamp(p.From), until)
	}
	return nil
}

// take turns a finished slot into a result and stores a batch when there are enough.
func (b *bringing) take(ctx context.Context) func(history.Series, history.Slot) error {
	return func(s history.Series, slot history.Slot) error {
		d := b.done[s]
		if d == nil {
			d = &brought{}
			b.done[s] = d
		}
		d.slots++
		d.outcomes[slot.Last.Outcome]++
		r := resultOf(s, slot)
		if r.Soft() {
			d.soft++
		}
		if len(b.batch) > 0 && b.batch[0].Check+"\x00"+b.batch[0].Location != s.Check+"\x00"+s.Location || len(b.batch) == importBatch {
			if err := b.flush(ctx); err != nil {
				return err
			}
		}
		b.batch = append(b.batch, r)
		return nil
	}
}

// resultOf is a slot as the ledger knows it.
func resultOf(s history.Series, slot history.Slot) probe.Result {
	r := probe.Result{
		Check: s.Check, Location: s.Location, Slot: slot.Start, Started: slot.Last.Time,
		Outcome: probe.Outcome(slot.Last.Outcome), Attempts: slot.Attempts,
		Look: probe.Look{OK: slot.Last.Outcome == history.Good, Code: slot.Last.Code, Latency: slot.Last.Latency},
	}
	switch slot.Last.Outcome {
	case history.Bad:
		r.Look.Fault = probe.Fault{Class: probe.Class(slot.Last.Class), Message: slot.Last.Message}
	case history.Unknown:
		if r.Cause = slot.Last.Message; r.Cause == "" {
			r.Cause = "unknown in the imported log"
		}
	case history.Good:
	}
	return r
}

// flush stores the batch; all of it is of one series.
func (b *bringing) flush(ctx context.Context) error {
	if len(b.batch) == 0 {
		return nil
	}
	s := history.Series{Check: b.batch[0].Check, Location: b.batch[0].Location}
	if !b.dryRun {
		done, err := b.store.Import(ctx, b.batch)
		if err != nil {
			return fmt.Errorf("%w (what was stored so far stays; run the import again, it goes on where it stopped)", err)
		}
		b.done[s].Imported = b.done[s].Add(done)
	}
	b.batch = b.batch[:0]
	return nil
}

// say prints what came of it.
func (b *bringing) say() {
	keys := slices.SortedFunc(maps.Keys(b.logs.survey), func(x, y history.Series) int {
		return strings.Compare(x.Check+"\x00"+x.Location, y.Check+"\x00"+y.Location)
	})
	for _, s := range keys {
		x, d := b.logs.survey[s], b.done[s]
		if d == nil {
			d = &brought{}
		}
		b.out.printf("%s from %s: %d attempts in %d slots, %s to %s\n", s.Check, s.Location, x.Entries, d.slots, wording.Stamp(x.First), wording.Stamp(x.Last))
		b.out.printf("  good %d, bad %d, unknown %d; good only after a retry %d\n", d.outcomes[history.Good], d.outcomes[history.Bad], d.outcomes[history.Unknown], d.soft)
		if !b.dryRun {
			b.out.printf("  new %d, known before %d, of which %d said something else and stay as they were\n", d.New+d.Learned, d.Known, d.Differ)
		}
	}
	if n := b.folder.Outside; n > 0 {
		b.out.printf("%d attempts lie in a slot that began under another configuration and count nowhere\n", n)
	}
	var first, last time.Time
	for _, x := range b.logs.survey {
		if first.IsZero() || x.First.Before(first) {
			first = x.First
		}
		if x.Last.After(last) {
			last = x.Last
		}
	}
	w, until := reports.WeekOf(first, b.zone), reports.WeekOf(last, b.zone)
	b.out.printf("weeks %s to %s (keepwatch report --week %s)\n", w, until, w)
	if b.dryRun {
		b.out.printf("nothing was changed: this was a dry run\n")
	}
}
