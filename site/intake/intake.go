// Package intake takes uploads in: everything from the bytes that somebody
// sends to a stored photo.
//
// It owns the reading of upload forms, the judging of files by their bytes, the
// EXIF mapping, the walking of ZIP files, the temporary files, and the order in
// which intent, original and row are written so that a killed process leaves
// nothing that cannot be cleaned. It knows no SQL, no cookies and no HTTP
// answers; whoever calls it has decided that the visitor may upload.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"keepwatch/site/gallery"
	"keepwatch/site/render"
)

// The errors that callers tell apart. Other errors mean that the database is away. Texts are for the person who uploads.
var (
	// ErrNotPicture is returned for what is neither JPEG, PNG, WebP nor ZIP: HTTP 415.
	ErrNotPicture = errors.New("this is not a picture that the site can show; send JPEG, PNG, WebP or a ZIP of them")
	// ErrTooLarge is returned for files, ZIPs and uploads beyond the limits: HTTP 413.
	// It is wrapped with the limit.
	ErrTooLarge = errors.New("this is more than the site takes")
	// ErrZIP is returned for a ZIP that is damaged, encrypted or made to do harm: HTTP 415.
	// It is wrapped with what is wrong.
	ErrZIP = errors.New("this ZIP cannot be read")
	// ErrFull is returned when the site has no room left: HTTP 507.
	ErrFull = errors.New("the site has no room left for pictures")
	// ErrKeep is returned when the store of originals is away or failing: HTTP 503.
	ErrKeep = errors.New("the site cannot keep pictures just now; please try again")
	// ErrBusy is returned when too many uploads are on their way: HTTP 503.
	ErrBusy = errors.New("many uploads are on their way; please try again in a minute")
	// ErrNoFile is returned for a form without a file: HTTP 400.
	ErrNoFile = gallery.InputError{Message: "there is no file in this form"}
)

// Config is the block `site.uploads`.
type Config struct {
	// Dir is where uploads wait while they are read. Files here have no name and are gone with the
	// process. Default: ./data/uploads. Example: /mnt/photos/uploads.
	Dir string `yaml:"dir"`
	// MaxBytes is the largest upload, all files of a form together, and the most that a ZIP may unpack to.
	// Default: 512MiB. Range: 1MiB to 4GiB. Example: 100MiB.
	MaxBytes render.Size `yaml:"max_bytes"`
	// AtOnce is how many uploads may be on their way at once; more are asked to come back.
	// Default: 8. Range: 1 to 256. Example: 4.
	AtOnce int `yaml:"at_once"`
}

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	if c.Dir == "" {
		c.Dir = "./data/uploads"
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 512 << 20
	}
	if c.AtOnce == 0 {
		c.AtOnce = 8
	}
}

// Validate reports every mistake; it expects defaults to be set.
func (c *Config) Validate(report func(path, msg string)) {
	if c.MaxBytes < 1<<20 || c.MaxBytes > 4<<30 {
		report("max_bytes", "is "+c.MaxBytes.String()+"; give 1MiB to 4GiB")
	}
	if c.AtOnce < 1 || c.AtOnce > 256 {
		report("at_once", fmt.Sprintf("is %d; give 1 to 256", c.AtOnce))
	}
}

// Store is what an upload must remember. postgres.Photos implements it.
type Store interface {
	gallery.Uploads
	// Tag is that of [gallery.Keys].
	Tag(ctx context.Context, id int64, name string, ask gallery.Asking) (gallery.TagFacts, error)
	// Place is that of [gallery.Places].
	Place(ctx context.Context, id int64) (gallery.Place, error)
	// Edit is that of [gallery.Photos]; it adds tags to a photo that is here already.
	Edit(ctx context.Context, e gallery.Edit, decide func(gallery.EditFacts) ([]gallery.Plan, error)) ([]gallery.Photo, error)
}

// Originals is the part of [originals.Store] that uploads need.
type Originals interface {
	Put(ctx context.Context, content string, r io.ReadSeeker) error
	Delete(ctx context.Context, content string) error
}

// Parts are what an Intake works with. All fields but Prepare, Allow and Log are needed.
type Parts struct {
	Store     Store
	Originals Originals
	// Owner names this process in intents. It must be the same after a restart and
	// differ from that of other processes, see [gallery.Uploads].
	Owner string
	// Prepare, when set, is told of every photo that was stored, so that its standard
	// sizes can be made ahead of time. It must not wait. Tags have ids only, and so has
	// the location of a photo without a watermark.
	Prepare func(gallery.Photo)
	// Allow, when set, may refuse a picture of so many bytes before it is stored: the
	// place for a quota. A gallery.InputError refuses this picture, other errors end the upload.
	Allow func(ctx context.Context, tags []int64, bytes int64) error
	// Log takes what somebody should look at. Nil discards it.
	Log *slog.Logger
}

// Batch is what holds for all files of one upload.
type Batch struct {
	Fields  Fields
	Visitor gallery.Visitor
}

// State is what became of one file.
type State string

// The states.
const (
	Stored  State = "stored"
	Present State = "already here"
	Refused State = "refused"
)

// Result is what became of one picture, or of one ZIP as a whole when it was refused.
type Result struct {
	File  string `json:"file"` // cleaned name; that of the entry for a picture of a ZIP
	State State  `json:"state"`
	ID    int64  `json:"id,omitempty"`    // of the photo, unless refused
	Why   string `json:"why,omitempty"`   // one sentence when refused
	Notes string `json:"notes,omitempty"` // such as tags that were added to a photo already here
}

// Report is what became of an upload.
type Report struct {
	Results []Result
	// Ignored counts entries of ZIPs that are no pictures: folders, sidecar files.
	Ignored int
	// Stopped says in one sentence why the upload ended early; the files after the
	// last result were not looked at. "" when it did not.
	Stopped string
}

// IDs returns the photos that are on the site now, each once, in the order of the
// files.
func (r Report) IDs() []int64 {
	out := []int64{} // an empty list in JSON, not null
	for _, f := range r.Results {
		if f.State != Refused && !slices.Contains(out, f.ID) {
			out = append(out, f.ID)
		}
	}
	return out
}

// Log returns the report as text, a line for each file.
func (r Report) Log() string {
	var out strings.Builder
	for _, f := range r.Results {
		switch f.State {
		case Refused:
			fmt.Fprintf(&out, "%s: refused: %s\n", f.File, f.Why)
		case Stored:
			fmt.Fprintf(&out, "%s: stored as %d", f.File, f.ID)
		case Present:
			fmt.Fprintf(&out, "%s: already here as %d", f.File, f.ID)
		}
		if f.Notes != "" {
			out.WriteString("; " + f.Notes)
		}
		if f.State != Refused {
			out.WriteByte('\n')
		}
	}
	if r.Ignored > 0 {
		fmt.Fprintf(&out, "ignored in ZIP files, because they are no pictures: %d\n", r.Ignored)
	}
	if r.Stopped != "" {
		fmt.Fprintf(&out, "the upload ended here: %s\n", r.Stopped)
	}
	return out.String()
}

// Intake takes uploads in. Make it with [New]; safe for concurrent use.
type Intake struct {
	parts    Parts
	maxBytes int64
	spool    *spool
	slots    chan struct{} // one token for each upload on its way
	contents keyed         // one upload at a time writes one content
}

// New prepares the directory of uploads and removes what killed processes left there.
func New(cfg Config, parts Parts) (*Intake, error) {
	cfg.SetDefaults()
	if parts.Log == nil {
		parts.Log = slog.New(slog.DiscardHandler)
	}
	s, err := openSpool(cfg.Dir, time.Now())
	if err != nil {
		return nil, err
	}
	return &Intake{
		parts: parts, maxBytes: int64(cfg.MaxBytes), spool: s,
		slots: make(chan struct{}, cfg.AtOnce), contents: keyed{held: map[string]chan struct{}{}},
	}, nil
}

// Close releases the directory of uploads.
func (in *Intake) Close() error { return in.spool.root.Close() }

// Busy returns how many uploads are on their way and how many may be.
func (in *Intake) Busy() (now, most int) { return len(in.slots), cap(in.slots) }
