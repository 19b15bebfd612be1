package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/probe"
	"keepwatch/reports"
)

// Imported says what became of results that were brought in.
type Imported struct {
	New     int // slots that had no result
	Learned int // slots that were recorded as unknown and are known now
	Known   int // slots that had a result, which stays
	Differ  int // of Known: with another outcome
}

// Add adds up.
func (i Imported) Add(o Imported) Imported {
	return Imported{i.New + o.New, i.Learned + o.Learned, i.Known + o.Known, i.Differ + o.Differ}
}

const sqlEmptyStage = `TRUNCATE import_stage`

const sqlCompareStage = `
SELECT count(*) FILTER (WHERE r.outcome = 0 AND s.outcome <> 0),
	count(*) FILTER (WHERE r.outcome <> 0 OR s.outcome = 0),
	count(*) FILTER (WHERE r.outcome <> 0 AND r.outcome <> s.outcome)
FROM import_stage s
JOIN probe_result r ON r.check_id = s.check_id AND r.loc = s.loc AND r.slot = s.slot`

// What is inserted is marked by the table's own trigger; what is learned is not.
const sqlMarkStage = `
INSERT INTO fold_mark (check_id, from_at, to_at)
SELECT s.check_id, min(s.slot), max(s.slot) + interval '1 millisecond'
FROM import_stage s
JOIN probe_result r ON r.check_id = s.check_id AND r.loc = s.loc AND r.slot = s.slot
WHERE r.outcome = 0
AND s.outcome <> 0
GROUP BY s.check_id, date_trunc('day', s.slot, 'UTC')`

// A result stays as it was seen; only what nobody could tell is learned.
const sqlInsertStage = `
INSERT INTO probe_result (slot, check_id, latency_us, loc, outcome, attempts, code, err_id)
SELECT s.slot, s.check_id, s.latency_us, s.loc, s.outcome, s.attempts, s.code, e.id
FROM import_stage s
LEFT JOIN probe_error e ON e.sha = s.sha
ORDER BY s.check_id, s.loc, s.slot
ON CONFLICT (check_id, loc, slot) DO UPDATE
SET latency_us = EXCLUDED.latency_us, outcome = EXCLUDED.outcome, attempts = EXCLUDED.attempts,
	code = EXCLUDED.code, err_id = EXCLUDED.err_id
WHERE probe_result.outcome = 0
AND EXCLUDED.outcome <> 0`

// Import stores past results, at most one for each slot of a check and location:
// all of them or none. A slot that has a result keeps it, unless that says
// "unknown"; so a second import changes nothing. Days of any age get their partition; what
// belongs to hours that are archived joins their blocks in the same transaction. Call
// it with some ten thousand at a time.
func (r *Results) Import(ctx context.Context, rs []probe.Result) (Imported, error) {
	if err := r.learnNames(ctx, rs); err != nil {
		return Imported{}, insertError(err)
	}
	b := r.columns(rs)
	if len(b.slots) == 0 {
		return Imported{}, nil
	}
	var done Imported
	for again := true; ; again = false {
		if err := r.ensureDays(ctx, b.slots); err != nil {
			return Imported{}, insertError(err)
		}
		err := r.DB.tx(ctx, func(tx pgx.Tx) (err error) {
			done, err = r.stage(ctx, tx, b)
			return err
		})
		if again && (noPartition(err) || errors.Is(err, errNewBlock)) {
			// Another process archived a day, and dropped a partition that this one remembers.
			r.mu.Lock()
			r.days = nil
			r.mu.Unlock()
			continue
		}
		if err != nil {
			return Imported{}, insertError(err)
		}
		return done, nil
	}
}

// stage copies the batch beside the ledger and takes over what is new.
func (r *Results) stage(ctx context.Context, tx pgx.Tx, b *batch) (Imported, error) {
	var done Imported
	if _, err := tx.Exec(ctx, sqlEmptyStage); err != nil { // also keeps two imports apart
		return done, err
	}
	columns := []string{"slot", "check_id", "latency_us", "loc", "outcome", "attempts", "code", "sha"}
	rows := pgx.CopyFromSlice(len(b.slots), func(i int) ([]any, error) {
		return []any{b.slots[i], b.checks[i], b.latencies[i], b.locs[i], b.outcomes[i], b.attempts[i], b.codes[i], b.shas[i]}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"import_stage"}, columns, rows); err != nil {
		return done, err
	}
	if err := b.errs.insert(ctx, tx); err != nil {
		return done, err
	}
	archived, err := stageBlocks(ctx, tx)
	if err != nil {
		return done, err
	}
	if err := tx.QueryRow(ctx, sqlCompareStage).Scan(&done.Learned, &done.Known, &done.Differ); err != nil {
		return done, err
	}
	if done.Learned > 0 {
		if _, err := tx.Exec(ctx, sqlMarkStage); err != nil {
			return done, err
		}
	}
	tag, err := tx.Exec(ctx, sqlInsertStage)
	if err != nil {
		return done, err
	}
	done.New = int(tag.RowsAffected()) - done.Learned
	return done.Add(archived), nil
}

// insert stores the explanations that are new.
func (e *errorBatch) insert(ctx context.Context, tx pgx.Tx) error {
	if len(e.shas) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, sqlInsertErrors, pgx.NamedArgs{
		"shas": e.shas, "hours": e.hours, "causes": e.causes, "classes": e.classes,
		"phases": e.phases, "messages": e.messages, "bodies": e.bodies, "codes": e.codes,
		"steps": e.steps, "journeys": e.journeys,
	})
	return err
}

const sqlCheckRevisions = `
SELECT v.rev, v.valid_from, v.valid_to, v.slot_ms, v.locations, v.k
FROM check_rev v
WHERE v.check_id = @check_id
ORDER BY v.valid_from, v.rev`

const sqlAddRevision = `
INSERT INTO check_rev (check_id, rev, valid_from, valid_to, slot_ms, locations, k, kind, target, spec, spec_sha)
VALUES (@check_id, @rev, @valid_from, @valid_to, @slot_ms, @locations, @k, @kind, @target, @spec, @spec_sha)`

// PastRevision is a stretch in which a check's history shall hold its present
// configuration; a zero To has no end.
type PastRevision struct{ From, To time.Time }

// Revisions returns the configurations that a check ever had, in order of time.
func (r *Results) Revisions(ctx context.Context, check string) ([]reports.Rev, error) {
	if err := r.learn(ctx, []string{check}, nil); err != nil {
		return nil, translate(fmt.Errorf("read revisions: %w", err))
	}
	var revs []reports.Rev
	err := r.DB.tx(ctx, func(tx pgx.Tx) (err error) {
		revs, _, _, err = revisionsOf(ctx, tx, r.checkID(check))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read revisions: %w", err)
	}
	return revs, nil
}

// ExtendHistory lets extend decide, with the configurations that the check ever
// had, where its present one shall be valid too, and notes that. What exists is not
// changed, and what is added must not overlap it.
func (r *Results) ExtendHistory(ctx context.Context, c *probe.Check, extend func(known []reports.Rev) []PastRevision) error {
	if err := r.learn(ctx, []string{c.Name}, c.Locations); err != nil {
		return translate(fmt.Errorf("extend history of %s: %w", c.Name, err))
	}
	err := r.DB.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockRevisions); err != nil {
			return err
		}
		known, low, high, err := revisionsOf(ctx, tx, r.checkID(c.Name))
		if err != nil {
			return err
		}
		for _, p := range extend(known) {
			if err := apart(p, known); err != nil {
				return err
			}
			// The highest number is that of the newest configuration: older ones go below.
			low--
			rev := low
			if p.To.IsZero() {
				high++
				rev = high
			}
			if err := r.addRevision(ctx, tx, c, p, rev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return translate(fmt.Errorf("extend history of %s: %w", c.Name, err))
	}
	return nil
}

// errOverlap is a mistake of the program.
var errOverlap = errors.New("a configuration is known for that time already")

func apart(p PastRevision, known []reports.Rev) error {
	for _, k := range known {
		if (k.To.IsZero() || k.To.After(p.From)) && (p.To.IsZero() || p.To.After(k.From)) && (k.To.IsZero() || k.To.After(k.From)) {
			return errOverlap
		}
	}
	return nil
}

// revisionsOf reads a check's history and the lowest and highest numbers in it; 1 and 0 when there are none.
func revisionsOf(ctx context.Context, tx pgx.Tx, id int32) (revs []reports.Rev, low, high int32, err error) {
	rows, err := tx.Query(ctx, sqlCheckRevisions, pgx.NamedArgs{"check_id": id})
	if err != nil {
		return nil, 0, 0, err
	}
	low = 1
	var number, slotMS int32
	var rev reports.Rev
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&number, &rev.From, &until, &slotMS, &rev.Locations, &rev.Quorum}, func() error {
		next := rev
		next.Locations = slices.Clone(rev.Locations)
		next.Slot = time.Duration(slotMS) * time.Millisecond
		next.To = instant(until)
		revs = append(revs, next)
		low, high = min(low, number), max(high, number)
		return nil
	})
	return revs, low, high, err
}

func (r *Results) addRevision(ctx context.Context, tx pgx.Tx, c *probe.Check, p PastRevision, rev int32) error {
	locs := r.locationIDs(c.Locations)
	spec := c.Spec
	if spec == "" {
		spec = "{}"
	}
	var until *time.Time
	if !p.To.IsZero() {
		until = &p.To
	}
	_, err := tx.Exec(ctx, sqlAddRevision, pgx.NamedArgs{
		"check_id": r.checkID(c.Name), "rev": rev, "valid_from": p.From, "valid_to": until,
		"slot_ms": c.Every.Milliseconds(), "locations": locs, "k": c.Quorum,
		"kind": c.Kind, "target": c.Target, "spec": spec, "spec_sha": revisionKey(c, locs),
	})
	return err
}
