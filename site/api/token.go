package api

import (
	"keepwatch/site/answer"
	"keepwatch/site/desk"
	"keepwatch/site/gallery"
)

type tokenBody struct {
	Tags []tagBody `json:"tags"`
}

type tagBody struct {
	ID    int64         `json:"id"`
	Name  string        `json:"tag"`
	Level gallery.Level `json:"lvl"`
}

type codeBody struct {
	Code    string `json:"rc"`
	Expires string `json:"exp,omitempty"`
	MaxUses int64  `json:"max,omitempty"`
}

// empty is the answer {}.
type empty struct{}

// token logs in with a code, makes codes and deletes them.
func (a *API) token(r request) (any, error) {
	if err := r.form(formLimit); err != nil {
		return nil, err
	}
	verb := ""
	for _, known := range []string{"rc", "new", "del"} {
		if r.Form.Has(known) && verb != "" {
			return nil, answer.ErrVerb
		}
		if r.Form.Has(known) {
			verb = known
		}
	}
	q := &query{values: r.Form}
	switch verb {
	case "rc":
		return a.redeem(r, q)
	case "new":
		return a.newCode(r, q)
	case "del":
		code := q.text("del")
		if q.err != nil {
			return nil, q.err
		}
		return empty{}, a.Desk.Unshare(r.Context(), r.v, code)
	}
	return nil, answer.ErrVerb
}

func (a *API) redeem(r request, q *query) (any, error) {
	code := r.Form.Get("rc") // also what is no text at all counts as a wrong code
	if len(r.Form["rc"]) > 1 {
		q.fail("rc may be given once")
		return nil, q.err
	}
	g, err := a.Gate.Login(r.w, r.Request, code)
	if err != nil {
		return nil, err
	}
	return tokenBody{Tags: []tagBody{{ID: g.Tag.ID, Name: g.Tag.Name, Level: g.Level}}}, nil
}

// newCode makes a code (K1). cnt and exp limit the code, not what it gives.
func (a *API) newCode(r request, q *query) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	q.only("new", "tag", "lvl", "cnt", "exp")
	level := gallery.Level(min(q.id("lvl"), 99)) //nolint:gosec // fits; the desk judges it
	s := desk.ShareRequest{Tag: q.id("tag"), Level: level, MaxUses: q.id("cnt"), Expires: q.instant("exp")}
	if s.Tag == 0 {
		q.fail("tag must be the number of one")
	}
	if q.err != nil {
		return nil, q.err
	}
	c, err := a.Desk.Share(r.Context(), r.v, s)
	if err != nil {
		return nil, err
	}
	body := codeBody{Code: gallery.FormatCode(c.Code), MaxUses: c.MaxUses}
	if !c.Expires.IsZero() {
		body.Expires = c.Expires.Format(dayLayout)
	}
	return body, nil
}
