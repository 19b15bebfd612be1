// Package gallery is what the image site is about: photos, the tags that decide
// who may see them, people, places, codes and tokens, and the rules of access.
//
// It owns the objects, the rules as pure functions, the reading of requests to
// browse and to edit, and the interfaces of what must be remembered. It knows
// no HTTP, SQL, files or pixels; time is always a parameter.
package gallery

import (
	"errors"
	"time"
)

// Level is what a visitor may do with a photo. The numbers are stored.
type Level int16

// The levels; each includes the ones before it. Imported data may say 4, manage,
// which means the same as write.
const (
	None     Level = 0
	Read     Level = 1 // see renditions and metadata
	Download Level = 2 // fetch the untouched original
	Write    Level = 3 // change, delete, share
)

// RootLocation is the id of the place that holds all others, "Earth".
const RootLocation = 1

// The longest texts, in characters, of the fields of a photo; longer ones are refused.
const (
	MaxShort    = 32  // camera, aperture, shutter, metering, film, process
	MaxMedium   = 64  // exposure, focal length, watermark, tag and location names
	MaxLong     = 100 // title, zone
	MaxFileName = 255
	MaxCaption  = 4000
	MaxPerson   = 100 // first and last name together
)

// Ref names an object for people.
type Ref struct {
	ID   int64
	Name string
}

// Position is where a photo was taken; nil parts are not known.
type Position struct {
	Lat, Lon *float64 // degrees, north and east positive
	Alt      *float64 // metres
}

// Shot is what the camera said about a photo; "" and nil are not known. All texts
// are for people: "f/2.8", "0.0063 s (1/160)", "ISO 200", "50.0mm (35mm equivalent 75mm)".
type Shot struct {
	Camera, Aperture, Shutter, Exposure, Metering, Film, Process, FocalLength string
	Flash                                                                     *bool
}

// Photo is one original and what is known of it.
type Photo struct {
	ID            int64
	Content       string // name in the store of originals: SHA-256 in hex
	FileName      string // as it was given; never part of a path
	Bytes         int64
	Width, Height int // pixels of the file, before it is turned
	// Orientation is EXIF's, 1 to 8: how the file's pixels must be turned to stand upright.
	Orientation int
	// Rotation is what people added: 0, 90, 180 or 270 degrees counter-clockwise,
	// on top of Orientation.
	Rotation  int
	Title     string
	Caption   string
	Taken     time.Time // local wall time where it was taken, carried as UTC; zero when not known
	Zone      string    // IANA name or offset of Taken, "" when not known
	Shot      Shot
	Position  Position
	Watermark string // template, see ExpandWatermark; "" has none
	Location  Ref
	New       bool
	Added     time.Time // UTC
	Deleted   time.Time // UTC; zero while it is not deleted
	Tags      []Ref     // ascending by id
	People    []Person  // ascending by id
}

// TagIDs returns the ids of the tags, ascending.
func (p Photo) TagIDs() []int64 {
	out := make([]int64, len(p.Tags))
	for i, t := range p.Tags {
		out[i] = t.ID
	}
	return out
}

// Person is a subject of photos.
type Person struct {
	ID          int64
	First, Last string
}

// Place is a location with its neighbours in the tree.
type Place struct {
	Ref

	Parent   *Ref  // nil for the root
	Children []Ref // by name
}

// Grant is what one token allows.
type Grant struct {
	Token   []byte // SHA-256 of the secret
	Tag     Ref
	Level   Level
	Expires time.Time // UTC; zero means never
}

// Code is what people type to get a token.
type Code struct {
	ID      int64
	Code    string // normal form
	Tag     int64
	Level   Level
	Uses    int64
	MaxUses int64     // 0: as often as people like
	Expires time.Time // UTC; zero means never
	// TokenLife is how long the tokens live that the code gives; 0 means for ever. It
	// is kept in whole seconds, and not told again.
	TokenLife time.Duration
}

// The errors of this package and of its stores. Adapters translate into them.
var (
	// ErrNotFound is returned for an object that does not exist.
	ErrNotFound = errors.New("there is no such thing")
	// ErrForbidden is returned for what is not allowed. What must not be seen and what
	// does not exist answer alike: callers that look something up for a visitor turn
	// ErrNotFound into it.
	ErrForbidden = errors.New("not allowed")
	// ErrCode is returned for a code that is unknown, expired or used up: one error
	// for all three, so that nobody can tell them apart.
	ErrCode = errors.New("this code is not valid")
	// ErrTaken is returned for a code that exists already.
	ErrTaken = errors.New("this code is taken; choose another")
	// ErrOccupied is returned for an imported photo whose number another photo has.
	ErrOccupied = errors.New("another photo has this number")
	// ErrBeingRemoved is returned for an upload of content that is just being removed:
	// the caller tries again in a second.
	ErrBeingRemoved = errors.New("this picture is just being removed; please try again")
)

// InputError is a wrong request: one sentence for the person who made it.
type InputError struct{ Message string }

// Error returns the sentence.
func (e InputError) Error() string { return e.Message }
