package api

import (
	"fmt"
	"math"
	"time"

	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

const (
	dayLayout  = "2006-01-02"
	wallLayout = "2006-01-02 15:04:05"
)

// photoBody is the photo object of the original. What is not known is absent.
type photoBody struct {
	ID       int64    `json:"id"`
	Version  string   `json:"v"`
	Title    string   `json:"tit,omitempty"`
	Caption  string   `json:"cap,omitempty"`
	Day      string   `json:"dat,omitempty"`
	Taken    string   `json:"ts,omitempty"`
	Zone     string   `json:"tz,omitempty"`
	File     string   `json:"fil,omitempty"`
	Camera   string   `json:"cam,omitempty"`
	Aperture string   `json:"apt,omitempty"`
	Shutter  string   `json:"sht,omitempty"`
	Exposure string   `json:"exp,omitempty"`
	Metering string   `json:"met,omitempty"`
	Film     string   `json:"flm,omitempty"`
	Process  string   `json:"pcs,omitempty"`
	Focal    string   `json:"foc,omitempty"`
	Flash    *bool    `json:"fls,omitempty"`
	Mark     string   `json:"wmk,omitempty"`
	Height   int      `json:"hgt"` // as it is shown, turned
	Width    int      `json:"wid"`
	Size     string   `json:"siz"`
	Lat      *float64 `json:"lat,omitempty"`
	Lon      *float64 `json:"lon,omitempty"`
	Alt      *float64 `json:"alt,omitempty"`
	Rotation int      `json:"rot"`
	New      bool     `json:"new"`
	Deleted  bool     `json:"del,omitempty"`
	Download bool     `json:"dl,omitempty"`
	Edit     bool     `json:"ed,omitempty"`

	People []choice `json:"ppl"`
	Tags   []choice `json:"tag"`
	Places []place  `json:"loc"`
}

// choice is a person or a tag: on the photo, or suggested.
type choice struct {
	ID     int64  `json:"id"`
	Text   string `json:"txt"`
	Active bool   `json:"act"`
}

// place is a location; Relation is "" for the one itself, else s (suggested), p
// (parent) or c (child).
type place struct {
	ID       int64  `json:"id"`
	Text     string `json:"txt"`
	Relation string `json:"rel,omitempty"`
}

// photoOf writes a photo for a visitor who may see it.
func photoOf(v gallery.Visitor, p gallery.Photo) photoBody {
	w, h := p.Upright()
	b := photoBody{
		ID: p.ID, Version: picture.Version(p), Title: p.Title, Caption: p.Caption, Zone: p.Zone, File: p.FileName,
		Camera: p.Shot.Camera, Aperture: p.Shot.Aperture, Shutter: p.Shot.Shutter, Exposure: p.Shot.Exposure, Metering: p.Shot.Metering,
		Film: p.Shot.Film, Process: p.Shot.Process, Focal: p.Shot.FocalLength, Flash: p.Shot.Flash, Mark: p.Watermark,
		Width: w, Height: h, Size: fmt.Sprintf("%.1fMP %dx%d", float64(w)*float64(h)/1e6, w, h),
		Rotation: p.Rotation, New: p.New, Deleted: !p.Deleted.IsZero(), Download: gallery.MayDownload(v, p), Edit: gallery.MayWrite(v, p),
		People: peopleOf(p), Tags: tagsOf(p), Places: []place{{ID: p.Location.ID, Text: p.Location.Name}},
	}
	if !p.Taken.IsZero() {
		b.Day, b.Taken = p.Taken.Format(dayLayout), p.Taken.Format(wallLayout)
	}
	if b.Edit { // where people live is nothing for everybody
		b.Lat, b.Lon, b.Alt = rounded(p.Position.Lat), rounded(p.Position.Lon), rounded(p.Position.Alt)
	}
	return b
}

// rounded keeps 6 decimals: a tenth of a metre.
func rounded(f *float64) *float64 {
	if f == nil {
		return nil
	}
	const fine = 1e6
	r := math.Round(*f*fine) / fine
	return &r
}

func peopleOf(p gallery.Photo) []choice {
	out := make([]choice, len(p.People))
	for i, person := range p.People {
		out[i] = choice{ID: person.ID, Text: person.Name(), Active: true}
	}
	return out
}

func tagsOf(p gallery.Photo) []choice {
	out := make([]choice, len(p.Tags))
	for i, t := range p.Tags {
		out[i] = choice{ID: t.ID, Text: t.Name, Active: true}
	}
	return out
}

// around lists a place, suggestions, its parent and its children.
func around(p gallery.Place, suggested []gallery.Ref) []place {
	out := []place{{ID: p.ID, Text: p.Name}}
	for _, s := range suggested {
		if s.ID != p.ID {
			out = append(out, place{ID: s.ID, Text: s.Name, Relation: "s"})
		}
	}
	if p.Parent != nil {
		out = append(out, place{ID: p.Parent.ID, Text: p.Parent.Name, Relation: "p"})
	}
	for _, c := range p.Children {
		out = append(out, place{ID: c.ID, Text: c.Name, Relation: "c"})
	}
	return out
}

// suggest adds what is not on the photo yet.
func suggest(have []choice, more []choice) []choice {
	for _, m := range more {
		known := false
		for _, h := range have {
			known = known || h.ID == m.ID
		}
		if !known {
			have = append(have, m)
		}
	}
	return have
}

func suggestedTags(tags []gallery.Ref) []choice {
	out := make([]choice, len(tags))
	for i, t := range tags {
		out[i] = choice{ID: t.ID, Text: t.Name}
	}
	return out
}

func suggestedPeople(people []gallery.Person) []choice {
	out := make([]choice, len(people))
	for i, p := range people {
		out[i] = choice{ID: p.ID, Text: p.Name()}
	}
	return out
}

// longDay writes a day for people.
func longDay(day string) string {
	t, err := time.Parse(dayLayout, day)
	if err != nil {
		return day
	}
	return t.Format("2 January 2006")
}

// monthOf returns the year and the name of a month.
func monthOf(month string) (year, name string) {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return "", month
	}
	return t.Format("2006"), t.Format("January")
}
