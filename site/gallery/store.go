package gallery

import (
	"context"
	"time"
)

// The interfaces of what must be remembered. postgres.Photos implements them all;
// each consumer names the ones it needs. All methods are safe for concurrent use.
// Lists are bounded. Time is a parameter. A function called decide runs inside a
// transaction that may be begun anew: it may be called more than once, must not wait,
// and its error comes back unchanged. Errors are this package's or the
// adapter's own (then the store is away).

// Keys remembers tokens and codes.
type Keys interface {
	// Grants returns the grants of the tokens with these hashes, expired ones
	// included; unknown hashes are left out.
	Grants(ctx context.Context, hashes [][]byte) ([]Grant, error)
	// Redeem counts a use of the code and stores the new token, both or neither, or
	// returns ErrCode. Racing callers cannot use a code more often than it allows.
	Redeem(ctx context.Context, r Redemption) (Grant, error)
	// Share makes a code for a tag: it locks the tag, gathers the facts, lets decide
	// judge them, and stores what decide returns. An unknown tag is ErrNotFound, a
	// code that exists is ErrTaken.
	Share(ctx context.Context, tag int64, ask Asking, decide func(TagFacts) (Code, error)) (Code, error)
	// Unshare deletes a code and the tokens it gave, if decide allows it. An unknown
	// code is ErrNotFound. A tag without photos, codes and tokens goes with it (T2b).
	Unshare(ctx context.Context, code string, ask Asking, decide func(TagFacts, Code) error) error
	// Tags returns the tags the visitor holds and those found on photos that it may
	// write, with facts and codes (codes of all; the caller hides what K2 forbids), by name.
	Tags(ctx context.Context, ask Asking) ([]TagFacts, error)
	// Tag returns one tag with its facts by id (or by name when id is 0), or ErrNotFound.
	Tag(ctx context.Context, id int64, name string, ask Asking) (TagFacts, error)
}

// Asking says for whom and when a store gathers facts.
type Asking struct {
	Writable []int64 // tags the visitor holds at write
	Held     []int64 // all tags the visitor holds
	Now      time.Time
}

// TagFacts is what the access rules need to know of a tag.
type TagFacts struct {
	Ref

	Description string
	// Photos counts photos on the tag that are not deleted; All counts deleted ones too.
	Photos, All int64
	// Foreign counts photos on the tag, deleted or not, that carry none of Asking.Writable.
	Foreign int64
	// Owned means that somebody holds an unexpired write token for the tag or could
	// get one by a code that still works. A tag that is not owned is free.
	Owned bool
	Codes []Code // ascending by id; nil where it was not asked
}

// Redemption asks to turn a code into a token.
type Redemption struct {
	Code  string // normal form
	Token []byte // SHA-256 of the new secret
	Now   time.Time
}

// Photos remembers photos and finds them.
type Photos interface {
	// Photo returns a photo, also a deleted one, or ErrNotFound.
	Photo(ctx context.Context, id int64) (Photo, error)
	// Find returns the photos that a filter asks for, in its order.
	Find(ctx context.Context, f Filter) ([]Photo, error)
	// Groups counts visible photos by day, month, place, person or tag.
	Groups(ctx context.Context, g Grouping) ([]Group, error)
	// Count counts distinct photos that a filter asks for.
	Count(ctx context.Context, f Filter) (int64, error)
	// Edit changes photos in one transaction, all or none: it locks them, gathers the
	// facts, lets decide plan, and applies the plans. A photo that does not exist is
	// ErrNotFound. It returns the photos as they are afterwards, in the order of IDs.
	Edit(ctx context.Context, e Edit, decide func(EditFacts) ([]Plan, error)) ([]Photo, error)
	// Hints returns what helps to fill in forms.
	Hints(ctx context.Context, h HintRequest) (Hints, error)
}

// Places remembers locations.
type Places interface {
	// Place returns a location with its neighbours, or ErrNotFound.
	Place(ctx context.Context, id int64) (Place, error)
	// Person returns a person, or ErrNotFound.
	Person(ctx context.Context, id int64) (Person, error)
}

// Order is how Find sorts.
type Order int

// The orders.
const (
	ByTaken Order = iota // oldest first, photos without a time last; then by id
	Newest               // newest first, by taken or else added; then by id
	Best                 // best match of Filter.Text first
)

// Filter says which photos are asked for; zero fields do not restrict, save Tags.
type Filter struct {
	Tags     []int64 // photos that carry one of these (what the visitor may see); empty finds none
	Day      string  // 2006-01-02, of the taken (else added, in UTC) wall time
	Month    string  // 2006-01
	Location int64   // exactly here
	Below    int64   // here or anywhere below
	Person   int64
	Tag      int64
	New      *bool
	Text     string // full text over caption, title, people, places, tags, file name
	Order    Order
	Limit    int   // at most; 0 means 1000
	After    int64 // id of the last photo of the page before, in the same order; 0 starts
	// Deleted finds deleted photos instead of the others.
	Deleted bool
}

// By is what Groups groups by.
type By int

// The groupings.
const (
	ByDay By = iota
	ByMonth
	ByPlace // children of Grouping.Parent with all that lies below them
	ByPerson
	ByTag
)

// Grouping asks for groups.
type Grouping struct {
	By     By
	Tags   []int64 // as Filter.Tags
	Parent int64   // for ByPlace
	Limit  int     // at most; 0 means 1000
}

// Group is one row of a browse page.
type Group struct {
	Key   string // 2006-01-02, 2006-01, or an id
	Name  string // of the place, person (First Last) or tag; "" for days and months
	Count int64  // distinct photos
	Photo Photo  // one to show for all: the newest
}

// Edit asks to change photos.
type Edit struct {
	IDs []int64
	// Tags, TagNames, People, PersonNames, Location and LocationName are what the
	// changes mention, so that the facts about them can be gathered under the lock.
	Tags         []int64
	TagNames     []string
	People       []int64
	PersonNames  []Person // ID 0
	Location     int64
	LocationName string
	Ask          Asking
}

// EditFacts is what decide needs to know, all read under the lock of the edit.
type EditFacts struct {
	Photos []Photo // in the order of Edit.IDs
	// Tags holds what T1 must know (name and Owned, no counts) of all mentioned tags
	// that exist, by id or by name.
	Tags map[int64]TagFacts
	// TagNames maps the Key of mentioned names to ids of tags that exist; a tag that is
	// spelled exactly so wins over one that is alike.
	TagNames map[string]int64
	People   map[int64]Person // mentioned ids that exist
	// PersonNames maps the Key of mentioned full names to ids of people that exist.
	PersonNames map[string]int64
	// Places holds the present location of each photo and the mentioned one with their
	// neighbours, by id; it is empty when the edit mentions no place.
	Places   map[int64]Place
	Siblings map[int64][]Ref // by location id: the other children of its parent
}

// Plan is what is to be done with one photo. The store applies it literally, in
// the order: new tags, people and places; the photo's row; links.
type Plan struct {
	Photo Photo // the row as it is to be (Tags and People are ignored, Location.ID too when NewLocation is set)
	// AddTags and RemoveTags are ids; NewTags are names that do not exist yet. One
	// name in several plans is made once.
	AddTags, RemoveTags []int64
	NewTags             []string
	AddPeople           []int64
	RemovePeople        []int64
	NewPeople           []Person
	// NewLocation, when its Name is set, is made (or found, if it was made meanwhile)
	// as a child of its ID and becomes the photo's.
	NewLocation Ref
}

// HintRequest asks for hints.
type HintRequest struct {
	Writable []int64
	// Photo, when not 0, asks for tags, people and places used on photos that share
	// the photo's first writable tag within 30 days.
	Photo int64
	Limit int // of each; 0 means 20
}

// Hints help to fill in forms; latest used first.
type Hints struct {
	Watermarks []string
	Zones      []string
	Tags       []Ref // only tags of HintRequest.Writable
	People     []Person
	Places     []Ref
}

// NewPhoto is a photo to be stored.
type NewPhoto struct {
	Photo Photo // ID 0; Location by id
	// Location, when set, is a place of this name below Photo.Location, beside it or
	// it itself, and made below it when there is none.
	Location string
	Tags     []int64
	// Owner is who wrote the intent, see Uploads.
	Owner string
	Now   time.Time
}

// Uploads remembers new photos. An original is never on disk without a row that
// names it: first an intent, then the file, then the photo's row, which takes the
// intent away in the same transaction.
type Uploads interface {
	// Intend notes that content is about to be written by owner. Each call is one
	// upload, ended by one Add or one Forget. It returns ErrBeingRemoved while the same
	// content is being removed.
	Intend(ctx context.Context, content, owner string, now time.Time) error
	// Known returns the photo with this content under one of the tags (deleted ones
	// too, others first), or ErrNotFound.
	Known(ctx context.Context, content string, tags []int64) (Photo, error)
	// Add stores the photo with its tags and takes an intent of its content by this
	// owner away; without one it returns ErrBeingRemoved. decide judges the tags (their
	// names and Owned, no counts) under their lock: see MayUpload. A tag that does not
	// exist is ErrNotFound. It returns the id.
	Add(ctx context.Context, n NewPhoto, ask Asking, decide func([]TagFacts) error) (int64, error)
	// Forget takes an intent away whose upload did not come about. It reports whether
	// the content is now named by no row and no other intent: then the caller removes
	// the file between this call and Removed; until then Intend returns ErrBeingRemoved.
	Forget(ctx context.Context, content, owner string, now time.Time) (orphan bool, err error)
	// Removed ends what Forget (or Stale, or Unnamed) began.
	Removed(ctx context.Context, content, owner string) error
}

// Upkeep finds what can be cleaned up. What a method returns is marked as being
// removed by owner, exactly as Forget does it; a mark of owner itself, or one that
// is older than an hour, may be taken over (its time becomes now).
type Upkeep interface {
	// Stale takes away up to limit intents that owner left (all of them), or that anybody
	// left before a time. It returns, and marks, their contents that no photo and no other
	// intent names, and those that owner had marked and not removed: the work of a
	// process that was killed. An empty owner left nothing.
	Stale(ctx context.Context, owner string, before, now time.Time, limit int) ([]string, error)
	// Unnamed returns which of the contents are named by no photo and no intent, and marks them.
	Unnamed(ctx context.Context, contents []string, owner string, now time.Time) ([]string, error)
	// Purge removes the rows of up to limit photos that were deleted before a time, and returns
	// and marks the contents that no other photo names.
	Purge(ctx context.Context, before, now time.Time, owner string, limit int) (photos int64, contents []string, err error)
	// Removed ends what Stale, Unnamed or Purge began with one content.
	Removed(ctx context.Context, content, owner string) error
	// Survey tells what the others would find, and changes nothing.
	Survey(ctx context.Context, s Survey) (Surveyed, error)
}

// Survey asks what can be cleaned up.
type Survey struct {
	Contents    []string  // which of these are named by nothing, as Unnamed; nil asks for none
	StaleBefore time.Time // intents of anybody written before; zero asks for none
	PurgeBefore time.Time // photos deleted before; zero asks for none
}

// Surveyed is the answer to a survey.
type Surveyed struct {
	Unnamed []string // of Survey.Contents, ascending; marked ones too
	Stale   int64    // intents
	Purge   int64    // photos
	// PurgeFiles and PurgeBytes are of the contents that only these photos name.
	PurgeFiles, PurgeBytes int64
}

// Housekeeping forgets what piles up.
type Housekeeping interface {
	// PurgeTag is Purge of [Upkeep] for the photos that carry one tag, by name, and no other.
	PurgeTag(ctx context.Context, tag string, before, now time.Time, owner string, limit int) (photos int64, contents []string, err error)
	// DropTokens forgets tokens that ended before a time and returns how many.
	DropTokens(ctx context.Context, before time.Time) (int64, error)
}

// Importer stores what another site knew, with its ids. Importing twice is importing once.
type Importer interface {
	// ImportPhoto stores a photo under its own id, with tags, people and places by
	// name, made when missing, and takes the intent of its content by this owner away.
	// It reports whether the photo was new; one with this id and this content is left as it is
	// (people may have edited it), one with this id and another content is ErrOccupied.
	ImportPhoto(ctx context.Context, p ImportedPhoto) (stored bool, err error)
	// ImportCode stores a code with its tag by name, made when missing. A code that exists
	// is left as it is; when it is for another tag that is ErrTaken.
	ImportCode(ctx context.Context, c ImportedCode) (stored bool, err error)
}

// ImportedPhoto is a photo of another site.
type ImportedPhoto struct {
	Photo  Photo    // ID set; Tags, People and Location by name are below
	Tags   []string // names
	People []Person // ID 0
	Places []string // from the root down, without the root: "Germany", "Berlin"
	Owner  string   // of the intent, see Uploads
	Now    time.Time
}

// ImportedCode is a code of another site.
type ImportedCode struct {
	Code Code // Tag is ignored
	Tag  string
	Now  time.Time
}

// Founding makes a site usable.
type Founding interface {
	// Welcome tells what the site holds.
	Welcome(ctx context.Context) (Welcome, error)
	// Seed stores the whole seed in one transaction, unless its tag exists already.
	Seed(ctx context.Context, s Seed) error
	// MakeCode stores a code for a tag by name, made when missing; ErrTaken if the code exists.
	MakeCode(ctx context.Context, c ImportedCode) error
}

// Welcome is what the site holds at its start.
type Welcome struct {
	// Empty means that there is neither a photo nor a tag.
	Empty bool
	// Code is the first login code while nobody has used it yet, else "".
	Code string
}

// Seed is what an empty site starts with.
type Seed struct {
	Now   time.Time
	Tag   string
	Level Level
	Code  string // normal form
	// Photos may have People without ID and a Location without ID: they are made, the
	// location right below the root.
	Photos []Photo
	// Owner is who wrote intents for the photos, see Uploads; "" wrote none.
	Owner string
}

// Views remembers who looked at what.
type Views interface {
	// AddViews stores views in one statement.
	AddViews(ctx context.Context, vs []View) error
	// DropViews forgets views before a time, by partition.
	DropViews(ctx context.Context, before time.Time) error
}

// View is one look at a large picture.
type View struct {
	Photo  int64
	Edge   int // pixels; 0 is the original
	At     time.Time
	Client []byte // salted hash of the client's address, 16 bytes
}

// Watcher tells when another process changed what this one may remember.
type Watcher interface {
	// Watch calls changed for each change until ctx is done or the connection fails;
	// an empty Change means that anything may have changed.
	Watch(ctx context.Context, changed func(Change)) error
}

// Change says what changed; the zero value means anything.
type Change struct {
	Photo int64
	Token []byte
}
