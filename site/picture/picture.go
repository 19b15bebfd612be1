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

// Original is the size that asks for the untouched file.
const Original = 0

// Of tells the renderer where the photo's bytes are and how they are to be shown.
func Of(p gallery.Photo, store originals.Store) render.Picture {
	pic := shown(p)
	pic.Open = func(ctx context.Context) (io.ReadCloser, error) { return store.Open(ctx, p.Content) }
	return pic
}

func shown(p gallery.Photo) render.Picture {
	return render.Picture{
		Content: p.Content, Orientation: p.Orientation, Rotation: p.Rotation, Text: p.WatermarkText(), Longer: max(p.Width, p.Height),
	}
}

// Key names one rendition of a photo, or the untouched file; it is also its ETag.
func Key(p gallery.Photo, edge int) string {
	if edge == Original {
		return p.Content
	}
	return shown(p).Key(edge)
}

// Version is the part of a picture's address that changes with the picture; the
// same for all sizes.
func Version(p gallery.Photo) string { return shown(p).Version() }

// Address is where a rendition is found; browsers may keep it for ever.
func Address(p gallery.Photo, edge int) string {
	return "/img/" + strconv.Itoa(edge) + "/" + strconv.FormatInt(p.ID, 10) + ".jpg?v=" + Version(p)
}

// Size returns the width and height in pixels of a rendition of the photo as it is
// shown, turned.
func Size(p gallery.Photo, edge int) (w, h int) {
	w, h = render.Shown(p.Width, p.Height, p.Orientation, p.Rotation)
	return render.Fit(w, h, edge)
}
