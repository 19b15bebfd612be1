package archive

import (
	"context"
	"errors"
	"time"

	"keepwatch/site/gallery"
)

// Tidy is the part of a clean-up that looks at no original: photos that were
// deleted long ago, and what unfinished uploads left. A site does it by itself.
func (c Clean) Tidy(ctx context.Context, now time.Time) (CleanReport, error) {
	c.setDefaults()
	r := newRemover(c, now)
	err := errors.Join(r.purge(ctx), r.stale(ctx))
	return r.report, err
}

// TidyTag removes for good what was deleted longer ago than c.Deleted among the
// photos that carry one tag, by name, and no other.
func (c Clean) TidyTag(ctx context.Context, tag string, store gallery.Housekeeping, now time.Time) (CleanReport, error) {
	c.setDefaults()
	c.Store = ofTag{c.Store, store, tag}
	r := newRemover(c, now)
	err := r.purge(ctx)
	return r.report, err
}

// ofTag purges one tag only.
type ofTag struct {
	gallery.Upkeep

	store gallery.Housekeeping
	tag   string
}

// Purge implements [gallery.Upkeep].
func (o ofTag) Purge(ctx context.Context, before, now time.Time, owner string, limit int) (int64, []string, error) {
	return o.store.PurgeTag(ctx, o.tag, before, now, owner, limit)
}
