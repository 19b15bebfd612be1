// Package site is the image site: people log in with a code and look at, bring
// and share pictures.
//
// It puts the parts together: who asks (site/access, site/guard), what is asked
// (site/api, site/pages), what is kept (site/gallery behind [Store],
// site/originals) and what is drawn (site/render). It knows no SQL, no YAML and
// no incidents.
package site

import (
	"keepwatch/site/gallery"
)

// Store remembers everything the site must know. postgres.Photos does.
type Store interface {
	gallery.Keys
	gallery.Photos
	gallery.Places
	gallery.Uploads
	gallery.Views
	gallery.Upkeep
	gallery.Housekeeping
	gallery.Watcher
	gallery.Founding
}
