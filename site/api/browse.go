package api

import (
	"context"
	"slices"
	"strconv"

	"keepwatch/site/desk"
	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

const (
	recentDays = 12
	// wholeList is how many photos an answer without paging holds at most: the original
	// knew no bound.
	wholeList = 5000
)

// listBody is the answer of all modes but n. Its entries are told apart by their keys.
type listBody struct {
	Title  string            `json:"title"`
	Params map[string]string `json:"params"`
	Images []any             `json:"images"`
	// Next is the parameter after of the next page; absent on the last.
	Next int64 `json:"next,omitempty"`
}

type newBody struct {
	Title  string            `json:"title"`
	Params map[string]string `json:"params"`
	Count  int64             `json:"n"`
}

type header struct {
	Text string `json:"hdr"`
}

// thumb is a group of photos with one of them to show for all.
type thumb struct {
	ID      int64  `json:"id"`
	Count   int64  `json:"count"`
	Text    string `json:"text"`
	Act     string `json:"act"` // fragment of the address that opens the group
	Height  int    `json:"hgt"`
	Width   int    `json:"wid"`
	Version string `json:"v"`
}

// browse is the heart of the original's front end.
func (a *API) browse(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	q := &query{values: r.URL.Query()}
	mode := q.text("mode")
	if q.err != nil {
		return nil, q.err
	}
	switch mode {
	case "r", "m", "p":
		return a.browseGroups(r, mode)
	case "l":
		return a.browsePlace(r, q)
	case "d":
		return a.browseDetails(r, q)
	case "n":
		n, err := a.Desk.NewCount(r.Context(), r.v)
		return newBody{Title: "New photos", Params: params(r), Count: n}, err
	}
	q.fail("mode must be r, m, l, p, n or d")
	return nil, q.err
}

// params echoes the parameters of the request.
func params(r request) map[string]string {
	out := map[string]string{}
	for name, values := range r.URL.Query() {
		out[name] = values[0]
	}
	return out
}

func thumbOf(g gallery.Group, text, act string) thumb {
	w, h := g.Photo.Upright()
	return thumb{ID: g.Photo.ID, Count: g.Count, Text: text, Act: act + g.Key, Width: w, Height: h, Version: picture.Version(g.Photo)}
}

// browseGroups lists days, months or people.
func (a *API) browseGroups(r request, mode string) (any, error) {
	kinds := map[string]struct {
		grouping gallery.Grouping
		title    string
	}{
		"r": {gallery.Grouping{By: gallery.ByDay, Limit: recentDays}, "Recent"},
		"m": {gallery.Grouping{By: gallery.ByMonth}, "Months"},
		"p": {gallery.Grouping{By: gallery.ByPerson}, "People"},
	}
	kind := kinds[mode]
	groups, err := a.Desk.Groups(r.Context(), r.v, kind.grouping)
	if err != nil {
		return nil, err
	}
	body := listBody{Title: kind.title, Params: params(r), Images: []any{}}
	lastYear := ""
	for _, g := range groups {
		switch mode {
		case "r":
			body.Images = append(body.Images, thumbOf(g, longDay(g.Key), "ddd"))
		case "p":
			body.Images = append(body.Images, thumbOf(g, g.Name, "ddp"))
		default:
			year, month := monthOf(g.Key)
			if year != lastYear {
				body.Images = append(body.Images, header{year})
				lastYear = year
			}
			body.Images = append(body.Images, thumbOf(g, month, "ddm"))
		}
	}
	return body, nil
}

// browsePlace lists what lies below a place and the photos exactly there.
func (a *API) browsePlace(r request, q *query) (any, error) {
	id := q.id("id")
	limit, after := q.page()
	if q.err != nil {
		return nil, q.err
	}
	here, err := a.Desk.Place(r.Context(), r.v, id)
	if err != nil {
		return nil, err
	}
	body := listBody{Title: here.Name, Params: params(r), Images: []any{}}
	if after == 0 {
		below, err := a.Desk.Groups(r.Context(), r.v, gallery.Grouping{By: gallery.ByPlace, Parent: here.ID})
		if err != nil {
			return nil, err
		}
		for _, g := range below {
			body.Images = append(body.Images, thumbOf(g, g.Name, "dl"))
		}
	}
	photos, next, err := a.list(r.Context(), r.v, gallery.Filter{Location: here.ID, Limit: limit, After: after})
	if err != nil {
		return nil, err
	}
	if len(body.Images) > 0 && len(photos) > 0 {
		body.Images = append(body.Images, header{"Photos in " + here.Name})
	}
	body.Images, body.Next = append(body.Images, details(r.v, photos)...), next
	return body, nil
}

// browseDetails lists the photos of one group.
func (a *API) browseDetails(r request, q *query) (any, error) {
	var f gallery.Filter
	f.Limit, f.After = q.page()
	f.Day, f.Month, f.Person = q.day("date"), q.month("month"), q.id("person")
	tag := q.text("tag")
	isNew, newGiven := q.flag("new")
	given := 0
	for _, g := range []bool{f.Day != "", f.Month != "", f.Person != 0, tag != "", newGiven} {
		if g {
			given++
		}
	}
	if given != 1 {
		q.fail("give exactly one of date, month, person, tag and new")
	}
	if q.err != nil {
		return nil, q.err
	}
	var title string
	switch {
	case f.Day != "":
		title = longDay(f.Day)
	case f.Month != "":
		year, month := monthOf(f.Month)
		title = month + " " + year
	case newGiven:
		title, f.New = "New photos", &isNew
	case f.Person != 0:
		p, err := a.Desk.Person(r.Context(), r.v, f.Person)
		if err != nil {
			return nil, err
		}
		title = p.Name()
	default:
		t, err := a.Desk.TagNamed(r.Context(), r.v, tag)
		if err != nil {
			return nil, err
		}
		if t.ID == 0 {
			return listBody{Title: tag, Params: params(r), Images: []any{}}, nil
		}
		title, f.Tag = t.Name, t.ID
	}
	photos, next, err := a.list(r.Context(), r.v, f)
	if err != nil {
		return nil, err
	}
	return listBody{Title: title, Params: params(r), Images: append([]any{}, details(r.v, photos)...), Next: next}, nil
}

func details(v gallery.Visitor, photos []gallery.Photo) []any {
	out := make([]any, len(photos))
	for i, p := range photos {
		out[i] = photoOf(v, p)
	}
	return out
}

// list returns one page when a limit was given, else all up to wholeList; next is
// where more begins.
func (a *API) list(ctx context.Context, v gallery.Visitor, f gallery.Filter) (photos []gallery.Photo, next int64, err error) {
	if f.Limit > 0 {
		page, err := a.Desk.Page(ctx, v, f)
		return page.Photos, page.Next, err
	}
	for {
		page, err := a.Desk.Page(ctx, v, f)
		if err != nil {
			return nil, 0, err
		}
		photos = append(slices.Clip(photos), page.Photos...)
		if page.Next == 0 || len(photos)+desk.MaxPage > wholeList {
			return photos, page.Next, nil
		}
		f.After = page.Next
	}
}

// searchIDs lists the numbers of photos.
func (a *API) searchIDs(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	q := &query{values: r.URL.Query()}
	f := gallery.Filter{Day: q.day("d"), Location: q.id("l"), Person: q.id("p"), Tag: q.id("t"), Text: q.words("q")}
	if isNew, given := q.flag("n"); given {
		f.New = &isNew
	}
	if f.Day == "" && f.Location == 0 && f.Person == 0 && f.Tag == 0 && f.Text == "" && f.New == nil {
		q.fail("give at least one of d (day), l (location), p (person), t (tag), n (new) and q (words)")
	}
	if f.Text != "" {
		f.Order = gallery.Best
	}
	f.Limit, f.After = q.page()
	if q.err != nil {
		return nil, q.err
	}
	photos, _, err := a.list(r.Context(), r.v, f)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(photos))
	for i, p := range photos {
		ids[i] = p.ID
	}
	return ids, nil
}

// location shows a place in the tree.
func (a *API) location(r request) (any, error) {
	q := &query{values: r.URL.Query()}
	id := q.id("id")
	if q.err != nil && r.v.Known() {
		return nil, q.err
	}
	p, err := a.Desk.Place(r.Context(), r.v, id)
	return around(p, nil), err
}

type options struct {
	Options []string `json:"opt"`
	Default string   `json:"dfl,omitempty"`
}

func optionsOf(latestFirst []string) options {
	o := options{Options: []string{}}
	for _, s := range latestFirst {
		if s != "" {
			o.Options = append(o.Options, s)
		}
	}
	if len(o.Options) > 0 {
		o.Default = o.Options[0]
	}
	return o
}

type suggestBody struct {
	Watermarks *options `json:"wmk,omitempty"`
	Zones      *options `json:"tmz,omitempty"`
	Places     []place  `json:"loc,omitempty"`
}

// suggest offers what was used before.
func (a *API) suggest(r request) (any, error) {
	if !r.v.Known() {
		return nil, gallery.ErrForbidden
	}
	values := r.URL.Query()
	var body suggestBody
	if values.Has("wmk") || values.Has("tmz") {
		h, err := a.Desk.Hints(r.Context(), r.v, 0)
		if err != nil {
			return nil, err
		}
		if values.Has("wmk") {
			o := optionsOf(h.Watermarks)
			body.Watermarks = &o
		}
		if values.Has("tmz") {
			o := optionsOf(h.Zones)
			body.Zones = &o
		}
	}
	if values.Has("loc") {
		id := int64(0)
		if text := values.Get("loc"); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n <= 0 {
				return nil, gallery.InputError{Message: "loc must be the number of one"}
			}
			id = n
		}
		p, err := a.Desk.Place(r.Context(), r.v, id)
		if err != nil {
			return nil, err
		}
		body.Places = around(p, nil)
	}
	return body, nil
}
