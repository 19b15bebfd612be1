package pages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"keepwatch/site/gallery"
)

const batchLimit = 200 // slides of one page

// toggle is a tag or person that can be put on pictures and taken away.
type toggle struct {
	ID   int64
	Name string
	On   bool
}

// placeForm chooses a place by walking the tree.
type placeForm struct {
	Current   gallery.Ref
	Parent    *gallery.Ref
	Children  []gallery.Ref
	Suggested []gallery.Ref
}

// field is a short text of the form.
type field struct {
	Name, Label, Value, Hint string // Name is that of the request
	Max                      int    // characters
}

// editPage is the form of one photo.
type editPage struct {
	frame

	Modes      modes
	Photo      detail
	Near       neighbours
	Taken      string // for <input type=datetime-local>
	Zone       string
	Watermark  string
	Rotation   int
	Tags       []toggle
	People     []toggle
	Place      placeForm
	Camera     []field
	Flash      string // "", "true" or "false"
	Watermarks []string
	Zones      []string
}

// editFirst goes to the form of the first photo of a set that may be changed.
func (p *Pages) editFirst(v visit) error {
	in, err := inOf(v.r)
	if err != nil {
		return err
	}
	f := in.filter()
	f.Limit = nearLimit
	photos, err := p.Album.Photos(v.ctx(), v.who, f)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(photos, func(photo gallery.Photo) bool { return gallery.MayWrite(v.who, photo) })
	if i < 0 {
		return gallery.ErrForbidden
	}
	http.Redirect(v.w, v.r, in.in("/edit/"+strconv.FormatInt(photos[i].ID, 10)), http.StatusSeeOther)
	return nil
}

func (p *Pages) edit(v visit) error {
	in, photo, err := p.one(v)
	if err != nil {
		return err
	}
	if !gallery.MayWrite(v.who, photo) {
		return gallery.ErrForbidden
	}
	page := editPage{
		frame: p.frame(v, "Edit "+nameOf(photo), in.section()), Modes: modesOf(v, in, "edit"), Photo: p.detailOf(v.who, photo, in),
		Zone: photo.Zone, Watermark: photo.Watermark, Rotation: photo.Rotation, Camera: cameraFields(photo),
	}
	page.Script = "edit"
	page.Photo.Image.Eager = true
	if !photo.Taken.IsZero() {
		page.Taken = photo.Taken.Format(formTime)
	}
	if photo.Shot.Flash != nil {
		page.Flash = strconv.FormatBool(*photo.Shot.Flash)
	}
	if page.Near, err = p.near(v, in, photo.ID, "/edit/"); err != nil {
		return err
	}
	hints, err := p.Forms.Hints(v.ctx(), v.who, photo.ID)
	if err != nil {
		return err
	}
	mine, err := p.usableTags(v)
	if err != nil {
		return err
	}
	page.Watermarks, page.Zones = hints.Watermarks, hints.Zones
	page.Tags = tagToggles(photo.Tags, slices.Concat(hints.Tags, mine))
	page.People = personToggles(photo.People, hints.People)
	if page.Place, err = p.placeForm(v, photo.Location.ID, hints.Places); err != nil {
		return err
	}
	p.show(v.w, "edit", http.StatusOK, page)
	return nil
}

// usableTags are the tags that the visitor may put on its pictures: its own first.
func (p *Pages) usableTags(v visit) ([]gallery.Ref, error) {
	tags, err := p.Forms.Tags(v.ctx(), v.who)
	if err != nil {
		return nil, err
	}
	var own, free []gallery.Ref
	for _, t := range tags {
		switch {
		case v.who.Level(t.ID) >= gallery.Write:
			own = append(own, t.Ref)
		case !t.Owned:
			free = append(free, t.Ref)
		}
	}
	return slices.Concat(own, free), nil
}

func tagToggles(on, offered []gallery.Ref) []toggle {
	var out []toggle
	for _, t := range on {
		out = append(out, toggle{ID: t.ID, Name: t.Name, On: true})
	}
	for _, t := range offered {
		if !slices.ContainsFunc(out, func(o toggle) bool { return o.ID == t.ID }) {
			out = append(out, toggle{ID: t.ID, Name: t.Name})
		}
	}
	return out
}

func personToggles(on, offered []gallery.Person) []toggle {
	refs := func(people []gallery.Person) []gallery.Ref {
		out := make([]gallery.Ref, len(people))
		for i, person := range people {
			out[i] = gallery.Ref{ID: person.ID, Name: person.Name()}
		}
		return out
	}
	return tagToggles(refs(on), refs(offered))
}

func (p *Pages) placeForm(v visit, id int64, suggested []gallery.Ref) (placeForm, error) {
	place, err := p.Album.Place(v.ctx(), v.who, max(id, gallery.RootLocation))
	if err != nil {
		return placeForm{}, err
	}
	return placeForm{Current: place.Ref, Parent: place.Parent, Children: place.Children, Suggested: suggested}, nil
}

func cameraFields(p gallery.Photo) []field {
	return []field{
		{"cam", "Camera", p.Shot.Camera, "", gallery.MaxShort},
		{"apt", "Aperture", p.Shot.Aperture, "f/2.8", gallery.MaxShort},
		{"sht", "Shutter", p.Shot.Shutter, "0.008 s (1/125)", gallery.MaxShort},
		{"flm", "Film", p.Shot.Film, "ISO 200", gallery.MaxShort},
		{"foc", "Focal length", p.Shot.FocalLength, "50.0mm", gallery.MaxMedium},
		{"exp", "Exposure", p.Shot.Exposure, "", gallery.MaxMedium},
		{"met", "Metering", p.Shot.Metering, "", gallery.MaxShort},
		{"pcs", "Process", p.Shot.Process, "", gallery.MaxShort},
	}
}

// batchPage edits many photos at once.
type batchPage struct {
	frame

	Modes      modes
	Up         link
	Slides     []batchSlide
	Tags       []toggle // that may be put on pictures
	People     []toggle
	Place      placeForm
	Watermarks []string
	Zones      []string
	Hidden     string // words for pictures that may not be changed, "" when there are none
	Next       string
	First      string
}

// batchSlide is a slide that can be chosen, with what the form must know of it.
type batchSlide struct {
	thumb

	ID   int64
	Data string // JSON of batchData
}

// batchData is what the script of the batch form reads of one photo.
type batchData struct {
	Title     string  `json:"tit"`
	Caption   string  `json:"cap"`
	Watermark string  `json:"wmk"`
	Taken     string  `json:"ts"`
	Zone      string  `json:"tz"`
	Place     string  `json:"loc"`
	Tags      []named `json:"tag"`
	People    []named `json:"ppl"`
	Deleted   bool    `json:"del"`
}

type named struct {
	ID   int64  `json:"id"`
	Name string `json:"txt"`
}

func (p *Pages) batch(v visit) error {
	in, err := inOf(v.r)
	if err != nil {
		return err
	}
	if len(v.who.Writable()) == 0 {
		return gallery.ErrForbidden
	}
	photos, next, err := p.some(v, in, "/batch", batchLimit)
	if err != nil {
		return err
	}
	title, err := p.titleOf(v.ctx(), v.who, in, photos)
	if err != nil {
		return err
	}
	page := batchPage{frame: p.frame(v, title, in.section()), Modes: modesOf(v, in, "batch"), Up: link{title, in.path()}, Next: next}
	page.Script = "batch"
	if afterOf(v.r) != 0 {
		page.First = in.in("/batch")
	}
	if err := p.batchForm(v, photos, &page); err != nil {
		return err
	}
	hidden := 0
	for _, photo := range photos {
		if !gallery.MayWrite(v.who, photo) {
			hidden++
			continue
		}
		slide, err := batchSlideOf(photo, in)
		if err != nil {
			return err
		}
		page.Slides = append(page.Slides, slide)
	}
	if hidden > 0 {
		page.Hidden = pictures(int64(hidden)) + " left out: you may look at them, but not change them."
	}
	p.show(v.w, "batch", http.StatusOK, page)
	return nil
}

// batchForm fills in what the form offers, in the order in which it is likely.
func (p *Pages) batchForm(v visit, photos []gallery.Photo, page *batchPage) error {
	hints, err := p.Forms.Hints(v.ctx(), v.who, 0)
	if err != nil {
		return err
	}
	tags, err := p.usableTags(v)
	if err != nil {
		return err
	}
	var people []gallery.Person
	for _, photo := range photos {
		people = append(people, photo.People...)
	}
	page.Tags = tagToggles(nil, slices.Concat(tags, hints.Tags))
	page.People = personToggles(nil, slices.Concat(people, hints.People))
	page.Watermarks, page.Zones = hints.Watermarks, hints.Zones
	page.Place, err = p.placeForm(v, gallery.RootLocation, hints.Places)
	return err
}

func batchSlideOf(photo gallery.Photo, in set) (batchSlide, error) {
	data := batchData{
		Title: photo.Title, Caption: photo.Caption, Watermark: photo.Watermark, Zone: photo.Zone, Place: photo.Location.Name,
		Tags: []named{}, People: []named{}, Deleted: !photo.Deleted.IsZero(),
	}
	if !photo.Taken.IsZero() {
		data.Taken = photo.Taken.Format(formTime)
	}
	for _, t := range photo.Tags {
		data.Tags = append(data.Tags, named{t.ID, t.Name})
	}
	for _, person := range photo.People {
		data.People = append(data.People, named{person.ID, person.Name()})
	}
	text, err := json.Marshal(data)
	if err != nil {
		return batchSlide{}, fmt.Errorf("write what the form must know: %w", err)
	}
	slide := batchSlide{thumb: singleThumb(photo, in), ID: photo.ID, Data: string(text)}
	slide.URL = strings.Replace(slide.URL, "/photo/", "/edit/", 1)
	return slide, nil
}

// uploadPage takes pictures in.
type uploadPage struct {
	frame

	Own        []toggle // the first is on
	Free       []toggle
	Place      placeForm
	Watermarks []string
	Zones      []string
}

func (p *Pages) upload(v visit) error {
	if len(v.who.Writable()) == 0 {
		return gallery.ErrForbidden
	}
	tags, err := p.Forms.Tags(v.ctx(), v.who)
	if err != nil {
		return err
	}
	hints, err := p.Forms.Hints(v.ctx(), v.who, 0)
	if err != nil {
		return err
	}
	page := uploadPage{frame: p.frame(v, "Upload", "upload"), Watermarks: hints.Watermarks, Zones: hints.Zones}
	page.Script = "upload"
	for _, t := range tags {
		switch {
		case v.who.Level(t.ID) >= gallery.Write:
			page.Own = append(page.Own, toggle{ID: t.ID, Name: t.Name, On: len(page.Own) == 0})
		case !t.Owned:
			page.Free = append(page.Free, toggle{ID: t.ID, Name: t.Name})
		}
	}
	if page.Place, err = p.placeForm(v, gallery.RootLocation, hints.Places); err != nil {
		return err
	}
	p.show(v.w, "upload", http.StatusOK, page)
	return nil
}
