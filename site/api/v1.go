package api

import (
	"math"
	"strconv"
	"time"

	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

// photoV1 is a photo under /api/v1. What is not known is absent.
type photoV1 struct {
	ID          int64     `json:"id"`
	Version     string    `json:"version"` // for the addresses of its pictures
	Title       string    `json:"title,omitempty"`
	Caption     string    `json:"caption,omitempty"`
	Taken       string    `json:"taken,omitempty"` // local wall time
	Zone        string    `json:"zone,omitempty"`
	FileName    string    `json:"file_name,omitempty"`
	Bytes       int64     `json:"bytes"`
	Width       int       `json:"width"` // as it is shown, turned
	Height      int       `json:"height"`
	Rotation    int       `json:"rotation"`
	Camera      string    `json:"camera,omitempty"`
	Aperture    string    `json:"aperture,omitempty"`
	Shutter     string    `json:"shutter,omitempty"`
	Exposure    string    `json:"exposure,omitempty"`
	Metering    string    `json:"metering,omitempty"`
	Film        string    `json:"film,omitempty"`
	Process     string    `json:"process,omitempty"`
	FocalLength string    `json:"focal_length,omitempty"`
	Flash       *bool     `json:"flash,omitempty"`
	Watermark   string    `json:"watermark,omitempty"`
	Position    *position `json:"position,omitempty"` // only for who may edit
	Place       ref       `json:"place"`
	People      []ref     `json:"people"`
	Tags        []ref     `json:"tags"`
	New         bool      `json:"new"`
	Deleted     string    `json:"deleted,omitempty"` // when
	Added       string    `json:"added"`
	MayDownload bool      `json:"may_download"`
	MayEdit     bool      `json:"may_edit"`
}

type position struct {
	Lat *float64 `json:"lat,omitempty"`
	Lon *float64 `json:"lon,omitempty"`
	Alt *float64 `json:"alt,omitempty"`
}

// ref names an object for people.
type ref struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func refOf(r gallery.Ref) ref { return ref(r) }

func refsOf(refs []gallery.Ref) []ref {
	out := make([]ref, len(refs))
	for i, r := range refs {
		out[i] = ref(r)
	}
	return out
}

func personRefs(people []gallery.Person) []ref {
	out := make([]ref, len(people))
	for i, p := range people {
		out[i] = ref{ID: p.ID, Name: p.Name()}
	}
	return out
}

func photoV1Of(v gallery.Visitor, p gallery.Photo) photoV1 {
	w, h := p.Upright()
	b := photoV1{
		ID: p.ID, Version: picture.Version(p), Title: p.Title, Caption: p.Caption, Zone: p.Zone, FileName: p.FileName, Bytes: p.Bytes,
		Width: w, Height: h, Rotation: p.Rotation, Camera: p.Shot.Camera, Aperture: p.Shot.Aperture, Shutter: p.Shot.Shutter,
		Exposure: p.Shot.Exposure, Metering: p.Shot.Metering, Film: p.Shot.Film, Process: p.Shot.Process, FocalLength: p.Shot.FocalLength,
		Flash: p.Shot.Flash, Watermark: p.Watermark, Place: refOf(p.Location), People: personRefs(p.People), Tags: refsOf(p.Tags),
		New: p.New, Added: p.Added.UTC().Format(time.RFC3339), MayDownload: gallery.MayDownload(v, p), MayEdit: gallery.MayWrite(v, p),
	}
	if !p.Taken.IsZero() {
		b.Taken = p.Taken.Format("2006-01-02T15:04:05")
	}
	if !p.Deleted.IsZero() {
		b.Deleted = p.Deleted.UTC().Format(time.RFC3339)
	}
	if at := p.Position; b.MayEdit && (at.Lat != nil || at.Lon != nil || at.Alt != nil) {
		b.Position = &position{Lat: rounded(at.Lat), Lon: rounded(at.Lon), Alt: rounded(at.Alt)}
	}
	return b
}

type photosV1 struct {
	Photos []photoV1 `json:"photos"`
	// Next is the parameter after of the next page; absent on the last.
	Next int64 `json:"next,omitempty"`
}

func photosV1Of(v gallery.Visitor, photos []gallery.Photo, next int64) photosV1 {
	out := photosV1{Photos: make([]photoV1, len(photos)), Next: next}
	for i, p := range photos {
		out.Photos[i] = photoV1Of(v, p)
	}
	return out
}

const pageSize = 100

// filterOf reads what /api/v1/photos and /api/v1/search have in common.
func (a *API) filterOf(r request, q *query) (gallery.Filter, error) {
	f := gallery.Filter{
		Day: q.day("day"), Month: q.month("month"), Location: q.id("place"), Below: q.id("below"), Person: q.id("person"), Text: q.words("q"),
	}
	if isNew, given := q.flag("new"); given {
		f.New = &isNew
	}
	f.Deleted, _ = q.flag("deleted")
	f.Limit, f.After = q.page()
	if f.Limit == 0 {
		f.Limit = pageSize
	}
	f.Tag = q.id("tag")
	name := q.text("tag_name")
	if q.err != nil || name == "" {
		return f, q.err
	}
	t, err := a.Desk.TagNamed(r.Context(), r.v, name)
	if err != nil {
		return f, err
	}
	if t.ID == 0 || (f.Tag != 0 && f.Tag != t.ID) {
		f.Tag = math.MaxInt64 // a tag that no photo carries
		return f, nil
	}
	f.Tag = t.ID
	return f, nil
}

// photos lists photos.
func (a *API) photos(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	q := &query{values: r.URL.Query()}
	q.only("day", "month", "place", "below", "person", "q", "new", "deleted", "limit", "after", "tag", "tag_name", "order")
	f, err := a.filterOf(r, q)
	if err != nil {
		return nil, err
	}
	switch order := q.text("order"); order {
	case "", "newest":
		f.Order = gallery.Newest
	case "taken":
		f.Order = gallery.ByTaken
	case "best":
		f.Order = gallery.Best
	default:
		q.fail("order must be newest, taken or best")
	}
	if f.Order == gallery.Best && f.Text == "" {
		q.fail("order=best needs q, the words to look for")
	}
	if q.err != nil {
		return nil, q.err
	}
	page, err := a.Desk.Page(r.Context(), r.v, f)
	if err != nil {
		return nil, err
	}
	return photosV1Of(r.v, page.Photos, page.Next), nil
}

// search finds photos by words, the best first.
func (a *API) search(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	q := &query{values: r.URL.Query()}
	q.only("q", "limit", "after")
	f := gallery.Filter{Text: q.words("q"), Order: gallery.Best}
	f.Limit, f.After = q.page()
	if f.Limit == 0 {
		f.Limit = pageSize
	}
	if f.Text == "" {
		q.fail("q must hold the words to look for")
	}
	if q.err != nil {
		return nil, q.err
	}
	page, err := a.Desk.Page(r.Context(), r.v, f)
	if err != nil {
		return nil, err
	}
	return photosV1Of(r.v, page.Photos, page.Next), nil
}

// pathID reads the id of the address: what is no number names nothing.
func pathID(r request) (int64, error) {
	text := r.PathValue("id")
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, gallery.InputError{Message: "the number in the address must be a whole number above 0"}
	}
	return id, nil
}

// photo shows one photo.
func (a *API) photo(r request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	p, err := a.Desk.Photo(r.Context(), r.v, id)
	if err != nil {
		return nil, err
	}
	return photoV1Of(r.v, p), nil
}

type hintsV1 struct {
	Watermarks []string `json:"watermarks"`
	Zones      []string `json:"zones"`
	Tags       []ref    `json:"tags"`
	People     []ref    `json:"people"`
	Places     []ref    `json:"places"`
}

// photoHints offers what was used before, near a photo or anywhere.
func (a *API) photoHints(r request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	h, err := a.Desk.Hints(r.Context(), r.v, id)
	if err != nil {
		return nil, err
	}
	return hintsV1{
		Watermarks: append([]string{}, h.Watermarks...), Zones: append([]string{}, h.Zones...),
		Tags: refsOf(h.Tags), People: personRefs(h.People), Places: refsOf(h.Places),
	}, nil
}

type groupV1 struct {
	Key   string  `json:"key"` // 2006-01-02, 2006-01, or an id
	Name  string  `json:"name,omitempty"`
	Count int64   `json:"count"`
	Photo photoV1 `json:"photo"` // the newest, to show for all
}

type groupsV1 struct {
	Groups []groupV1 `json:"groups"`
}

// groups counts photos by something.
func (a *API) groups(r request) (any, error) {
	q := &query{values: r.URL.Query()}
	q.only("by", "parent", "limit")
	return a.groupsBy(r, q, q.text("by"))
}

// people lists who is on the photos that the visitor may see.
func (a *API) people(r request) (any, error) {
	q := &query{values: r.URL.Query()}
	q.only("limit")
	return a.groupsBy(r, q, "person")
}

func (a *API) groupsBy(r request, q *query, by string) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	kinds := map[string]gallery.By{
		"day": gallery.ByDay, "month": gallery.ByMonth, "place": gallery.ByPlace, "person": gallery.ByPerson, "tag": gallery.ByTag,
	}
	kind, ok := kinds[by]
	if !ok {
		q.fail("by must be day, month, place, person or tag")
	}
	g := gallery.Grouping{By: kind, Parent: q.id("parent")}
	g.Limit, _ = q.page()
	if kind == gallery.ByPlace && g.Parent == 0 {
		g.Parent = gallery.RootLocation
	}
	if q.err != nil {
		return nil, q.err
	}
	groups, err := a.Desk.Groups(r.Context(), r.v, g)
	if err != nil {
		return nil, err
	}
	out := groupsV1{Groups: make([]groupV1, len(groups))}
	for i, g := range groups {
		out.Groups[i] = groupV1{Key: g.Key, Name: g.Name, Count: g.Count, Photo: photoV1Of(r.v, g.Photo)}
	}
	return out, nil
}

type placeV1 struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Parent   *ref   `json:"parent,omitempty"`
	Children []ref  `json:"children"`
}

// place shows a place in the tree; without an id the root.
func (a *API) place(r request) (any, error) {
	id, err := pathID(r)
	if err != nil && r.v.Known() {
		return nil, err
	}
	p, err := a.Desk.Place(r.Context(), r.v, id)
	if err != nil {
		return nil, err
	}
	out := placeV1{ID: p.ID, Name: p.Name, Children: refsOf(p.Children)}
	if p.Parent != nil {
		parent := refOf(*p.Parent)
		out.Parent = &parent
	}
	return out, nil
}
