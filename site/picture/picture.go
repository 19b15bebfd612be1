// Package picture joins a photo of the gallery with its pixels: what the renderer
// needs to know of it, and the addresses of its renditions.
package picture

import (
	"context"
	"io"
	"strconv"

	"keepwatch/site/gallery"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

const (
	// Original is the size that asks for the untouched file.
	Original     = 0
	versionChars = 8
)

// Of tells the renderer where the photo's bytes are and how they are to be shown.
func Of(p gallery.Photo, store originals.Store) render.Picture {
	return render.Picture{Content: p.Content, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return store.Open(ctx, p.Content)
	}}
}

// Key names one rendition of a photo; it is also its ETag.
func Key(p gallery.Photo, edge int) string { return render.Key(p.Content, edge) }

// Version is the part of a picture's address that changes with the picture; the
// same for all sizes.
func Version(p gallery.Photo) string { return Key(p, Original)[:versionChars] }

// Address is where a rendition is found; browsers may keep it for ever.
func Address(p gallery.Photo, edge int) string {
	return "/img/" + strconv.Itoa(edge) + "/" + strconv.FormatInt(p.ID, 10) + ".jpg?v=" + Version(p)
}

// Size returns the width and height in pixels of a rendition of the photo as it is
// shown, turned.
func Size(p gallery.Photo, edge int) (w, h int) { return render.Fit(p.Width, p.Height, edge) }
