package gallery

import (
	"fmt"
	"slices"
	"time"
)

// Decide turns a request into a plan for each photo, or refuses all of it: with
// ErrForbidden when one photo may not be written (A3), one tag may not be added
// (T1) or the visitor could not write a photo any more (T2); with an InputError
// when a place or person does not exist.
func Decide(v Visitor, r EditRequest, facts EditFacts, now time.Time) ([]Plan, error) {
	plans := make([]Plan, len(facts.Photos))
	for i, photo := range facts.Photos {
		if !MayWrite(v, photo) {
			return nil, fmt.Errorf("%w: photo %d", ErrForbidden, photo.ID)
		}
		plan := Plan{Photo: photo}
		r.fields(&plan.Photo, now)
		if err := r.location(&plan, facts); err != nil {
			return nil, err
		}
		if err := r.people(&plan, photo, facts); err != nil {
			return nil, err
		}
		if err := r.tags(&plan, v, photo, facts); err != nil {
			return nil, err
		}
		plans[i] = plan
	}
	return plans, nil
}

type textChange struct {
	to   *string
	from *string
}

// texts pairs the texts of a photo with what they are to become.
func (r EditRequest) texts(p *Photo) []textChange {
	return []textChange{
		{&p.Title, r.Title},
		{&p.Caption, r.Caption},
		{&p.Watermark, r.Watermark},
		{&p.FileName, r.FileName},
		{&p.Shot.Camera, r.Camera},
		{&p.Shot.Aperture, r.Aperture},
		{&p.Shot.Shutter, r.Shutter},
		{&p.Shot.Exposure, r.Exposure},
		{&p.Shot.Metering, r.Metering},
		{&p.Shot.Film, r.Film},
		{&p.Shot.Process, r.Process},
		{&p.Shot.FocalLength, r.FocalLength},
		{&p.Zone, r.Zone},
	}
}

// fields changes the photo's own row. What people say wins over what the file says.
func (r EditRequest) fields(p *Photo, now time.Time) {
	if r.Reread {
		r.FromFile[p.ID].Apply(p)
	}
	for _, t := range r.texts(p) {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	if r.Taken != nil {
		p.Taken = *r.Taken
	}
	if r.Rotation != nil {
		p.Rotation = *r.Rotation
	}
	if r.Flash != nil {
		p.Shot.Flash = r.Flash
	}
	p.New = r.New != nil && *r.New // whoever touches a photo has seen it
	switch {
	case r.Deleted == nil:
	case !*r.Deleted:
		p.Deleted = time.Time{}
	case p.Deleted.IsZero(): // a second time does not prolong its life
		p.Deleted = now
	}
}

func (r EditRequest) location(plan *Plan, facts EditFacts) error {
	if r.Location != 0 {
		place, ok := facts.Places[r.Location]
		if !ok {
			return InputError{"loc is the number of no place"}
		}
		plan.Photo.Location = place.Ref
	}
	if r.LocationName == "" {
		return nil
	}
	at := plan.Photo.Location.ID
	here := facts.Places[at]
	for _, known := range [][]Ref{{here.Ref}, here.Children, facts.Siblings[at]} {
		i := slices.IndexFunc(known, func(n Ref) bool { return Key(n.Name) == Key(r.LocationName) })
		if i >= 0 {
			plan.Photo.Location = known[i]
			return nil
		}
	}
	plan.NewLocation = Ref{ID: at, Name: r.LocationName}
	return nil
}

func (r EditRequest) people(plan *Plan, photo Photo, facts EditFacts) error {
	has := func(id int64) bool {
		return slices.ContainsFunc(photo.People, func(p Person) bool { return p.ID == id })
	}
	add := func(id int64) {
		if !has(id) && !slices.Contains(plan.AddPeople, id) {
			plan.AddPeople = append(plan.AddPeople, id)
		}
	}
	for _, id := range r.AddPeople {
		if _, ok := facts.People[id]; !ok {
			return InputError{"ppl is the number of no person"}
		}
		add(id)
	}
	for _, p := range r.PersonNames {
		if id, ok := facts.PersonNames[Key(p.Name())]; ok {
			add(id)
		} else {
			plan.NewPeople = append(plan.NewPeople, p)
		}
	}
	for _, id := range r.DelPeople {
		if has(id) && !slices.Contains(plan.AddPeople, id) {
			plan.RemovePeople = append(plan.RemovePeople, id)
		}
	}
	return nil
}

// tags plans what T1 and T2 allow. What is already as it should be needs no right.
func (r EditRequest) tags(plan *Plan, v Visitor, photo Photo, facts EditFacts) error {
	after := photo.TagIDs()
	add := func(t TagFacts) error {
		if slices.Contains(after, t.ID) {
			return nil
		}
		if err := MayTag(v, t); err != nil {
			return err
		}
		plan.AddTags = append(plan.AddTags, t.ID)
		after = append(after, t.ID)
		return nil
	}
	for _, id := range r.AddTags {
		t, ok := facts.Tags[id]
		if !ok { // as for a tag that belongs to others
			return fmt.Errorf("%w: tag %d", ErrForbidden, id)
		}
		if err := add(t); err != nil {
			return err
		}
	}
	for _, name := range r.TagNames {
		id, ok := facts.TagNames[Key(name)]
		if !ok {
			plan.NewTags = append(plan.NewTags, name)
			continue
		}
		if err := add(facts.Tags[id]); err != nil {
			return err
		}
	}
	for _, id := range r.DelTags {
		i := slices.Index(after, id)
		if i < 0 {
			continue
		}
		if slices.Contains(plan.AddTags, id) {
			return InputError{"a tag cannot be added and taken away at once"}
		}
		after = slices.Delete(after, i, i+1)
		plan.RemoveTags = append(plan.RemoveTags, id)
	}
	if v.On(after) < Write {
		return fmt.Errorf("%w: this is the last tag by which you may change the photo", ErrForbidden)
	}
	return nil
}

// Changed says which lists of a photo an edit changed.
type Changed struct{ Location, Tags, People, New, Deleted bool }

// Compare says what differs between a photo before and after an edit, of what its
// answer tells.
func Compare(before, after Photo) Changed {
	return Changed{
		Location: before.Location.ID != after.Location.ID,
		Tags:     !slices.Equal(before.Tags, after.Tags),
		People:   !slices.Equal(before.People, after.People),
		New:      before.New != after.New,
		Deleted:  before.Deleted.IsZero() != after.Deleted.IsZero(),
	}
}
