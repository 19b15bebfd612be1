package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"keepwatch/site/answer"
	"keepwatch/site/desk"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
)

// json reads the body into a struct. Unknown fields are refused: a misspelt limit
// must not make something without limits.
func (r request) json(limit int64, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != answer.Tidy {
		return gallery.InputError{Message: "send the body as " + answer.Tidy}
	}
	d := json.NewDecoder(http.MaxBytesReader(r.w, r.Body, limit))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	if err == nil {
		_, err = d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return answer.ErrBody
	}
	return answer.ErrJSON
}

type sessionV1 struct {
	Tags []heldV1 `json:"tags"`
	New  int64    `json:"new"` // photos that nobody has touched and that the visitor may change
}

// heldV1 is a tag with what the visitor may do on it.
type heldV1 struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Level string `json:"level"`
}

func levelName(l gallery.Level) string {
	switch {
	case l >= gallery.Write:
		return "write"
	case l == gallery.Download:
		return "download"
	case l == gallery.Read:
		return "read"
	}
	return "none"
}

func levelNamed(name string) (gallery.Level, error) {
	switch name {
	case "read":
		return gallery.Read, nil
	case "download":
		return gallery.Download, nil
	case "write":
		return gallery.Write, nil
	}
	return gallery.None, gallery.InputError{Message: "level must be read, download or write"}
}

// session tells what the visitor holds; it is no error to hold nothing.
func (a *API) session(r request) (any, error) {
	out := sessionV1{Tags: []heldV1{}}
	facts, err := a.Desk.Tags(r.Context(), r.v)
	if err != nil {
		return nil, err
	}
	for _, t := range facts {
		if level := r.v.Level(t.ID); level > gallery.None {
			out.Tags = append(out.Tags, heldV1{ID: t.ID, Name: t.Name, Level: levelName(level)})
		}
	}
	if r.v.Known() {
		out.New, err = a.Desk.NewCount(r.Context(), r.v)
	}
	return out, err
}

type loginV1 struct {
	Code string `json:"code"`
}

type loggedInV1 struct {
	Tags []heldV1 `json:"tags"`
}

// login turns a code into a token in the cookie.
func (a *API) login(r request) (any, error) {
	var in loginV1
	if err := r.json(formLimit, &in); err != nil {
		return nil, err
	}
	g, err := a.Gate.Login(r.w, r.Request, in.Code)
	if err != nil {
		return nil, err
	}
	return loggedInV1{Tags: []heldV1{{ID: g.Tag.ID, Name: g.Tag.Name, Level: levelName(g.Level)}}}, nil
}

// logout takes the cookie away.
func (a *API) logout(r request) (any, error) {
	a.Gate.Logout(r.w)
	return empty{}, nil
}

// editV1 is what is to be changed; what is absent or null stays.
type editV1 struct {
	IDs            []int64  `json:"ids"`
	Title          *string  `json:"title"`
	Caption        *string  `json:"caption"`
	Watermark      *string  `json:"watermark"`
	FileName       *string  `json:"file_name"`
	Camera         *string  `json:"camera"`
	Aperture       *string  `json:"aperture"`
	Shutter        *string  `json:"shutter"`
	Exposure       *string  `json:"exposure"`
	Metering       *string  `json:"metering"`
	Film           *string  `json:"film"`
	Process        *string  `json:"process"`
	FocalLength    *string  `json:"focal_length"`
	Zone           *string  `json:"zone"`
	Taken          *string  `json:"taken"`
	Rotation       *int     `json:"rotation"`
	New            *bool    `json:"new"`
	Flash          *bool    `json:"flash"`
	Deleted        *bool    `json:"deleted"`
	Place          *int64   `json:"place"`
	PlaceName      *string  `json:"place_name"`
	AddPeople      []int64  `json:"add_people"`
	RemovePeople   []int64  `json:"remove_people"`
	AddPeopleNamed []string `json:"add_people_named"`
	AddTags        []int64  `json:"add_tags"`
	RemoveTags     []int64  `json:"remove_tags"`
	AddTagsNamed   []string `json:"add_tags_named"`
	Reread         bool     `json:"reread"`
}

// values writes the wish as the parameters of the original, so that one parser
// judges both.
func (e editV1) values() url.Values {
	v := url.Values{}
	for name, s := range map[string]*string{
		"tit": e.Title, "cap": e.Caption, "wmk": e.Watermark, "fil": e.FileName, "cam": e.Camera, "apt": e.Aperture, "sht": e.Shutter,
		"exp": e.Exposure, "met": e.Metering, "flm": e.Film, "pcs": e.Process, "foc": e.FocalLength, "tz": e.Zone, "ts": e.Taken,
		"loc_fre": e.PlaceName,
	} {
		if s != nil {
			v.Set(name, *s)
		}
	}
	for name, b := range map[string]*bool{"new": e.New, "fls": e.Flash, "del": e.Deleted} {
		if b != nil {
			v.Set(name, strconv.FormatBool(*b))
		}
	}
	for name, ids := range map[string][]int64{
		"img": e.IDs, "ppl": e.AddPeople, "ppl_del": e.RemovePeople, "tag": e.AddTags, "tag_del": e.RemoveTags,
	} {
		for _, id := range ids {
			v.Add(name, strconv.FormatInt(id, 10))
		}
	}
	if e.Rotation != nil {
		v.Set("rot", strconv.Itoa(*e.Rotation))
	}
	if e.Place != nil {
		v.Set("loc", strconv.FormatInt(*e.Place, 10))
	}
	if e.Reread {
		v.Set("exf", "")
	}
	v["ppl_fre"], v["tag_fre"] = e.AddPeopleNamed, e.AddTagsNamed
	return v
}

// tidyName is the name under /api/v1 of a parameter of the original.
func tidyName(name string) string {
	names := map[string]string{
		"img": "ids", "tit": "title", "cap": "caption", "wmk": "watermark", "fil": "file_name", "cam": "camera", "apt": "aperture",
		"sht": "shutter", "exp": "exposure", "met": "metering", "flm": "film", "pcs": "process", "foc": "focal_length", "tz": "zone",
		"ts": "taken", "rot": "rotation", "fls": "flash", "del": "deleted", "loc": "place", "loc_fre": "place_name", "ppl": "add_people",
		"ppl_del": "remove_people", "ppl_fre": "add_people_named", "tag": "add_tags", "tag_del": "remove_tags", "tag_fre": "add_tags_named",
	}
	if tidy, ok := names[name]; ok {
		return tidy
	}
	return name
}

// tidyError names parameters as /api/v1 does. Messages begin with the name.
func tidyError(err error) error {
	wrong, ok := errors.AsType[gallery.InputError](err)
	if !ok {
		return err
	}
	name, rest, found := strings.Cut(wrong.Message, " ")
	if !found {
		return err
	}
	return gallery.InputError{Message: tidyName(name) + " " + rest}
}

// editMany changes photos, all or none.
func (a *API) editMany(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	var in editV1
	if err := r.json(editLimit, &in); err != nil {
		return nil, err
	}
	wanted, err := gallery.ParseEdit(in.values())
	if err != nil {
		return nil, tidyError(err)
	}
	edited, err := a.Desk.Edit(r.Context(), r.v, wanted)
	if err != nil {
		return nil, tidyError(err)
	}
	out := photosV1{Photos: make([]photoV1, len(edited))}
	for i, e := range edited {
		out.Photos[i] = photoV1Of(r.v, e.Photo)
	}
	return out, nil
}

type uploadV1 struct {
	IDs     []int64         `json:"ids"`
	Results []intake.Result `json:"results"`
	Ignored int             `json:"ignored"`
	Stopped string          `json:"stopped,omitempty"`
}

// uploadTidy takes pictures in and tells of each file.
func (a *API) uploadTidy(r request) (any, error) {
	report, err := a.receive(r)
	return uploadV1{
		IDs: report.IDs(), Results: append([]intake.Result{}, report.Results...), Ignored: report.Ignored, Stopped: report.Stopped,
	}, err
}

type tagsV1 struct {
	Tags []tagV1 `json:"tags"`
}

type tagV1 struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Photos      int64  `json:"photos"`
	Level       string `json:"level"`
	Free        bool   `json:"free"` // it belongs to nobody
	// Share is the highest level that the visitor may make codes for.
	Share string `json:"share"`
}

// tagsTidy lists what the visitor holds and what is free to use.
func (a *API) tagsTidy(r request) (any, error) {
	facts, err := a.Desk.Tags(r.Context(), r.v)
	if err != nil {
		return nil, err
	}
	out := tagsV1{Tags: make([]tagV1, len(facts))}
	for i, t := range facts {
		share := gallery.None
		for level := gallery.Read; level <= gallery.Write; level++ {
			if gallery.MayShare(r.v, t, level) == nil {
				share = level
			}
		}
		out.Tags[i] = tagV1{
			ID: t.ID, Name: t.Name, Description: t.Description, Photos: t.Photos, Level: levelName(r.v.Level(t.ID)), Free: !t.Owned,
			Share: levelName(share),
		}
	}
	return out, nil
}

type codesV1 struct {
	Codes []codeV1 `json:"codes"`
}

type codeV1 struct {
	Code    string `json:"code"`
	Tag     int64  `json:"tag"`
	Level   string `json:"level"`
	Uses    int64  `json:"uses"`
	MaxUses int64  `json:"max_uses,omitempty"`
	Expires string `json:"expires,omitempty"`
}

func codeV1Of(c gallery.Code) codeV1 {
	out := codeV1{Code: gallery.FormatCode(c.Code), Tag: c.Tag, Level: levelName(c.Level), Uses: c.Uses, MaxUses: c.MaxUses}
	if !c.Expires.IsZero() {
		out.Expires = c.Expires.UTC().Format(time.RFC3339)
	}
	return out
}

// codes lists the codes that the visitor may give away (K2).
func (a *API) codes(r request) (any, error) {
	facts, err := a.Desk.Tags(r.Context(), r.v)
	if err != nil {
		return nil, err
	}
	out := codesV1{Codes: []codeV1{}}
	for _, t := range facts {
		for _, c := range t.Codes {
			c.Tag = t.ID
			out.Codes = append(out.Codes, codeV1Of(c))
		}
	}
	return out, nil
}

type shareV1 struct {
	Tag     int64      `json:"tag"`
	Level   string     `json:"level"`
	MaxUses int64      `json:"max_uses"`
	Expires *time.Time `json:"expires"`
}

// share makes a code.
func (a *API) share(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	var in shareV1
	if err := r.json(formLimit, &in); err != nil {
		return nil, err
	}
	level, err := levelNamed(in.Level)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Tag <= 0:
		return nil, gallery.InputError{Message: "tag must be the number of one"}
	case in.MaxUses < 0:
		return nil, gallery.InputError{Message: "max_uses must be a whole number above 0"}
	case in.Expires != nil && !in.Expires.After(time.Now()):
		return nil, gallery.InputError{Message: "expires must be a time in the future"}
	}
	s := desk.ShareRequest{Tag: in.Tag, Level: level, MaxUses: in.MaxUses}
	if in.Expires != nil {
		s.Expires = in.Expires.UTC()
	}
	c, err := a.Desk.Share(r.Context(), r.v, s)
	if err != nil {
		return nil, err
	}
	c.Tag = in.Tag
	return codeV1Of(c), nil
}

type unshareV1 struct {
	Code string `json:"code"`
}

// unshare deletes a code and the tokens it gave.
func (a *API) unshare(r request) (any, error) {
	var in unshareV1
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	if err := r.json(formLimit, &in); err != nil {
		return nil, err
	}
	return empty{}, a.Desk.Unshare(r.Context(), r.v, in.Code)
}
