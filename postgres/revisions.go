package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/probe"
)

// revision is the newest row of check_rev of one check.
type revision struct {
	CheckID   int32
	Rev       int32
	ValidFrom time.Time
	ValidTo   *time.Time // nil: still valid
	SlotMS    int32      `db:"slot_ms"`
	SpecSHA   []byte     `db:"spec_sha"`
}

// Two daemons that start at once must not both open a revision; readers are not
// held up.
const sqlLockRevisions = `LOCK TABLE check_rev IN SHARE ROW EXCLUSIVE MODE`

const sqlNewestRevisions = `
SELECT DISTINCT ON (v.check_id) v.check_id, v.rev, v.valid_from, v.valid_to, v.slot_ms, v.spec_sha
FROM check_rev v
ORDER BY v.check_id, v.rev DESC`

const sqlCloseRevision = `
UPDATE check_rev
SET valid_to = @valid_to
WHERE check_id = @check_id AND rev = @rev`

const sqlOpenRevision = `
INSERT INTO check_rev (check_id, rev, valid_from, slot_ms, locations, k, kind, target, spec, spec_sha)
VALUES (@check_id, @rev, @valid_from, @slot_ms, @locations, @k, @kind, @target, @spec, @spec_sha)`

// SyncChecks notes in the history of the configuration what is looked at from
// now (UTC) on. A check whose spec, interval, locations and quorum are unchanged
// keeps its revision; a changed one gets a new revision and a missing one is
// closed, both from the next slot's start on, so that the slot in progress still
// counts. A check that returns leaves a gap without expected slots.
func (r *Results) SyncChecks(ctx context.Context, now time.Time, checks []probe.Check) error {
	var names, locations []string
	for i := range checks {
		names = append(names, checks[i].Name)
		locations = append(locations, checks[i].Locations...)
	}
	slices.Sort(locations)
	if err := r.learn(ctx, names, slices.Compact(locations)); err != nil {
		return translate(fmt.Errorf("sync checks: %w", err))
	}
	err := r.DB.tx(ctx, func(tx pgx.Tx) error {
		newest, err := newestRevisions(ctx, tx)
		if err != nil {
			return err
		}
		for i := range checks {
			id := r.checkID(checks[i].Name)
			if err := r.syncOne(ctx, tx, now, &checks[i], id, newest[id]); err != nil {
				return fmt.Errorf("check %s: %w", checks[i].Name, err)
			}
			delete(newest, id)
		}
		for _, gone := range newest {
			if gone.ValidTo != nil {
				continue
			}
			to := later(nextSlot(now, gone.SlotMS), gone.ValidFrom)
			if err := closeRevision(ctx, tx, gone, to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sync checks: %w", err)
	}
	return nil
}

func newestRevisions(ctx context.Context, tx pgx.Tx) (map[int32]*revision, error) {
	if _, err := tx.Exec(ctx, sqlLockRevisions); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, sqlNewestRevisions)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[revision])
	if err != nil {
		return nil, err
	}
	byCheck := make(map[int32]*revision, len(all))
	for _, v := range all {
		byCheck[v.CheckID] = v
	}
	return byCheck, nil
}

// syncOne opens a new revision of c unless old (nil: there was none) is still
// valid and says the same.
func (r *Results) syncOne(ctx context.Context, tx pgx.Tx, now time.Time, c *probe.Check, id int32, old *revision) error {
	locs := r.locationIDs(c.Locations)
	sha := revisionKey(c, locs)
	if old != nil && old.ValidTo == nil && bytes.Equal(old.SpecSHA, sha) {
		return nil
	}
	if c.Every < time.Millisecond || c.Every > day {
		return fmt.Errorf("an interval of %s is no slot", c.Every)
	}
	slotMS := int32(c.Every.Milliseconds()) //nolint:gosec // a day at most
	from, rev := nextSlot(now, slotMS), int32(1)
	if old != nil {
		rev = old.Rev + 1
		// A clock that was set back must not make revisions overlap.
		from = later(from, nextSlot(old.ValidFrom, slotMS))
		if old.ValidTo == nil {
			if err := closeRevision(ctx, tx, old, from); err != nil {
				return err
			}
		} else {
			from = later(from, nextSlot(*old.ValidTo, slotMS))
		}
	}
	spec := c.Spec
	if spec == "" {
		spec = "{}"
	}
	_, err := tx.Exec(ctx, sqlOpenRevision, pgx.NamedArgs{
		"check_id": id, "rev": rev, "valid_from": from, "slot_ms": slotMS, "locations": locs,
		"k": c.Quorum, "kind": c.Kind, "target": c.Target, "spec": spec, "spec_sha": sha,
	})
	return err
}

func closeRevision(ctx context.Context, tx pgx.Tx, v *revision, to time.Time) error {
	_, err := tx.Exec(ctx, sqlCloseRevision, pgx.NamedArgs{"check_id": v.CheckID, "rev": v.Rev, "valid_to": to})
	return err
}

func (r *Results) checkID(name string) int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checks[name]
}

func (r *Results) locationIDs(names []string) []int16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]int16, 0, len(names))
	for _, name := range names {
		ids = append(ids, r.locations[name])
	}
	slices.Sort(ids)
	return ids
}

// revisionKey is equal for configurations that expect and mean the same.
func revisionKey(c *probe.Check, locs []int16) []byte {
	var buf []byte
	for _, s := range []string{c.Kind, c.Target, c.Spec} {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	buf = binary.AppendVarint(buf, c.Every.Milliseconds())
	buf = binary.AppendVarint(buf, int64(c.Quorum))
	for _, id := range locs {
		buf = binary.AppendVarint(buf, int64(id))
	}
	sum := sha256.Sum256(buf)
	return sum[:]
}

// nextSlot is the first start of a slot at or after t, on the epoch-aligned grid.
func nextSlot(t time.Time, slotMS int32) time.Time {
	grid := int64(slotMS)
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	if rest := ms % grid; rest != 0 {
		ms += grid - rest
	}
	return time.UnixMilli(ms).UTC()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
