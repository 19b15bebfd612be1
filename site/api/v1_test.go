package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site"
	"keepwatch/site/gallery"
)

type photosPage struct {
	Photos []struct {
		ID      int64
		Caption string
		New     bool
		Deleted string
		Tags    []struct {
			ID   int64
			Name string
		}
	}
	Next int64
}

func page(t *testing.T, w *httptest.ResponseRecorder) photosPage {
	t.Helper()
	var p photosPage
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return p
}

// One request edits many photos, all or none.
func TestBatchEdit(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	writer := b.token("mine", gallery.Write)
	b.token("theirs", gallery.Write)
	ids := []int64{b.photo([]string{"mine"}), b.photo([]string{"mine"}), b.photo([]string{"mine"})}
	foreign := b.photo([]string{"theirs"})
	w := b.postJSON("/api/v1/photos/edit", writer, map[string]any{"ids": append(slices.Clone(ids), foreign), "caption": "half"})
	if w.Code != 403 {
		t.Errorf("with one of others: %d %s, want 403", w.Code, w.Body)
	}
	if n := b.number("SELECT count(*) FROM photo WHERE caption <> ''"); n != 0 {
		t.Errorf("%d photos were changed by a refused batch", n)
	}
	p := page(t, b.postJSON("/api/v1/photos/edit", writer, map[string]any{
		"ids": []int64{ids[2], ids[0], ids[1]}, "caption": "all", "add_tags_named": []string{"trip"}, "add_people_named": []string{"Ada Lovelace"},
	}))
	if len(p.Photos) != 3 || p.Photos[0].ID != ids[2] || p.Photos[1].Caption != "all" || len(p.Photos[2].Tags) != 2 {
		t.Errorf("edited: %+v", p)
	}
	if n := b.number("SELECT count(*) FROM person"); n != 1 {
		t.Errorf("%d people were made, want one for all", n)
	}
	// The same by the original's path, with img repeated.
	w = b.post("/rest/edit", writer, url.Values{"img": {strconv.FormatInt(ids[0], 10), strconv.FormatInt(ids[1], 10)}, "del": {"true"}})
	if want := fmt.Sprintf(`{"photos":[{"id":%d,"del":true},{"id":%d,"del":true}]}`, ids[0], ids[1]); w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
	if got := idsIn(t, b.get("/api/v1/photos", writer)); !slices.Equal(got, ids[2:]) {
		t.Errorf("left are %v", got)
	}
	if got := idsIn(t, b.get("/api/v1/photos?deleted=true", writer)); !slices.Equal(got, ids[:2]) {
		t.Errorf("deleted are %v", got)
	}
	if got := idsIn(t, b.get("/api/v1/photos?deleted=true", b.token("mine", gallery.Read))); len(got) != 0 {
		t.Errorf("a reader sees the deleted %v", got)
	}
}

// Pages follow each other without gaps and repeats, by either address.
func TestPaging(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	reader := b.token("mine", gallery.Read)
	var want []int64
	for i := range 7 {
		want = append(want, b.photo([]string{"mine"}, func(p *gallery.ImportedPhoto) {
			p.Photo.Taken = time.Date(2026, time.May, 31, 0, i/2, 0, 0, time.UTC)
		}))
	}
	walk := func(first string) (ids []int64, pages int) {
		after := int64(0)
		for {
			w := b.get(first+fmt.Sprintf("&after=%d", after), reader)
			if after == 0 {
				w = b.get(first, reader)
			}
			var l struct {
				Images, Photos []struct{ ID int64 }
				Next           int64
			}
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			for _, p := range append(l.Images, l.Photos...) {
				ids = append(ids, p.ID)
			}
			if pages++; l.Next == 0 || pages > 9 {
				return ids, pages
			}
			after = l.Next
		}
	}
	for first, newestFirst := range map[string]bool{
		"/servlet/browserest?mode=d&date=2026-05-31&limit=3": false, "/servlet/browserest?mode=l&limit=3": false,
		"/api/v1/photos?limit=3": true, "/api/v1/photos?order=taken&limit=3": false,
	} {
		got, pages := walk(first)
		if newestFirst {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) || pages != 3 {
			t.Errorf("%s: %v in %d pages, want %v in 3", first, got, pages, want)
		}
	}
	if got, pages := walk("/api/v1/search?q=drawing&limit=7"); len(got) != 7 || pages != 1 {
		t.Errorf("a page that is just full: %v in %d pages", got, pages)
	}
}

// Uploads tell of each file; refusals have the status that the reason asks for.
func TestUploads(t *testing.T) {
	t.Parallel()
	b := newRig(t, func(c *site.Config) { c.Uploads.MaxBytes = 1 << 20 })
	writer := b.token("mine", gallery.Write)
	tag := b.tagID("mine")
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for _, name := range []string{"day/one.jpg", "../../two.jpg", "note.txt"} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write(draw(40, 30, byte(len(name))))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	type result struct {
		File, State, Why, Notes string
		ID                      int64
	}
	type report struct {
		IDs     []int64
		Results []result
		Ignored int
		Stopped string
	}
	var r report
	w := b.ask(uploadRequest("/api/v1/photos", map[string][]byte{"a.jpg": draw(50, 40, 1), "b.html": []byte("<html>"), "c.zip": packed.Bytes()}, tag), writer)
	decode(t, w, &r)
	if len(r.IDs) != 3 || len(r.Results) != 4 || r.Ignored != 1 || r.Results[1].State != "refused" || r.Results[1].Why == "" {
		t.Fatalf("report %+v", r)
	}
	if names := []string{r.Results[0].File, r.Results[2].File, r.Results[3].File}; !slices.Equal(names, []string{"a.jpg", "one.jpg", "two.jpg"}) {
		t.Errorf("names %v", names)
	}
	if got := idsIn(t, b.get("/api/v1/photos?new=1", writer)); !slices.Equal(got, r.IDs) {
		t.Errorf("new photos %v, want %v", got, r.IDs)
	}
	again := report{}
	decode(t, b.ask(uploadRequest("/api/v1/photos", map[string][]byte{"x.jpg": draw(50, 40, 1)}, tag), writer), &again)
	if len(again.Results) != 1 || again.Results[0].State != "already here" || again.IDs[0] != r.IDs[0] {
		t.Errorf("the same again: %+v", again)
	}
	for name, tt := range map[string]struct {
		data []byte
		want int
	}{
		"page.jpg": {[]byte("<html>not a picture</html>"), 415}, "large.jpg": {make([]byte, 2<<20), 413}, "broken.zip": {packed.Bytes()[:100], 415},
		"large picture.jpg": {append(draw(50, 40, 2), make([]byte, 2<<20)...), 413},
	} {
		for _, path := range []string{"/rest/upload", "/api/v1/photos"} {
			w := b.ask(uploadRequest(path, map[string][]byte{name: tt.data}, tag), writer)
			var e struct {
				Error struct{ Code, Message string }
			}
			decode(t, w, &e)
			if w.Code != tt.want || e.Error.Message == "" || strings.Contains(e.Error.Message, "/tmp") {
				t.Errorf("%s to %s: %d %+v, want %d", name, path, w.Code, e, tt.want)
			}
		}
	}
	if w := b.post("/rest/upload", writer, url.Values{"tag": {"1"}}); w.Code != 400 {
		t.Errorf("no multipart: %d %s, want 400", w.Code, w.Body)
	}
	if w := b.ask(uploadRequest("/rest/upload", nil, tag), writer); w.Code != 400 {
		t.Errorf("no file: %d %s, want 400", w.Code, w.Body)
	}
	if n := b.number("SELECT count(*) FROM photo"); n != 3 {
		t.Errorf("%d photos, want 3", n)
	}
}

// What was changed is seen at once, and what was taken away ends at once.
func TestChangesAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	writer := b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine"})
	code := b.code("mine", gallery.Read, 5)
	w := b.post("/servlet/token", "", url.Values{"rc": {code}})
	guest := w.Result().Cookies()[0].Value
	path := fmt.Sprintf("/img/192/%d.jpg", photo)
	if w := b.get(path, guest); w.Code != 200 {
		t.Fatalf("a guest: %d", w.Code)
	}
	if p := page(t, b.get("/api/v1/search?q=sunset", guest)); len(p.Photos) != 0 {
		t.Fatalf("found %+v", p)
	}
	b.postJSON("/api/v1/photos/edit", writer, map[string]any{"ids": []int64{photo}, "caption": "a sunset"})
	if p := page(t, b.get("/api/v1/search?q=sunset", guest)); len(p.Photos) != 1 || p.Photos[0].Caption != "a sunset" {
		t.Errorf("after the edit: %+v", p)
	}
	b.ask(deleteOld(code), writer)
	if w := b.get(path, guest); w.Code != 403 {
		t.Errorf("after the code was deleted: %d, want 403", w.Code)
	}
}

// A session tells what is held; logging out takes the cookie away.
func TestSession(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	w := b.postJSON("/api/v1/session", "", map[string]string{"code": b.code("mine", gallery.Download, 1)})
	tag := b.tagID("mine")
	if want := fmt.Sprintf(`{"tags":[{"id":%d,"name":"mine","level":"download"}]}`, tag); w.Body.String() != want {
		t.Fatalf("login: %s, want %s", w.Body, want)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	token := w.Result().Cookies()[0].Value
	if diff := cmp.Diff(fmt.Sprintf(`{"tags":[{"id":%d,"name":"mine","level":"download"}],"new":0}`, tag), b.get("/api/v1/session", token).Body.String()); diff != "" {
		t.Error(diff)
	}
	if got := b.get("/api/v1/session", "").Body.String(); got != `{"tags":[],"new":0}` {
		t.Errorf("a stranger: %s", got)
	}
	out := b.postJSON("/api/v1/session/end", token, map[string]any{})
	if c := out.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("log out: %v", c)
	}
	if w := b.get("/api/v1/nothing", token); w.Code != 404 || !strings.Contains(w.Body.String(), `"not_found"`) {
		t.Errorf("an unknown address: %d %s", w.Code, w.Body)
	}
	if w := b.get("/api/v1/codes/delete", token); w.Code != 405 || w.Header().Get("Allow") == "" || !strings.Contains(w.Body.String(), `"method"`) {
		t.Errorf("a wrong method: %d %v %s", w.Code, w.Header(), w.Body)
	}
}
