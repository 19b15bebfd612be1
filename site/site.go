// Package site is the image site: people log in with a code and look at, bring
// and share pictures.
//
// It puts the parts together: who asks (site/access, site/guard), what is asked
// (site/api, site/pages), what is kept (site/gallery behind [Store],
// site/originals) and what is drawn (site/render). It knows no SQL, no YAML and
// no incidents.
package site

import (
	"context"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
)

// Store remembers everything the site must know.
type Store interface {
	access.Store

	// Welcome tells what the site holds.
	Welcome(ctx context.Context) (gallery.Welcome, error)
	// Seed stores the whole seed in one transaction, unless its tag exists already.
	Seed(ctx context.Context, s gallery.Seed) error
}
