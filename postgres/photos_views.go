package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"keepwatch/site/gallery"
)

const sqlAddViews = `
INSERT INTO photo_view (photo_id, edge, at, client)
SELECT n.photo, n.edge, n.at, n.client
FROM unnest(@photos::bigint[], @edges::int4[], @ats::timestamptz[], @clients::bytea[]) AS n (photo, edge, at, client)`

const sqlMakeMonth = `SELECT gallery_make_month(@month::timestamptz)`

// AddViews implements [gallery.Views]. The first view of a month makes its
// partition.
func (p Photos) AddViews(ctx context.Context, vs []gallery.View) error {
	if len(vs) == 0 {
		return nil
	}
	photos, edges := make([]int64, len(vs)), make([]int32, len(vs))
	ats, clients := make([]time.Time, len(vs)), make([][]byte, len(vs))
	for i, v := range vs {
		photos[i], edges[i], ats[i], clients[i] = v.Photo, int32(min(max(v.Edge, 0), 1<<20)), v.At.UTC(), v.Client
	}
	args := pgx.NamedArgs{"photos": photos, "edges": edges, "ats": ats, "clients": clients}
	_, err := p.DB.pool.Exec(ctx, sqlAddViews, args)
	if noPartition(err) {
		if err := p.makeMonths(ctx, ats); err != nil {
			return err
		}
		_, err = p.DB.pool.Exec(ctx, sqlAddViews, args)
	}
	if err != nil {
		return translate(fmt.Errorf("store views: %w", err))
	}
	return nil
}

func (p Photos) makeMonths(ctx context.Context, ats []time.Time) error {
	var months []time.Time
	for _, at := range ats {
		if m := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC); !slices.Contains(months, m) {
			months = append(months, m)
		}
	}
	for _, m := range months {
		if _, err := p.DB.pool.Exec(ctx, sqlMakeMonth, pgx.NamedArgs{"month": m}); err != nil {
			return translate(fmt.Errorf("make the partition of a month: %w", err))
		}
	}
	return nil
}

const sqlDropMonths = `SELECT gallery_drop_before(@cutoff::timestamptz)`

const sqlDropViews = `
DELETE FROM photo_view
WHERE at < @cutoff`

// DropViews implements [gallery.Views]: whole months at once, then the rest of the
// month that before is in. Months that are just being read are left for the next time.
func (p Photos) DropViews(ctx context.Context, before time.Time) error {
	args := pgx.NamedArgs{"cutoff": before.UTC()}
	_, err := p.DB.pool.Exec(ctx, sqlDropMonths, args)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "55P03" {
		p.DB.log.Warn("old views are being read; they are dropped next time", "err", err)
		return nil
	}
	if err != nil {
		return translate(fmt.Errorf("drop months of views: %w", err))
	}
	if _, err := p.DB.pool.Exec(ctx, sqlDropViews, args); err != nil {
		return translate(fmt.Errorf("drop views: %w", err))
	}
	return nil
}
