package intake

import (
	"context"
	"io"
	"time"

	"github.com/bep/imagemeta"

	"keepwatch/site/gallery"
)

// Meta is what a picture says about itself; zero values are not known. Texts are
// cleaned and within the limits of [gallery.Photo].
type Meta struct {
	Shot        gallery.Shot
	Taken       time.Time // local wall time, carried as UTC
	Zone        string    // offset such as +02:00
	Orientation int       // 1 to 8
	Position    gallery.Position
}

// ReadEXIF reads the metadata of a picture of the kind, from its start.
func ReadEXIF(ctx context.Context, kind Kind, r io.ReadSeeker) (Meta, error) {
	_ = imagemeta.EXIF
	panic("intake: soon")
}
