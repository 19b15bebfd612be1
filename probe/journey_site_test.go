package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The stand-in is the image site as strictly as its probe-facing contract has it:
// wrong methods, media types, parameters and missing cookies are refused.

const (
	standInCode  = "ABCD-EFGH"
	standInToken = "tok-0123456789abcdefghij"
)

type photo struct {
	caption string
	picture []byte
	deleted bool
}

type standInSite struct {
	*httptest.Server

	mu      sync.Mutex // guards all below
	photos  map[int]*photo
	next    int
	deletes int
	signed  []string                    // probe headers seen, "" where there was none
	breaks  map[string]http.HandlerFunc // by path's beginning: what is answered instead
}

func newStandIn(t *testing.T) *standInSite {
	t.Helper()
	s := &standInSite{photos: map[int]*photo{}, next: 1000, breaks: map[string]http.HandlerFunc{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /servlet/token", s.token)
	mux.HandleFunc("GET /servlet/browserest", s.member(s.browse))
	mux.HandleFunc("GET /img/1440/{file}", s.member(s.img))
	mux.HandleFunc("POST /rest/upload", s.member(s.upload))
	mux.HandleFunc("POST /rest/edit", s.member(s.edit))
	mux.HandleFunc("GET /rest/edit", s.member(s.show))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.signed = append(s.signed, r.Header.Get(probeHeader))
		var instead http.HandlerFunc
		for path, h := range s.breaks {
			if strings.HasPrefix(r.Method+" "+r.URL.Path, path) {
				instead = h
			}
		}
		s.mu.Unlock()
		if instead != nil {
			instead(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.add(sample(t, 1440, 1080))
	return s
}

// sample is a picture as the site would render it.
func sample(t *testing.T, width, height int) []byte {
	t.Helper()
	picture, err := draw(width, height)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func (s *standInSite) add(picture []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.photos[s.next] = &photo{picture: picture}
	return s.next
}

// breakAt answers every request that begins with path ("GET /img/") in another way.
func (s *standInSite) breakAt(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks[path] = h
}

func (s *standInSite) left() (photos, deletes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.photos {
		if !p.deleted {
			photos++
		}
	}
	return photos - 1, s.deletes // without the sample
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q}}`, status, why)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "text/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *standInSite) token(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.FormValue("rc") != standInCode {
		refuse(w, http.StatusForbidden, "this code is not good: "+r.FormValue("rc"))
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "token", Value: standInToken, Path: "/", HttpOnly: true})
	reply(w, map[string]any{"tags": []any{map[string]any{"id": 7, "tag": "probe", "lvl": 3}}})
}

// member lets only those in who have the cookie.
func (s *standInSite) member(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("token"); err != nil || c.Value != standInToken {
			refuse(w, http.StatusForbidden, "log in first")
			return
		}
		next(w, r)
	}
}

func (s *standInSite) browse(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "mode=r" {
		refuse(w, http.StatusBadRequest, "mode?")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	images := []any{}
	for id, p := range s.photos {
		if !p.deleted {
			images = append(images, map[string]any{"id": id, "count": 1, "text": "today"})
		}
	}
	slices.SortFunc(images, func(a, b any) int { return b.(map[string]any)["id"].(int) - a.(map[string]any)["id"].(int) })
	reply(w, map[string]any{"title": "Recent", "images": images})
}

func (s *standInSite) find(text string) *photo {
	id, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return s.photos[id]
}

func (s *standInSite) img(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(strings.TrimSuffix(r.PathValue("file"), ".jpg"))
	if p == nil || p.deleted {
		refuse(w, http.StatusForbidden, "no such picture")
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(p.picture)
}

func (s *standInSite) upload(w http.ResponseWriter, r *http.Request) {
	reader, err := r.MultipartReader()
	if err != nil {
		refuse(w, http.StatusBadRequest, "not a form")
		return
	}
	tagged := false
	ids := []int{}
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "broken form")
			return
		}
		data, _ := io.ReadAll(part)
		switch part.FormName() {
		case "tag":
			tagged = string(data) == "7"
		case "file":
			conf, err := jpeg.DecodeConfig(bytes.NewReader(data))
			if !tagged || err != nil || conf.Width != 640 || part.Header.Get("Content-Type") != "image/jpeg" {
				refuse(w, http.StatusBadRequest, fmt.Sprintf("tag before file? %v %v", tagged, err))
				return
			}
			ids = append(ids, s.add(data))
		default:
			refuse(w, http.StatusBadRequest, "unknown parameter")
			return
		}
	}
	reply(w, map[string]any{"ids": ids, "log": "stored"})
}

func (s *standInSite) edit(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(r.FormValue("img"))
	if p == nil || r.URL.RawQuery != "" {
		refuse(w, http.StatusForbidden, "no such picture")
		return
	}
	if caption, ok := r.PostForm["cap"]; ok {
		p.caption = caption[0]
	}
	if r.PostFormValue("del") == "true" {
		p.deleted = true
		s.deletes++
	}
	reply(w, map[string]any{"del": p.deleted})
}

func (s *standInSite) show(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(r.FormValue("img"))
	if p == nil {
		refuse(w, http.StatusForbidden, "no such picture")
		return
	}
	reply(w, map[string]any{"id": r.FormValue("img"), "cap": p.caption, "del": p.deleted})
}

// photoJourney is the journey of keepwatch.example.yaml, in Go.
func photoJourney(t *testing.T, base string) *Journey {
	t.Helper()
	isJPEG := map[string]Pattern{"Content-Type": pattern(t, "image/jpeg")}
	status := func(code int) []StatusRange { return []StatusRange{{Low: code, High: code}} }
	return &Journey{
		Base: base, Variables: map[string]string{"caption": "probe {{run.id}}"},
		Steps: []JourneyStep{
			{
				Name: "log in", Request: JourneyRequest{URL: "/servlet/token", Form: []FormField{{"rc", "{{site.code}}"}}},
				Capture: map[string]JourneyCapture{"tag": {JSON: "tags[0].id"}, "cookie": {Cookie: "token"}},
			},
			{
				Name: "recent", Request: JourneyRequest{URL: "/servlet/browserest?mode=r"},
				Expect: HTTPExpect{JSON: map[string]Pattern{"images[0].id": pattern(t, `/^\d+$/`)}}, Capture: map[string]JourneyCapture{"known": {JSON: "images[0].id"}},
			},
			{
				Name: "picture", Request: JourneyRequest{URL: "/img/1440/{{known}}.jpg"},
				Expect: HTTPExpect{Headers: isJPEG, Image: ImageExpect{Decodes: true, LongerEdge: 1440, OrNative: true}},
			},
			{Name: "as a stranger", Cookies: cookiesNone, Request: JourneyRequest{URL: "/img/1440/{{known}}.jpg"}, Expect: HTTPExpect{Status: status(403)}},
			{
				Name: "upload", Request: JourneyRequest{URL: "/rest/upload", Form: []FormField{{"tag", "{{tag}}"}}, Files: []JourneyFile{{Picture: JourneyPicture{Width: 640, Height: 480, Fresh: true}}}},
				Capture: map[string]JourneyCapture{"id": {JSON: "ids[0]"}},
			},
			{Name: "caption", Request: JourneyRequest{URL: "/rest/edit", Form: []FormField{{"img", "{{id}}"}, {"cap", "{{caption}}"}}}},
			{
				Name: "read back", Request: JourneyRequest{URL: "/rest/edit?img={{id}}"},
				Expect: HTTPExpect{JSON: map[string]Pattern{"cap": pattern(t, "{{caption}}")}},
			},
			{Name: "delete", Request: JourneyRequest{URL: "/rest/edit", Form: []FormField{{"img", "{{id}}"}, {"del", "true"}}}, Expect: HTTPExpect{JSON: map[string]Pattern{"del": pattern(t, "true")}}},
			{
				Name: "gone", Request: JourneyRequest{URL: "/servlet/browserest?mode=r"},
				Expect: HTTPExpect{BodyNotContains: []string{`"id":{{id}}`}, BodyMatches: []Regexp{expression(t, `"id":\d+`)}},
			},
		},
		Cleanup: []JourneyStep{{Name: "delete again", Request: JourneyRequest{URL: "/rest/edit", Form: []FormField{{"img", "{{id}}"}, {"del", "true"}}}}},
	}
}

// decodes is a check of the helper: what draw makes is a picture.
func TestDraw(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {640, 480}, {33, 4096}} {
		picture := sample(t, size.X, size.Y)
		marked := remark(picture, "keepwatch probe 1")
		if bytes.Equal(picture, marked) {
			t.Error("the remark changes nothing")
		}
		m, err := jpeg.Decode(bytes.NewReader(marked))
		if err != nil || m.Bounds().Size() != size {
			t.Errorf("%v: got %v, %v", size, m, err)
		}
	}
}
