package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

// originalClient speaks to the site as clients of the original did: its paths, its
// parameters, its media type, its field names, plain HTTP and a cookie jar.
type originalClient struct {
	*testing.T

	base string
	http http.Client
}

func newOriginalClient(t *testing.T, base string) *originalClient {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &originalClient{T: t, base: base, http: http.Client{Jar: jar}}
}

func (c *originalClient) do(r *http.Request) (http.Header, []byte) {
	c.Helper()
	resp, err := c.http.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		c.Fatalf("%s %s: %d %s, want 200", r.Method, r.URL, resp.StatusCode, body)
	}
	if resp.ContentLength != int64(len(body)) {
		c.Errorf("%s: Content-Length %d for %d bytes", r.URL, resp.ContentLength, len(body))
	}
	return resp.Header, body
}

// get asks and reads strict JSON in the original's media type.
func (c *originalClient) get(path string, into any) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, c.base+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	header, body := c.do(r)
	c.strict(path, header, body, into)
}

func (c *originalClient) strict(path string, header http.Header, body []byte, into any) {
	c.Helper()
	if got := header.Get("Content-Type"); got != "text/json; charset=utf-8" {
		c.Errorf("%s: Content-Type %q", path, got)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		c.Fatalf("%s: %v in %s", path, err, body)
	}
}

// post sends a form and reads strict JSON.
func (c *originalClient) post(path string, form url.Values, into any) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	header, body := c.do(r)
	c.strict(path, header, body, into)
}

// What the original's front end knows of its answers.
type (
	oldTag struct {
		ID  int64
		Tag string
		Lvl int
	}
	oldLongTag struct {
		ID  int64
		Tag string
		Dsc string
		N   int64
		Lvl int
		Tok []struct {
			ID  int64
			Rc  string
			Lvl int
			N   int64
			Max int64
			Exp string
		}
	}
	oldChoice struct {
		ID  int64
		Txt string
		Act bool
	}
	oldPlace struct {
		ID  int64
		Txt string
		Rel string
	}
	oldEntry struct {
		Hdr                string
		ID, Count          int64
		Text, Act, V       string
		Hgt, Wid           int
		Apt, Cam, Cap, Dat string
		Del                bool
		Exp, Fil, Flm, Foc string
		Met, Pcs, Sht, Tit string
		Ts, Tz, Wmk, Siz   string
		Alt, Lat, Lon      *float64
		Rot                int
		New                bool
		Fls                *bool
		Ppl, Tag           []oldChoice
		Loc                []oldPlace
		Dl, Ed             bool
	}
	oldList struct {
		Title  string
		Params map[string]string
		Images []oldEntry
		N      int64
		Next   int64
	}
	oldChange struct {
		Loc      []oldPlace
		Tag, Ppl []oldChoice
		New, Del *bool
	}
)

// TestClientOfTheOriginal walks the flows of the original's front end.
func TestClientOfTheOriginal(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	srv := httptest.NewServer(b.handler)
	defer srv.Close()
	c := newOriginalClient(t, srv.URL)

	var none []oldTag
	c.get("/rest/tag", &none)
	if len(none) != 0 {
		t.Fatalf("a stranger holds %v", none)
	}
	code := b.code("holiday", gallery.Write, 1)
	var in struct{ Tags []oldTag }
	c.post("/servlet/token", url.Values{"rc": {strings.ToLower(gallery.FormatCode(code))}}, &in)
	tag := b.tagID("holiday")
	if diff := cmp.Diff([]oldTag{{tag, "holiday", 3}}, in.Tags); diff != "" {
		t.Fatal(diff)
	}
	home, _ := url.Parse(srv.URL)
	if cookies := c.http.Jar.Cookies(home); len(cookies) != 1 || cookies[0].Name != "token" {
		t.Fatalf("cookies %v, want one named token", cookies)
	}
	id := c.upload(tag)
	c.browse(id)
	c.edit(id)
	c.tagsAndCodes(id, tag)
	c.deleteAndUndelete(id)
}

func (c *originalClient) upload(tag int64) int64 {
	c.Helper()
	r := uploadRequest("/rest/upload", map[string][]byte{"märz.jpg": draw(1500, 900, 9)}, tag)
	out, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.base+"/rest/upload", r.Body)
	if err != nil {
		c.Fatal(err)
	}
	out.Header = r.Header
	header, body := c.do(out)
	var up struct {
		IDs []int64 `json:"ids"`
		Log string  `json:"log"`
	}
	c.strict("/rest/upload", header, body, &up)
	if len(up.IDs) != 1 || !strings.Contains(up.Log, "märz.jpg") {
		c.Fatalf("upload: %+v", up)
	}
	return up.IDs[0]
}

func (c *originalClient) picture(path string) (longer int) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, c.base+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	header, body := c.do(r)
	if got := header.Get("Content-Type"); got != "image/jpeg" {
		c.Errorf("%s: %q", path, got)
	}
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		c.Fatalf("%s: %v", path, err)
	}
	return max(cfg.Width, cfg.Height)
}

func (c *originalClient) browse(id int64) {
	c.Helper()
	var l oldList
	c.get("/servlet/browserest?mode=r", &l)
	if len(l.Images) != 1 || l.Images[0].ID != id || l.Images[0].Count != 1 || !strings.HasPrefix(l.Images[0].Act, "ddd") ||
		l.Images[0].Wid != 1500 || l.Images[0].Hgt != 900 || l.Params["mode"] != "r" {
		c.Fatalf("recent: %+v", l)
	}
	day := strings.TrimPrefix(l.Images[0].Act, "ddd")
	for edge, want := range map[int]int{192: 192, 1440: 1440, 1920: 1500} {
		if got := c.picture(fmt.Sprintf("/img/%d/%d.jpg", edge, id)); got != want {
			c.Errorf("size %d came as %d, want %d", edge, got, want)
		}
	}
	if got := c.picture(fmt.Sprintf("/img/%d.jpg?v=%s", id, l.Images[0].V)); got != 1024 {
		c.Errorf("the default size came as %d", got)
	}
	var months, root, people, fresh, details oldList
	var ids []int64
	c.get("/servlet/browserest?mode=m", &months)
	if len(months.Images) != 2 || months.Images[0].Hdr != day[:4] || months.Images[1].Act != "ddm"+day[:7] {
		c.Errorf("months: %+v", months)
	}
	c.get("/servlet/browserest?mode=l", &root)
	if root.Title != "Earth" || len(root.Images) != 1 || root.Images[0].ID != id || root.Images[0].Fil != "märz.jpg" {
		c.Errorf("places: %+v", root)
	}
	c.get("/servlet/browserest?mode=p", &people)
	c.get("/servlet/browserest?mode=n", &fresh)
	if len(people.Images) != 0 || fresh.N != 1 {
		c.Errorf("people %+v, new %+v", people, fresh)
	}
	for _, by := range []string{"date=" + day, "month=" + day[:7], "tag=holiday", "new=1"} {
		details = oldList{}
		c.get("/servlet/browserest?mode=d&_=1700000000&"+by, &details) // with what jQuery adds against caches
		if len(details.Images) != 1 || !details.Images[0].Ed || !details.Images[0].Dl || details.Images[0].Siz != "1.4MP 1500x900" || !details.Images[0].New {
			c.Errorf("details by %s: %+v", by, details)
		}
	}
	c.get("/servlet/searchrest?d="+day, &ids)
	if !slices.Equal(ids, []int64{id}) {
		c.Errorf("search: %v", ids)
	}
}

func (c *originalClient) edit(id int64) {
	c.Helper()
	img := strconv.FormatInt(id, 10)
	var ch oldChange
	c.post("/rest/edit", url.Values{"img": {img}, "cap": {"Größe <b>"}, "ppl_fre": {"ada Lovelace"}, "loc_fre": {"Berlin"}, "rot": {"90"}}, &ch)
	if len(ch.Ppl) != 1 || ch.Ppl[0].Txt != "ada Lovelace" || len(ch.Loc) != 1 || ch.Loc[0].Txt != "Berlin" || ch.New == nil || *ch.New || ch.Tag != nil || ch.Del != nil {
		c.Errorf("edit: %+v", ch)
	}
	var p oldEntry
	c.get("/rest/edit?img="+img, &p)
	if p.Cap != "Größe <b>" || p.Rot != 90 || p.Wid != 900 || p.Hgt != 1500 || len(p.Loc) < 2 || p.Loc[1] != (oldPlace{1, "Earth", "p"}) {
		c.Errorf("read back: %+v", p)
	}
	if got := c.picture(fmt.Sprintf("/img/640/%d.jpg", id)); got != 640 {
		c.Errorf("turned: %d", got)
	}
	var people oldList
	c.get("/servlet/browserest?mode=p", &people)
	if len(people.Images) != 1 || people.Images[0].Act != fmt.Sprintf("ddp%d", ch.Ppl[0].ID) || people.Images[0].Text != "ada Lovelace" {
		c.Errorf("people: %+v", people)
	}
	var root oldList
	c.get("/servlet/browserest?mode=l", &root)
	if len(root.Images) != 1 || root.Images[0].Act != fmt.Sprintf("dl%d", ch.Loc[0].ID) || root.Images[0].Text != "Berlin" {
		c.Errorf("places: %+v", root)
	}
	var places []oldPlace
	c.get("/rest/location", &places)
	if diff := cmp.Diff([]oldPlace{{1, "Earth", ""}, {ch.Loc[0].ID, "Berlin", "c"}}, places); diff != "" {
		c.Error(diff)
	}
	var none oldChange
	c.post("/rest/edit", url.Values{"img": {img}, "wmk": {"(c) (year) Ada"}, "tz": {"Europe/Berlin"}}, &none)
	var s struct {
		Wmk, Tmz struct {
			Opt []string
			Dfl string
		}
		Loc []oldPlace
	}
	c.get("/rest/suggest?wmk=1&tmz=1&loc=", &s)
	if s.Wmk.Dfl != "(c) (year) Ada" || !slices.Equal(s.Tmz.Opt, []string{"Europe/Berlin"}) || len(s.Loc) != 2 {
		c.Errorf("suggest: %+v", s)
	}
	var nothing struct{}
	c.get("/rest/suggest", &nothing)
}

func (c *originalClient) tagsAndCodes(id, tag int64) {
	c.Helper()
	img, own := strconv.FormatInt(id, 10), strconv.FormatInt(tag, 10)
	var ch oldChange
	c.post("/rest/edit", url.Values{"img": {img}, "tag_fre": {"friends"}}, &ch)
	if len(ch.Tag) != 2 {
		c.Fatalf("tags: %+v", ch)
	}
	var empty struct{}
	c.post("/rest/tag/del", url.Values{"img": {img}, "tag": {"friends"}}, &empty)
	c.post("/rest/tag/del", url.Values{"img": {img}, "tag": {"friends"}}, &empty)
	c.post("/rest/tag/add", url.Values{"img": {img}, "tag": {"friends"}}, &empty)
	var made struct {
		Rc, Exp string
		Max     int64
	}
	c.post("/servlet/token", url.Values{"new": {"1"}, "tag": {own}, "lvl": {"1"}, "cnt": {"3"}, "exp": {"4102444800000.75"}}, &made)
	if made.Max != 3 || made.Exp != "2100-01-01" || len(made.Rc) != 9 {
		c.Errorf("made %+v", made)
	}
	var tags []oldLongTag
	c.get("/rest/tag?v=1", &tags)
	if len(tags) != 2 || tags[0].Tag != "friends" || tags[0].Lvl != 0 || tags[1].N != 1 {
		c.Fatalf("tags: %+v", tags)
	}
	if last := tags[1].Tok[len(tags[1].Tok)-1]; last.Rc != made.Rc || last.Exp != "2100-01-01" || last.Max != 3 || last.N != 0 || last.Lvl != 1 {
		c.Errorf("the code is listed as %+v", last)
	}
	c.post("/servlet/token", url.Values{"del": {made.Rc}}, &empty)
	c.get("/rest/tag?v=1", &tags)
	if n := len(tags[1].Tok); n != 1 {
		c.Errorf("%d codes after deleting one of two", n)
	}
}

func (c *originalClient) deleteAndUndelete(id int64) {
	c.Helper()
	img := strconv.FormatInt(id, 10)
	var ch oldChange
	c.post("/rest/edit", url.Values{"img": {img}, "del": {"true"}}, &ch)
	if ch.Del == nil || !*ch.Del {
		c.Errorf("delete: %+v", ch)
	}
	var l oldList
	c.get("/servlet/browserest?mode=r", &l)
	if len(l.Images) != 0 {
		c.Errorf("the deleted photo is listed: %+v", l)
	}
	ch = oldChange{}
	c.post("/rest/edit", url.Values{"img": {img}, "del": {"false"}}, &ch)
	if ch.Del == nil || *ch.Del {
		c.Errorf("undelete: %+v", ch)
	}
	c.get("/servlet/browserest?mode=r", &l)
	if len(l.Images) != 1 {
		c.Errorf("the photo is not back: %+v", l)
	}
}
