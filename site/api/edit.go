package api

import (
	"mime"
	"net/url"
	"strconv"

	"keepwatch/site/answer"
	"keepwatch/site/desk"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/intake"
)

// uploadRate is the slowest upload that is waited for, in bytes a second.
const uploadRate = 8 << 10

// editForm shows a photo with what helps to edit it.
func (a *API) editForm(r request) (any, error) {
	q := &query{values: r.URL.Query()}
	id := q.id("img")
	if id == 0 {
		q.fail("img must be the number of one")
	}
	if q.err != nil {
		return nil, q.err
	}
	p, err := a.Desk.Photo(r.Context(), r.v, id)
	if err != nil {
		return nil, err
	}
	body := photoOf(r.v, p)
	if !gallery.MayWrite(r.v, p) {
		return body, nil
	}
	h, err := a.Desk.Hints(r.Context(), r.v, id)
	if err != nil {
		return nil, err
	}
	here, err := a.Desk.Place(r.Context(), r.v, p.Location.ID)
	if err != nil {
		return nil, err
	}
	body.Tags = suggest(body.Tags, suggestedTags(h.Tags))
	body.People = suggest(body.People, suggestedPeople(h.People))
	body.Places = around(here, h.Places)
	return body, nil
}

// editBody tells what an edit changed.
type editBody struct {
	ID      int64     `json:"id,omitempty"` // only where several photos were edited
	Places  []place   `json:"loc,omitempty"`
	Tags    *[]choice `json:"tag,omitempty"`
	People  *[]choice `json:"ppl,omitempty"`
	New     *bool     `json:"new,omitempty"`
	Deleted *bool     `json:"del,omitempty"`
}

type editsBody struct {
	Photos []editBody `json:"photos"`
}

// edit changes one photo or many.
func (a *API) edit(r request) (any, error) {
	if err := r.form(editLimit); err != nil {
		return nil, err
	}
	return a.editValues(r, r.Form)
}

func (a *API) editValues(r request, values url.Values) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	wanted, err := gallery.ParseEdit(values)
	if err != nil {
		return nil, err
	}
	edited, err := a.Desk.Edit(r.Context(), r.v, wanted)
	if err != nil {
		return nil, err
	}
	if len(edited) == 1 {
		return changes(edited[0]), nil
	}
	out := editsBody{Photos: make([]editBody, len(edited))}
	for i, e := range edited {
		out.Photos[i] = changes(e)
		out.Photos[i].ID = e.Photo.ID
	}
	return out, nil
}

func changes(e desk.Edited) editBody {
	var b editBody
	p := e.Photo
	if e.Changed.Location {
		b.Places = []place{{ID: p.Location.ID, Text: p.Location.Name}}
	}
	if e.Changed.Tags {
		tags := tagsOf(p)
		b.Tags = &tags
	}
	if e.Changed.People {
		people := peopleOf(p)
		b.People = &people
	}
	if e.Changed.New {
		b.New = &p.New
	}
	if e.Changed.Deleted {
		deleted := !p.Deleted.IsZero()
		b.Deleted = &deleted
	}
	return b
}

// tagAdd puts one tag on one photo.
func (a *API) tagAdd(r request) (any, error) {
	values, err := a.oneTag(r, "tag", "tag_fre")
	if err != nil {
		return nil, err
	}
	_, err = a.editValues(r, values)
	return empty{}, err
}

// tagDel takes one tag from one photo.
func (a *API) tagDel(r request) (any, error) {
	values, err := a.oneTag(r, "tag_del", "name")
	if err != nil {
		return nil, err
	}
	if name := values.Get("name"); name != "" {
		values.Del("name")
		if err := a.writable(r, values.Get("img")); err != nil {
			return nil, err
		}
		id, err := a.Desk.TagID(r.Context(), r.v, name)
		if err != nil || id == 0 {
			return empty{}, err // where there is no such tag it is not on the photo
		}
		values.Set("tag_del", strconv.FormatInt(id, 10))
	}
	_, err = a.editValues(r, values)
	return empty{}, err
}

// oneTag reads img and tag, which is a number or a name, as parameters of an edit.
func (a *API) oneTag(r request, byID, byName string) (url.Values, error) {
	if err := r.form(formLimit); err != nil {
		return nil, err
	}
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	q := &query{values: r.Form}
	q.only("img", "tag")
	img, tag := q.id("img"), q.text("tag")
	if img == 0 || tag == "" {
		q.fail("give img, the number of a photo, and tag, the number or name of a tag")
	}
	if q.err != nil {
		return nil, q.err
	}
	name := byName
	if _, err := strconv.ParseInt(tag, 10, 64); err == nil {
		name = byID
	}
	return url.Values{"img": {strconv.FormatInt(img, 10)}, name: {tag}}, nil
}

// writable says whether the visitor may change a photo.
func (a *API) writable(r request, img string) error {
	id, err := strconv.ParseInt(img, 10, 64)
	if err != nil {
		return gallery.InputError{Message: "img must be the number of one"}
	}
	p, err := a.Desk.Photo(r.Context(), r.v, id)
	if err == nil && !gallery.MayWrite(r.v, p) {
		err = gallery.ErrForbidden
	}
	return err
}

type uploadBody struct {
	IDs []int64 `json:"ids"`
	Log string  `json:"log"`
}

// upload takes pictures in.
func (a *API) upload(r request) (any, error) {
	report, err := a.receive(r)
	return uploadBody{IDs: report.IDs(), Log: report.Log()}, err
}

func (a *API) receive(r request) (intake.Report, error) {
	kind, details, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || details["boundary"] == "" {
		err = gallery.InputError{Message: "send the files as multipart/form-data"}
	}
	if len(r.v.Writable()) == 0 {
		err = gallery.ErrForbidden
	}
	if err != nil {
		r.w.Header().Set("Connection", "close") // the files are not read
		return intake.Report{}, err
	}
	guard.MinRate(r.w, r.Request, uploadRate)
	report, err := a.Desk.Upload(r.Context(), r.v, r.Body, details["boundary"])
	if err != nil {
		r.w.Header().Set("Connection", "close")
	}
	return report, told(report, err)
}

// told gives an upload that brought nothing the sentence about its first file.
func told(report intake.Report, err error) error {
	if err == nil {
		return nil
	}
	if answer.Explain(err).Status >= 500 {
		return err
	}
	for _, f := range report.Results {
		if f.State == intake.Refused && f.Why != "" {
			return answer.ToldError{Err: err, Text: f.Why}
		}
	}
	return err
}
