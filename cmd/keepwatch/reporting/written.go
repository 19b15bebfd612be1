package reporting

import (
	"context"
	"errors"

	"keepwatch/postgres"
	"keepwatch/reports"
)

// WrittenWeek loads a written week; one that was counted in another zone than the
// present counts too, for it is what people were told.
func WrittenWeek(ctx context.Context, store postgres.Reports, w reports.Week, revision int) (reports.Report, error) {
	r, err := store.Load(ctx, w.String(), w.Zone.String(), revision)
	if !errors.Is(err, reports.ErrNotFound) {
		return r, err
	}
	saved, listErr := store.List(ctx, "", 1000)
	if listErr != nil {
		return r, listErr
	}
	for _, s := range saved {
		if s.Week == w.String() && (revision == 0 || s.Revision == revision) {
			return store.Load(ctx, s.Week, s.Zone, s.Revision)
		}
	}
	return r, err
}
