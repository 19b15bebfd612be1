package gallery

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of one request to edit.
const (
	MaxBatch    = 1000 // photos
	MaxMentions = 100  // tags, people, names: of each
)

// EditRequest is what somebody wants to be changed on photos. Nil and zero fields
// change nothing.
type EditRequest struct {
	IDs []int64 // of the photos, in the order of the request, each once

	Title, Caption, Watermark, FileName *string
	Camera, Aperture, Shutter, Exposure *string
	Metering, Film, Process, FocalLength,
	Zone *string

	Taken                *time.Time // the zero time clears it
	Rotation             *int       // 0, 90, 180 or 270
	New, Flash, Deleted  *bool
	Location             int64
	LocationName         string
	AddPeople, DelPeople []int64
	PersonNames          []Person // ID 0
	AddTags, DelTags     []int64
	TagNames             []string

	// Reread asks to read the file's own data again. Whoever can read files puts what
	// was found into FromFile, by photo, before [Decide] is called.
	Reread   bool
	FromFile map[int64]FromFile
}

// FromFile is what a picture file says about itself; zero fields are not known.
type FromFile struct {
	Shot        Shot
	Taken       time.Time // local wall time, carried as UTC
	Zone        string    // offset such as +02:00
	Orientation int       // 1 to 8
	Position    Position
}

// Apply writes over p what was found, and leaves the rest.
func (f FromFile) Apply(p *Photo) {
	if !f.Taken.IsZero() {
		p.Taken = f.Taken
	}
	if f.Orientation != 0 {
		p.Orientation = f.Orientation
	}
	for _, t := range []struct {
		to   *string
		from string
	}{
		{&p.Zone, f.Zone},
		{&p.Shot.Camera, f.Shot.Camera},
		{&p.Shot.Aperture, f.Shot.Aperture},
		{&p.Shot.Shutter, f.Shot.Shutter},
		{&p.Shot.Exposure, f.Shot.Exposure},
		{&p.Shot.Metering, f.Shot.Metering},
		{&p.Shot.Film, f.Shot.Film},
		{&p.Shot.Process, f.Shot.Process},
		{&p.Shot.FocalLength, f.Shot.FocalLength},
	} {
		if t.from != "" {
			*t.to = t.from
		}
	}
	if f.Shot.Flash != nil {
		p.Shot.Flash = f.Shot.Flash
	}
	if f.Position.Lat != nil && f.Position.Lon != nil {
		p.Position.Lat, p.Position.Lon = f.Position.Lat, f.Position.Lon
	}
	if f.Position.Alt != nil {
		p.Position.Alt = f.Position.Alt
	}
}

// ParseEdit reads the parameters of a request to edit: img, which may be repeated,
// and any of the changes. Every error is an InputError that names the parameter.
func ParseEdit(values url.Values) (EditRequest, error) {
	var r EditRequest
	p := parser{values: values}
	r.IDs = p.ids("img", MaxBatch)
	r.Title = p.text("tit", MaxLong)
	r.Caption = p.text("cap", MaxCaption)
	r.Watermark = p.text("wmk", MaxMedium)
	r.FileName = p.text("fil", MaxFileName)
	r.Camera = p.text("cam", MaxShort)
	r.Aperture = p.text("apt", MaxShort)
	r.Shutter = p.text("sht", MaxShort)
	r.Exposure = p.text("exp", MaxMedium)
	r.Metering = p.text("met", MaxShort)
	r.Film = p.text("flm", MaxShort)
	r.Process = p.text("pcs", MaxShort)
	r.FocalLength = p.text("foc", MaxMedium)
	r.Zone = p.text("tz", MaxLong)
	r.Taken = p.wall("ts")
	r.Rotation = p.rotation("rot")
	r.New, r.Flash, r.Deleted = p.flag("new"), p.flag("fls"), p.flag("del")
	r.Location = p.id("loc")
	r.LocationName = p.name("loc_fre", MaxMedium)
	r.AddPeople, r.DelPeople = p.ids("ppl", MaxMentions), p.ids("ppl_del", MaxMentions)
	for _, name := range p.names("ppl_fre", MaxPerson) {
		r.PersonNames = append(r.PersonNames, PersonOf(name))
	}
	r.AddTags, r.DelTags = p.ids("tag", MaxMentions), p.ids("tag_del", MaxMentions)
	r.TagNames = p.names("tag_fre", MaxMedium)
	_, r.Reread = values["exf"]
	p.seen("exf")
	p.others()
	if p.err != nil {
		return EditRequest{}, p.err
	}
	return r, r.check()
}

// check refuses what is no request: no photo, no change, or a change and its opposite.
func (r EditRequest) check() error {
	switch {
	case len(r.IDs) == 0:
		return InputError{"img must name the photo to change"}
	case r.empty():
		return InputError{"name at least one thing to change"}
	case overlap(r.AddTags, r.DelTags):
		return InputError{"tag and tag_del name the same tag"}
	case overlap(r.AddPeople, r.DelPeople):
		return InputError{"ppl and ppl_del name the same person"}
	case r.Location != 0 && r.LocationName != "":
		return InputError{"loc and loc_fre exclude each other"}
	}
	return nil
}

func overlap(a, b []int64) bool {
	return slices.ContainsFunc(a, func(id int64) bool { return slices.Contains(b, id) })
}

func (r EditRequest) empty() bool {
	for _, s := range r.texts(&Photo{}) {
		if s.from != nil {
			return false
		}
	}
	return r.Taken == nil && r.Rotation == nil && r.New == nil && r.Flash == nil && r.Deleted == nil &&
		r.Location == 0 && r.LocationName == "" && !r.Reread &&
		len(r.AddPeople)+len(r.DelPeople)+len(r.PersonNames)+len(r.AddTags)+len(r.DelTags)+len(r.TagNames) == 0
}

// Edit is the question to the store that goes with the request; [Decide] judges
// the answer.
func (r EditRequest) Edit(v Visitor, now time.Time) Edit {
	return Edit{
		IDs:  r.IDs,
		Tags: slices.Concat(r.AddTags, r.DelTags), TagNames: r.TagNames,
		People: slices.Concat(r.AddPeople, r.DelPeople), PersonNames: r.PersonNames,
		Location: r.Location, LocationName: r.LocationName,
		Ask: v.Asking(now),
	}
}

// Asking says for whom facts are to be gathered.
func (v Visitor) Asking(now time.Time) Asking {
	return Asking{Writable: v.Writable(), Held: v.at(None), Now: now}
}

// PersonOf splits a full name: the last word is the last name.
func PersonOf(name string) Person {
	words := strings.Fields(name)
	if len(words) == 0 {
		return Person{}
	}
	return Person{First: strings.Join(words[:len(words)-1], " "), Last: words[len(words)-1]}
}

// Name is the full name of a person.
func (p Person) Name() string { return strings.TrimSpace(p.First + " " + p.Last) }

// Span is the wall times that the filter's day and month allow, from one (included)
// to the other (excluded); the zero time does not restrict. A day or month that
// does not exist is an InputError.
func (f Filter) Span() (from, to time.Time, err error) {
	if f.Day != "" {
		if from, err = ParseDay(f.Day); err != nil {
			return from, to, err
		}
		to = from.AddDate(0, 0, 1)
	}
	if f.Month == "" {
		return from, to, nil
	}
	month, err := ParseMonth(f.Month)
	if err != nil {
		return from, to, err
	}
	if from.Before(month) {
		from = month
	}
	if end := month.AddDate(0, 1, 0); to.IsZero() || end.Before(to) {
		to = end
	}
	return from, to, nil
}

// ParseDay reads a day, 2006-01-02. The error is an InputError.
func ParseDay(s string) (time.Time, error) {
	t, err := time.Parse("2006-01-02", s)
	if err != nil || t.Year() < 1 {
		return time.Time{}, InputError{"date must be a day like 2026-05-31"}
	}
	return t, nil
}

// ParseMonth reads a month, 2006-01. The error is an InputError.
func ParseMonth(s string) (time.Time, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Year() < 1 {
		return time.Time{}, InputError{"month must be a month like 2026-05"}
	}
	return t, nil
}
