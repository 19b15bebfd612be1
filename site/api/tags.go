package api

import (
	"keepwatch/site/gallery"
)

// tagLong is a tag with its codes.
type tagLong struct {
	ID          int64         `json:"id"`
	Name        string        `json:"tag"`
	Description string        `json:"dsc,omitempty"`
	Photos      int64         `json:"n"`
	Level       gallery.Level `json:"lvl"`
	Codes       []codeLong    `json:"tok"`
}

// codeLong is a code as who may give it away sees it.
type codeLong struct {
	ID      int64         `json:"id"`
	Code    string        `json:"rc"`
	Level   gallery.Level `json:"lvl"`
	Uses    int64         `json:"n"`
	MaxUses int64         `json:"max,omitempty"`
	Expires string        `json:"exp,omitempty"`
}

// tags lists what the visitor holds and what is free to use. Who holds nothing
// gets an empty list, by which the original's front end knows.
func (a *API) tags(r request) (any, error) {
	q := &query{values: r.URL.Query()}
	long, _ := q.flag("v")
	if q.err != nil {
		return nil, q.err
	}
	facts, err := a.Desk.Tags(r.Context(), r.v)
	if err != nil {
		return nil, err
	}
	if !long {
		out := make([]tagBody, len(facts))
		for i, t := range facts {
			out[i] = tagBody{ID: t.ID, Name: t.Name, Level: r.v.Level(t.ID)}
		}
		return out, nil
	}
	out := make([]tagLong, len(facts))
	for i, t := range facts {
		out[i] = tagLong{
			ID: t.ID, Name: t.Name, Description: t.Description, Photos: t.Photos, Level: r.v.Level(t.ID), Codes: make([]codeLong, len(t.Codes)),
		}
		for j, c := range t.Codes {
			out[i].Codes[j] = codeLong{ID: c.ID, Code: gallery.FormatCode(c.Code), Level: c.Level, Uses: c.Uses, MaxUses: c.MaxUses}
			if !c.Expires.IsZero() {
				out[i].Codes[j].Expires = c.Expires.Format(dayLayout)
			}
		}
	}
	return out, nil
}
