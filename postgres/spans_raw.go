package postgres

import (
	"context"
	"fmt"
	"time"

	"keepwatch/reports"
)

// Ledger returns everything recorded about a check for slots that start in [from, to),
// archived results too. Folding it is slow and always right: what is stored of spans is
// compared with it. A check that was never configured has an empty ledger.
func (s Reports) Ledger(ctx context.Context, check string, from, to time.Time) (reports.CheckLedger, error) {
	l := reports.CheckLedger{Check: check}
	err := s.look(ctx, []string{check}, from, to, to, func(ctx context.Context, q asker, v *view) (err error) {
		id, known := v.ids[check]
		if !known {
			return nil
		}
		l.Revs, l.Locations, l.Errors = overlapping(v.revs[id], from, to), v.places, map[int32]reports.Failure{}
		rows, err := stretchRows(ctx, q, stretchesOf(id, l.Revs, from, to), v.names)
		if err != nil {
			return err
		}
		l.Rows = make([]reports.Row, 0, len(rows[id]))
		for _, row := range rows[id] {
			l.Rows = append(l.Rows, row.Row)
			if row.ErrID != 0 {
				l.Errors[row.ErrID] = row.Failure
			}
		}
		return nil
	})
	if err != nil {
		return reports.CheckLedger{}, translate(fmt.Errorf("read the ledger of %s: %w", check, err))
	}
	return l, nil
}
