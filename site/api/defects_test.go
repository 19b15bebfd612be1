package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepwatch/site/gallery"
)

// The defects of the original (section 13 of the site's specification), a test each.

// Numbers that cannot be read were 500, and a typo made a code without limits.
func TestWrongParametersAre400(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	secret := b.token("mine", gallery.Write)
	photo := strconv.FormatInt(b.photo([]string{"mine"}), 10)
	tag := strconv.FormatInt(b.tagID("mine"), 10)
	for _, path := range []string{
		"/img/x/1.jpg", "/img/640/x.jpg", "/img/641/1.jpg", "/img/-1/1.jpg", "/img/50000/1.jpg", "/img/", "/api/v1/photos/1/image/641",
		"/api/v1/photos/x", "/api/v1/photos/0", "/api/v1/photos/-1", "/api/v1/photos/99999999999999999999", "/api/v1/places/x",
		"/servlet/browserest", "/servlet/browserest?mode=x", "/servlet/browserest?mode=r&mode=m", "/servlet/browserest?mode=l&id=x",
		"/servlet/browserest?mode=d", "/servlet/browserest?mode=d&date=2026-02-30", "/servlet/browserest?mode=d&month=2026-13",
		"/servlet/browserest?mode=d&person=x", "/servlet/browserest?mode=d&date=2026-05-31&new=1", "/servlet/browserest?mode=d&new=maybe",
		"/servlet/browserest?mode=d&new=1&limit=0", "/servlet/browserest?mode=d&new=1&limit=1000", "/servlet/browserest?mode=d&new=1&after=x",
		"/servlet/searchrest", "/servlet/searchrest?d=x", "/servlet/searchrest?l=x", "/servlet/searchrest?t=1'--", "/servlet/searchrest?q=%00",
		"/servlet/searchrest?q=%ff", "/servlet/searchrest?q=" + strings.Repeat("x", 201), "/rest/edit", "/rest/edit?img=x", "/rest/location?id=x",
		"/rest/suggest?loc=x", "/rest/tag?v=maybe", "/api/v1/photos?limit=x", "/api/v1/photos?day=x", "/api/v1/photos?order=x", "/api/v1/photos?colour=x",
		"/api/v1/photos?order=best", "/api/v1/search", "/api/v1/groups", "/api/v1/groups?by=x", "/api/v1/groups?by=place&parent=x",
	} {
		if w := b.get(path, secret); w.Code != 400 || !strings.HasPrefix(w.Body.String(), `{"error":{"code":`) {
			t.Errorf("%s: got %d %s, want 400", path, w.Code, w.Body)
		}
	}
	for text, want := range map[string]int{
		"new=1": 400, "new=1&tag=x&lvl=1": 400, "new=1&tag=" + tag: 400, "new=1&tag=" + tag + "&lvl=0": 400, "new=1&tag=" + tag + "&lvl=4": 400,
		"new=1&tag=" + tag + "&lvl=1&cnt=many": 400, "new=1&tag=" + tag + "&lvl=1&cnt=0": 400, "new=1&tag=" + tag + "&lvl=1&cnt=-1": 400,
		"new=1&tag=" + tag + "&lvl=1&exp=tomorrow": 400, "new=1&tag=" + tag + "&lvl=1&exp=1000": 400, "new=1&tag=" + tag + "&lvl=1&exp=NaN": 400,
		"new=1&tag=" + tag + "&lvl=1&exp=1e300": 400, "new=1&tag=" + tag + "&lvl=1&cmt=3": 400, "new=1&tag=" + tag + "&lvl=1&cnt=3&cnt=9": 400,
		"": 400, "new=1&del=x": 400, "rc=a&rc=b": 400, "rc=a&new=1": 400,
	} {
		form, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if w := b.post("/servlet/token", secret, form); w.Code != want {
			t.Errorf("token %s: got %d %s, want %d", text, w.Code, w.Body, want)
		}
	}
	for text, want := range map[string]int{
		"img=x&cap=y": 400, "img=" + photo: 400, "cap=y": 400, "img=" + photo + "&rot=45": 400, "img=" + photo + "&del=maybe": 400,
		"img=" + photo + "&what=x": 400, "img=" + photo + "&ts=yesterday": 400, "img=" + photo + "&cam=" + strings.Repeat("x", 33): 400,
		"img=" + photo + "&tag=x": 400, "img=" + photo + "&loc=77777": 400, "img=" + photo + "&ppl=77777": 400, "img=" + photo + "&cap=null": 200,
	} {
		form, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if w := b.post("/rest/edit", secret, form); w.Code != want {
			t.Errorf("edit %s: got %d %s, want %d", text, w.Code, w.Body, want)
		}
	}
	for text, want := range map[string]int{
		`{"ids":[` + photo + `],"title":"x"}`: 200, `{"ids":[` + photo + `],"titel":"x"}`: 400, `{"ids":[` + photo + `]}`: 400, `{"title":"x"}`: 400, `[]`: 400,
		`{"ids":[` + photo + `],"title":"x"} {}`: 400, `{"ids":["x"],"title":"x"}`: 400, `{"ids":[` + photo + `],"rotation":45}`: 400, `{`: 400, ``: 400,
		`{"ids":[` + photo + `],"caption":"` + strings.Repeat("x", 70000) + `"}`: 413,
	} {
		r := jsonRequest("/api/v1/photos/edit", json.RawMessage(`{}`))
		r.Body = http.NoBody
		if text != "" {
			r.Body = readCloser{strings.NewReader(text)}
		}
		w := b.ask(r, secret)
		if w.Code != want {
			t.Errorf("batch %.80s: got %d %s, want %d", text, w.Code, w.Body, want)
		}
		if strings.Contains(w.Body.String(), "rot must") || strings.Contains(w.Body.String(), "img must") {
			t.Errorf("batch %.80s: %s names a parameter of the original", text, w.Body)
		}
	}
	if w := b.post("/api/v1/photos/edit", secret, url.Values{"ids": {photo}}); w.Code != 400 {
		t.Errorf("a form for JSON: got %d, want 400", w.Code)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// Anybody could make himself a code to change other people's photos.
func TestK1Escalation(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	b.token("readonly", gallery.Read) // nobody may write: the tag is free
	theirs := b.photo([]string{"readonly"})
	tag := b.tagID("readonly")
	for kind, tokens := range map[string]string{
		"nobody": "", "reader": b.token("readonly", gallery.Read), "writer elsewhere": b.token("else", gallery.Write),
	} {
		for level := 1; level <= 3; level++ {
			w := b.post("/servlet/token", tokens, url.Values{"new": {"1"}, "tag": {strconv.FormatInt(tag, 10)}, "lvl": {strconv.Itoa(level)}})
			if w.Code != 403 {
				t.Errorf("%s made a code at level %d: %d %s", kind, level, w.Code, w.Body)
			}
		}
		if w := b.ask(deleteOld(b.code("readonly", gallery.Read, 1)), tokens); w.Code != 403 {
			t.Errorf("%s deleted a code: %d", kind, w.Code)
		}
		if w := b.post("/rest/tag/add", tokens, url.Values{"img": {strconv.FormatInt(theirs, 10)}, "tag": {"else"}}); w.Code != 403 {
			t.Errorf("%s tagged a photo of others: %d", kind, w.Code)
		}
	}
	// A free tag on a photo of one's own does not open what others put there.
	writer := b.token("else", gallery.Write)
	own := b.photo([]string{"else"})
	if w := b.post("/rest/edit", writer, url.Values{"img": {strconv.FormatInt(own, 10)}, "tag": {strconv.FormatInt(tag, 10)}}); w.Code != 200 {
		t.Fatalf("using a free tag: %d %s", w.Code, w.Body)
	}
	if w := b.post("/servlet/token", writer, url.Values{"new": {"1"}, "tag": {strconv.FormatInt(tag, 10)}, "lvl": {"1"}}); w.Code != 403 {
		t.Errorf("a code for a tag that is on photos of others too: %d %s, want 403", w.Code, w.Body)
	}
	if w := b.get(fmt.Sprintf("/img/192/%d.jpg", theirs), writer); w.Code != 403 {
		t.Errorf("the others' photo: %d, want 403", w.Code)
	}
}

// Anybody could put photos into other people's albums.
func TestA6Injection(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	mine, theirs := b.token("mine", gallery.Write), b.token("theirs", gallery.Write)
	w := b.ask(uploadRequest("/rest/upload", map[string][]byte{"a.jpg": draw(64, 48, 1)}, b.tagID("mine"), b.tagID("theirs")), mine)
	if w.Code != 403 || b.number("SELECT count(*) FROM photo") != 0 {
		t.Errorf("an upload to a tag of others: %d %s", w.Code, w.Body)
	}
	photo := b.photo([]string{"mine"})
	if w := b.post("/rest/edit", mine, url.Values{"img": {strconv.FormatInt(photo, 10)}, "tag": {strconv.FormatInt(b.tagID("theirs"), 10)}, "cap": {"x"}}); w.Code != 403 {
		t.Errorf("tagging into an album of others: %d, want 403", w.Code)
	}
	if n := b.number("SELECT length(caption) FROM photo WHERE id = $1", photo); n != 0 {
		t.Error("half of a refused edit was done")
	}
	if got := idsIn(t, b.get("/api/v1/photos", theirs)); len(got) != 0 {
		t.Errorf("the others see %v", got)
	}
}

// Deleted pictures were still served.
func TestDeletedPicturesAreGone(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	writer, reader := b.token("mine", gallery.Write), b.token("mine", gallery.Download)
	photo := b.photo([]string{"mine"})
	path := fmt.Sprintf("/img/192/%d.jpg", photo)
	if w := b.get(path, reader); w.Code != 200 {
		t.Fatalf("before: %d", w.Code)
	}
	etag := b.get(path, reader).Header().Get("ETag")
	b.post("/rest/edit", writer, url.Values{"img": {strconv.FormatInt(photo, 10)}, "del": {"true"}})
	for kind, want := range map[string]int{reader: 403, writer: 200, "": 403} {
		for _, p := range []string{path, fmt.Sprintf("/img/0/%d.jpg", photo), fmt.Sprintf("/rest/edit?img=%d", photo)} {
			if w := b.get(p, kind); w.Code != want {
				t.Errorf("%s after deleting: %d, want %d", p, w.Code, want)
			}
		}
	}
	if w := b.get(path, reader, "If-None-Match", etag); w.Code != 403 {
		t.Errorf("asking whether it changed: %d, want 403", w.Code)
	}
}

// An expired token opens nothing.
func TestExpiredTokens(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	photo := b.photo([]string{"mine"})
	old := b.expired("mine", gallery.Write)
	for _, path := range []string{fmt.Sprintf("/img/192/%d.jpg", photo), "/servlet/browserest?mode=r", "/api/v1/photos"} {
		if w := b.get(path, old); w.Code != 403 {
			t.Errorf("%s: %d, want 403", path, w.Code)
		}
	}
	// A login drops it from the cookie.
	w := b.post("/servlet/token", old, url.Values{"rc": {b.code("mine", gallery.Read, 1)}})
	if c := w.Result().Cookies(); len(c) != 1 || strings.Contains(c[0].Value, old) {
		t.Errorf("the cookie after a login: %v", c)
	}
}

// The last tag by which a photo may be written does not go (T2), and refusals were 200.
func TestLastWritableTagStays(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	writer := b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine", "other"})
	b.token("other", gallery.Write)
	for _, form := range []url.Values{{"tag_del": {strconv.FormatInt(b.tagID("mine"), 10)}}, {"tag_del": {strconv.FormatInt(b.tagID("mine"), 10)}, "tag_fre": {"brand new"}}} {
		form.Set("img", strconv.FormatInt(photo, 10))
		if w := b.post("/rest/edit", writer, form); w.Code != 403 {
			t.Errorf("%v: %d %s, want 403", form, w.Code, w.Body)
		}
	}
	if n := b.number("SELECT count(*) FROM photo_tag WHERE photo_id = $1", photo); n != 2 {
		t.Errorf("%d tags are left, want 2", n)
	}
	if n := b.number("SELECT count(*) FROM tag WHERE name = 'brand new'"); n != 0 {
		t.Error("a refused edit left its tag")
	}
}

// The tree of places and the suggestions were open to strangers, widths and heights
// were those before turning, March was a joke, counts counted a photo once a tag.
func TestSmallDefects(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	secret := b.token("mine", gallery.Read) + ":" + b.token("more", gallery.Read)
	for _, path := range []string{"/rest/location", "/rest/location?id=1", "/rest/suggest", "/rest/suggest?loc=", "/rest/suggest?wmk=1"} {
		if w := b.get(path, ""); w.Code != 403 {
			t.Errorf("%s for a stranger: %d, want 403", path, w.Code)
		}
	}
	lat := 52.123456789
	photo := b.photo([]string{"mine", "more"}, func(p *gallery.ImportedPhoto) {
		p.Photo.Taken = time.Date(2026, time.March, 3, 1, 2, 3, 0, time.UTC)
		p.Photo.Orientation, p.Photo.Position.Lat, p.Photo.Position.Lon = 6, &lat, &lat
	})
	var months oldList
	if err := json.Unmarshal(b.get("/servlet/browserest?mode=m", secret).Body.Bytes(), &months); err != nil {
		t.Fatal(err)
	}
	if len(months.Images) != 2 || months.Images[0].Hdr != "2026" || months.Images[1].Text != "March" || months.Images[1].Count != 1 {
		t.Errorf("months: %+v", months.Images)
	}
	p := b.edited(t, photo, secret)
	if p.Wid != 300 || p.Hgt != 400 || p.Siz != "0.1MP 300x400" {
		t.Errorf("a picture that stands upright after turning: %dx%d, %q", p.Wid, p.Hgt, p.Siz)
	}
	if p.Lat != nil || p.Lon != nil || p.Ed || p.Dl {
		t.Errorf("a reader sees where it was: %+v", p)
	}
	if p := b.edited(t, photo, b.token("mine", gallery.Write)); p.Lat == nil || *p.Lat != 52.123457 {
		t.Errorf("a writer sees %v", p.Lat)
	}
	// Photos come in the order in which they were taken.
	earlier := b.photo([]string{"mine"}, func(p *gallery.ImportedPhoto) { p.Photo.Taken = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC) })
	later := b.photo([]string{"mine"}, func(p *gallery.ImportedPhoto) { p.Photo.Taken = time.Date(2026, time.March, 9, 0, 0, 0, 0, time.UTC) })
	var details oldList
	if err := json.Unmarshal(b.get("/servlet/browserest?mode=d&month=2026-03", secret).Body.Bytes(), &details); err != nil {
		t.Fatal(err)
	}
	if len(details.Images) != 3 || details.Images[0].ID != earlier || details.Images[1].ID != photo || details.Images[2].ID != later {
		t.Errorf("order: %+v", details.Images)
	}
	for path, want := range map[string]int{"/servlet/browserest?mode=l&id=77777": 404, "/servlet/browserest?mode=d&person=77777": 404, "/rest/location?id=77777": 404} {
		if w := b.get(path, secret); w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

func (b *rig) edited(t *testing.T, photo int64, tokens string) oldEntry {
	t.Helper()
	var p oldEntry
	decode(t, b.get(fmt.Sprintf("/rest/edit?img=%d", photo), tokens), &p)
	return p
}

// Text is text: it comes out as it went in, and never as markup in JSON.
func TestTextInAndOut(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	writer := b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine"})
	for _, text := range []string{`</script><img src=x onerror=alert(1)>`, `'; DROP TABLE photo; --`, `\" OR 1=1`, "Ünïcödé 🦉", "${jndi:x}", "null"} {
		w := b.post("/rest/edit", writer, url.Values{"img": {strconv.FormatInt(photo, 10)}, "cap": {text}, "tit": {text}})
		if w.Code != 200 {
			t.Fatalf("%q: %d %s", text, w.Code, w.Body)
		}
		raw := b.get(fmt.Sprintf("/rest/edit?img=%d", photo), writer).Body.String()
		if p := b.edited(t, photo, writer); p.Cap != text || p.Tit != text || strings.ContainsAny(raw, "<>") {
			t.Errorf("%q came back as %q in %s", text, p.Cap, raw)
		}
		if w := b.get("/api/v1/search?q="+url.QueryEscape(text), writer); w.Code != 200 {
			t.Errorf("searching %q: %d %s", text, w.Code, w.Body)
		}
	}
}

// A turned picture is another one for every cache.
func TestTurnedPicturesAreNew(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	writer := b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine"})
	path := fmt.Sprintf("/img/192/%d.jpg", photo)
	before := b.get(path, writer)
	b.post("/rest/edit", writer, url.Values{"img": {strconv.FormatInt(photo, 10)}, "rot": {"90"}})
	for name, header := range map[string][]string{
		"ETag": {"If-None-Match", before.Header().Get("ETag")}, "time": {"If-Modified-Since", before.Header().Get("Last-Modified")},
	} {
		if w := b.get(path, writer, header...); w.Code != 200 || w.Header().Get("ETag") == before.Header().Get("ETag") {
			t.Errorf("%s: %d %v, want the new picture", name, w.Code, w.Header())
		}
	}
	if w := b.get(path, writer, "Range", "bytes=0-9", "If-Range", before.Header().Get("Last-Modified")); w.Code != 200 {
		t.Errorf("the rest of an older picture: %d, want all of the new one", w.Code)
	}
}
