package api_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/api"
	"keepwatch/site/gallery"
)

var update = flag.Bool("update", false, "write golden files anew")

// mutation is a request that changes something, and succeeds from here.
func mutations(b *rig, photo, tag int64) map[string]func() *http.Request {
	img, own := strconv.FormatInt(photo, 10), strconv.FormatInt(tag, 10)
	form := func(path string, pairs ...string) func() *http.Request {
		return func() *http.Request {
			v := url.Values{}
			for i := 0; i < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
			return formRequest(path, v)
		}
	}
	body := func(path string, text string) func() *http.Request {
		return func() *http.Request { return jsonRequest(path, json.RawMessage(text)) }
	}
	return map[string]func() *http.Request{
		"/servlet/token": func() *http.Request {
			return formRequest("/servlet/token", url.Values{"new": {"1"}, "tag": {own}, "lvl": {"1"}})
		},
		"/rest/edit":    form("/rest/edit", "img", img, "cap", "changed"),
		"/rest/upload":  func() *http.Request { return uploadRequest("/rest/upload", map[string][]byte{"a.jpg": drawing()}, tag) },
		"/rest/tag/add": form("/rest/tag/add", "img", img, "tag", "added"),
		"/rest/tag/del": form("/rest/tag/del", "img", img, "tag", "gone"),
		"/api/v1/session": func() *http.Request {
			return jsonRequest("/api/v1/session", map[string]string{"code": b.code("mine", 1, 1)})
		},
		"/api/v1/session/end": body("/api/v1/session/end", "{}"),
		"/api/v1/photos": func() *http.Request {
			return uploadRequest("/api/v1/photos", map[string][]byte{"a.jpg": drawing()}, tag)
		},
		"/api/v1/photos/edit":  body("/api/v1/photos/edit", `{"ids":[`+img+`],"caption":"changed"}`),
		"/api/v1/codes":        body("/api/v1/codes", `{"tag":`+own+`,"level":"read"}`),
		"/api/v1/codes/delete": func() *http.Request { return deleteV1(b.code("mine", 1, 1)) },
	}
}

// TestCSRF proves row 9: mutations are refused across sites, and looks change nothing.
func TestCSRF(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	secret := b.token("mine", gallery.Write)
	photo := b.photo([]string{"mine"})
	all := mutations(b, photo, b.tagID("mine"))
	var paths []string
	for _, r := range (&api.API{}).Table() {
		if r.Method != http.MethodGet {
			paths = append(paths, r.Path)
		}
	}
	tests := map[string]struct {
		header []string
		want   int
	}{
		"cross-site":           {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same-site":            {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"foreign origin":       {[]string{"Origin", "https://evil.example"}, 403},
		"null origin":          {[]string{"Origin", "null"}, 403},
		"cross-site, own name": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://example.com"}, 403},
		"same-origin":          {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"typed address":        {[]string{"Sec-Fetch-Site", "none"}, 200},
		"own origin":           {[]string{"Origin", "http://example.com"}, 200}, // the host of httptest's requests
		"programs":             {nil, 200},
	}
	state := func() string {
		return fmt.Sprint(b.number("SELECT count(*) FROM access_code"), b.number("SELECT sum(uses) FROM access_code"), b.number("SELECT count(*) FROM photo"),
			b.number("SELECT count(*) FROM photo_tag"), b.number("SELECT length(caption) FROM photo WHERE id = $1", photo))
	}
	for _, path := range paths {
		ask, ok := all[path]
		if !ok {
			t.Errorf("%s has no mutation in this test", path)
			continue
		}
		for name, tt := range tests {
			r := ask()
			before := state()
			w := b.ask(r, secret, tt.header...)
			if w.Code != tt.want {
				t.Errorf("%s, %s: got %d %s, want %d", path, name, w.Code, w.Body, tt.want)
			}
			if tt.want == 403 && state() != before {
				t.Errorf("%s, %s: refused, and yet something changed", path, name)
			}
		}
		r := ask()
		text, _ := io.ReadAll(r.Body)
		before := state()
		query := ""
		if len(text) < 200 && !strings.HasPrefix(string(text), "{") {
			query = "?" + string(text)
		}
		w := b.get(path+query, secret)
		if state() != before {
			t.Errorf("GET %s changed something (%d)", path, w.Code)
		}
	}
}

// TestCookieBombs proves row 10: too many tokens are 400, never 500, and a login mends it.
func TestCookieBombs(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	var bomb []string
	for i := range 200 {
		bomb = append(bomb, fmt.Sprintf("token-number-%05d", i))
	}
	many := strings.Join(bomb, ":")
	for _, r := range (&api.API{}).Table() {
		path := strings.NewReplacer("{rest...}", "192/1.jpg", "{id}", "1", "{size}", "192").Replace(r.Path)
		w := b.ask(httptest.NewRequest(r.Method, path, nil), many)
		open := r.Path == "/api/v1/openapi.yaml" || strings.HasPrefix(r.Path, "/api/v1/session/")
		if w.Code != 400 && !open {
			t.Errorf("%s %s: got %d %s, want 400", r.Method, r.Path, w.Code, w.Body)
		}
	}
	for _, tokens := range []string{strings.Repeat(":", 10000), strings.Repeat("a", 12000), "\x01\x02:%%%", strings.Repeat("x:", 5000)} {
		if w := b.get("/rest/tag", tokens); w.Code != 200 {
			t.Errorf("%.20q: got %d, want 200 as for a stranger", tokens, w.Code)
		}
	}
	w := b.post("/servlet/token", many, url.Values{"rc": {b.code("mine", gallery.Read, 1)}})
	if w.Code != 200 || len(w.Result().Cookies()) != 1 || strings.Contains(w.Result().Cookies()[0].Value, ":") {
		t.Errorf("a login with a bomb: %d %s, %v; want a cookie with one token", w.Code, w.Body, w.Header())
	}
}

// TestEnumeration proves row 12: what is hidden and what does not exist is one
// answer, to the last byte, and costs the database the same.
func TestEnumeration(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	hidden, mine := b.photo([]string{"theirs"}), b.photo([]string{"mine"})
	b.token("theirs", gallery.Write)
	const absent = 999999
	kinds := map[string]string{
		"none": "", "useless": "useless-useless-useless", "expired": b.expired("mine", gallery.Write), "writer": b.token("mine", gallery.Write),
	}
	type reply struct {
		Code   int
		Header http.Header
		Body   string
		Asked  int64
	}
	for kind, tokens := range kinds {
		b.get("/rest/tag", tokens) // who asks is known from here on
		ask := func(r *http.Request) reply {
			before := b.flaky.asked.Load()
			w := b.ask(r, tokens)
			return reply{w.Code, w.Header(), w.Body.String(), b.flaky.asked.Load() - before}
		}
		for name, request := range map[string]func(id int64) *http.Request{
			"picture":  func(id int64) *http.Request { return getting("/img/640/{id}.jpg")(b, id) },
			"original": func(id int64) *http.Request { return getting("/img/0/{id}.jpg")(b, id) },
			"v1 image": func(id int64) *http.Request { return getting("/api/v1/photos/{id}/image/640")(b, id) },
			"form":     func(id int64) *http.Request { return getting("/rest/edit?img={id}")(b, id) },
			"v1 photo": func(id int64) *http.Request { return getting("/api/v1/photos/{id}")(b, id) },
			"edit":     func(id int64) *http.Request { return posting("/rest/edit", "img", "{id}", "cap", "x")(b, id) },
			"batch": func(id int64) *http.Request {
				return posting("/rest/edit", "img", "{id}", "img", strconv.FormatInt(mine, 10), "cap", "x")(b, id)
			},
			"reread": func(id int64) *http.Request { return posting("/rest/edit", "img", "{id}", "exf", "")(b, id) },
			"v1 edit": func(id int64) *http.Request {
				return postingJSON("/api/v1/photos/edit", `{"ids":[{id}],"title":"x"}`)(b, id)
			},
			"tag": func(id int64) *http.Request { return posting("/rest/tag/del", "img", "{id}", "tag", "theirs")(b, id) },
		} {
			for range 2 { // cold, and then from memory
				b.flaky.asked.Store(0)
				h, a := ask(request(hidden)), ask(request(absent))
				if diff := cmp.Diff(h, a); diff != "" || h.Code != 403 {
					t.Errorf("%s, %s: hidden (-) and absent (+) differ, or are not 403 (%d):\n%s", name, kind, h.Code, diff)
				}
			}
		}
		for name, pair := range map[string][2]*http.Request{
			"code":       {deleteOld(b.code("theirs", gallery.Read, 1)), deleteOld("N0SUCHC0DE")},
			"v1 code":    {deleteV1(b.code("theirs", gallery.Read, 1)), deleteV1("N0SUCHC0DE")},
			"new code":   {posting("/servlet/token", "new", "1", "lvl", "1", "tag", strconv.FormatInt(b.tagID("theirs"), 10))(b, 0), posting("/servlet/token", "new", "1", "lvl", "1", "tag", "999999")(b, 0)},
			"upload":     {uploadRequest("/rest/upload", map[string][]byte{"a.jpg": drawing()}, b.tagID("theirs")), uploadRequest("/rest/upload", map[string][]byte{"a.jpg": drawing()}, 999999)},
			"tag filter": {getting("/api/v1/photos?tag_name=theirs")(b, 0), getting("/api/v1/photos?tag_name=nobody")(b, 0)},
		} {
			b.get("/api/v1/photos?tag_name=warm", tokens) // the list of tags is known from here on
			if diff := cmp.Diff(ask(pair[0]), ask(pair[1])); diff != "" {
				t.Errorf("%s, %s: of others (-) and absent (+) differ:\n%s", name, kind, diff)
			}
		}
	}
}

// TestCodesThatDoNotWorkAreOneAnswer proves row 12 for codes.
func TestCodesThatDoNotWorkAreOneAnswer(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	used, old := b.code("mine", gallery.Read, 1), b.code("mine", gallery.Read, 0)
	b.post("/servlet/token", "", url.Values{"rc": {used}})
	b.exec("UPDATE access_code SET expires = created - interval '1 hour' WHERE code = $1", old)
	type reply struct {
		Code   int
		Header http.Header
		Body   string
	}
	try := func(code string) reply {
		w := b.post("/servlet/token", "", url.Values{"rc": {code}})
		return reply{w.Code, w.Header(), w.Body.String()}
	}
	want := try("N0SUCHC0DE")
	if want.Code != 403 {
		t.Errorf("an unknown code: %d, want 403", want.Code)
	}
	for name, code := range map[string]string{"used up": used, "expired": old, "no code": "%%%", "empty": ""} {
		if diff := cmp.Diff(want, try(code)); diff != "" {
			t.Errorf("%s differs from unknown (-want +got):\n%s", name, diff)
		}
	}
}

// TestNoSecretInTheLog proves row 20: after a run of everything, with the log at
// its most talkative, it holds no token and no code, neither right nor wrong.
func TestNoSecretInTheLog(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	secrets := []string{"wr0ng-C0de-here", "WR0NGC0DEHERE", "useless-useless-useless"}
	for _, level := range []gallery.Level{gallery.Read, gallery.Write} {
		secrets = append(secrets, b.token("mine", level))
	}
	photo := b.photo([]string{"mine"})
	code := b.code("mine", gallery.Read, 9)
	secrets = append(secrets, code, gallery.FormatCode(code))
	for _, away := range []bool{false, true} {
		b.flaky.away.Store(away)
		for _, tokens := range append([]string{""}, secrets[2:5]...) {
			for _, e := range looks() {
				b.ask(e.ask(b, photo), tokens)
			}
			if !away {
				for _, ask := range mutations(b, photo, b.tagID("mine")) {
					b.ask(ask(), tokens)
				}
			}
			for _, rc := range []string{code, "wr0ng-C0de-here"} {
				w := b.post("/servlet/token?rc="+rc, tokens, nil)
				for _, c := range w.Result().Cookies() {
					secrets = append(secrets, strings.Split(c.Value, ":")...)
				}
				b.postJSON("/api/v1/session", tokens, map[string]string{"code": rc})
				b.ask(deleteOld("wr0ng-C0de-here"), tokens)
			}
		}
	}
	b.flaky.away.Store(false)
	text := b.log.String()
	if !strings.Contains(text, "database away") {
		t.Error("nothing was logged: this test proves nothing")
	}
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("the log holds %s", s)
		}
	}
	if strings.Contains(strings.ToLower(text), "testc0de") {
		t.Error("the log holds a code of this test")
	}
}

// TestOneUseIsOneUse proves row 19: a hundred at once with a code for one use are
// one login.
func TestOneUseIsOneUse(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	srv := httptest.NewServer(b.handler)
	defer srv.Close()
	code := b.code("mine", gallery.Read, 1)
	status := make([]int, 100)
	var wg sync.WaitGroup
	for i := range status {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, srv.URL+"/servlet/token", strings.NewReader("rc="+code))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			status[i] = resp.StatusCode
		})
	}
	wg.Wait()
	got := map[int]int{}
	for _, s := range status {
		got[s]++
	}
	if got[200] != 1 || got[403] != 99 {
		t.Errorf("got %v, want one 200 and 99 times 403", got)
	}
	if n := b.number("SELECT uses FROM access_code WHERE code = $1", code); n != 1 {
		t.Errorf("%d uses are counted", n)
	}
}
