package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepwatch/site/access"
	"keepwatch/site/gallery"
)

// The oracle: what section 2 of the site's specification says, written down again
// without the program's own rules.
//
// Tags of the story: mine (the kinds of tokens are for it), more (each holder of a
// token may download there), others (of somebody else), free and loose (nobody holds
// a write token for them; only photos of mine carry free).
type holder struct {
	kind   string
	levels map[string]int // by tag, of unexpired tokens
}

func (h holder) known() bool { return len(h.levels) > 0 }

// on is the highest level over tags.
func (h holder) on(tags []string) int {
	best := 0
	for _, t := range tags {
		best = max(best, h.levels[t])
	}
	return best
}

// situation is a photo by its tags.
type situation struct {
	name    string
	tags    []string
	deleted bool
}

// may says whether the holder may do what needs a level on the photo (A1, A2, A3;
// deleted photos are for writers).
func (s situation) may(h holder, level int) bool {
	if s.deleted {
		level = 3
	}
	return h.known() && h.on(s.tags) >= level
}

// tag says whether the holder may have the photo carry a tag (T1).
func (s situation) tag(h holder, tag string) bool {
	return s.may(h, 3) && (slices.Contains(s.tags, tag) || h.levels[tag] >= 3 || tag == "free" || tag == "loose" || tag == "brand new")
}

// untag says whether the holder may take a tag away (T2).
func (s situation) untag(h holder, tag string) bool {
	left := slices.DeleteFunc(slices.Clone(s.tags), func(t string) bool { return t == tag })
	return s.may(h, 3) && h.on(left) >= 3
}

// share says whether the holder may make a code (K1). All photos with free are mine.
func share(h holder, tag string, level int) bool {
	return h.levels[tag] >= 3 || (tag == "free" && level <= 2 && h.levels["mine"] >= 3)
}

// upload says whether the holder may upload to tags (A6).
func upload(h holder, tags ...string) bool {
	own := false
	for _, t := range tags {
		if h.levels[t] < 3 && t != "free" {
			return false
		}
		own = own || h.levels[t] >= 3
	}
	return own
}

// or403 is the status of what is allowed or not.
func or403(allowed bool) int {
	if allowed {
		return http.StatusOK
	}
	return http.StatusForbidden
}

// fill replaces {id} and the names of tags by numbers.
func (b *rig) fill(text string, photo int64) string {
	text = strings.ReplaceAll(text, "{id}", strconv.FormatInt(photo, 10))
	for _, tag := range []string{"mine", "more", "others", "free", "loose"} {
		if strings.Contains(text, "{"+tag+"}") {
			text = strings.ReplaceAll(text, "{"+tag+"}", strconv.FormatInt(b.tagID(tag), 10))
		}
	}
	return text
}

func uploading(path string, tags ...string) func(*rig, int64) *http.Request {
	return func(b *rig, _ int64) *http.Request {
		ids := make([]int64, len(tags))
		for i, t := range tags {
			ids[i] = b.tagID(t)
		}
		return uploadRequest(path, map[string][]byte{"new.jpg": drawing()}, ids...)
	}
}

// deletingCode makes a code first.
func deletingCode(tag string, level gallery.Level, request func(code string) *http.Request) func(*rig, int64) *http.Request {
	return func(b *rig, _ int64) *http.Request { return request(b.code(tag, level, 5)) }
}

// holders are the kinds of tokens, with their cookies.
func holders(b *rig) map[string]holder {
	manage := b.token("mine", gallery.Write)
	b.exec("UPDATE access_token SET level = 4 WHERE hash = $1", access.HashSecret(manage))
	out := map[string]holder{
		"":                               {kind: "none"},
		"useless-useless-useless":        {kind: "useless"},
		b.expired("mine", gallery.Write): {kind: "expired"},
	}
	for kind, secret := range map[string]string{
		"read": b.token("mine", gallery.Read), "download": b.token("mine", gallery.Download), "write": b.token("mine", gallery.Write), "manage": manage,
	} {
		level := map[string]int{"read": 1, "download": 2, "write": 3, "manage": 3}[kind]
		out[secret+":"+b.token("more", gallery.Download)] = holder{kind, map[string]int{"mine": level, "more": 2}}
	}
	out[b.token("others", gallery.Write)] = holder{"write on another tag", map[string]int{"others": 3}}
	return out
}

func situations() []situation {
	return []situation{
		{"no tag", nil, false},
		{"one tag", []string{"mine"}, false},
		{"two tags", []string{"mine", "more"}, false},
		{"only the weaker tag", []string{"more"}, false},
		{"free tag too", []string{"mine", "free"}, false},
		{"owned by others", []string{"others"}, false},
		{"shared with others", []string{"mine", "others"}, false},
		{"deleted", []string{"mine"}, true},
	}
}

func (b *rig) photoOf(s situation) int64 {
	return b.photo(s.tags, func(p *gallery.ImportedPhoto) {
		if s.deleted {
			p.Photo.Deleted = time.Now().UTC()
		}
	})
}

// matrixRig is a site where all tags of the story are, and are owned as it says.
func matrixRig(t *testing.T) *rig {
	t.Helper()
	b := newRig(t)
	b.token("mine", gallery.Write)
	b.token("others", gallery.Write)
	b.token("more", gallery.Write)
	b.token("free", gallery.Download)
	b.token("loose", gallery.Download)
	return b
}

// TestPermissionMatrix asks every endpoint with every kind of token about every
// kind of photo (row 19).
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	b := matrixRig(t)
	spec := loadSpec(t)
	asked := 0
	ask := func(e endpoint, cookie string, h holder, s situation, photo int64) {
		asked++
		r := e.ask(b, photo)
		w := b.ask(r, cookie)
		if want := e.want(h, s); w.Code != want {
			t.Errorf("%s; %s; %s: got %d %.200s, want %d", e.name, h.kind, s.name, w.Code, w.Body, want)
		}
		spec.check(t, r, w)
	}
	for cookie, h := range holders(b) {
		for _, s := range situations() {
			photo := b.photoOf(s)
			for _, e := range looks() {
				ask(e, cookie, h, s, photo)
			}
			for _, e := range edits() {
				ask(e, cookie, h, s, b.photoOf(s))
			}
		}
		for _, e := range powers() {
			ask(e, cookie, h, situation{name: "any"}, 0)
		}
	}
	if asked < 8*8*40 {
		t.Errorf("only %d questions were asked", asked)
	}
	t.Logf("%d questions", asked)
}

// TestListsHoldWhatMayBeSeen proves A5: lists, searches, groups and counts know
// only photos on a readable tag that are not deleted.
func TestListsHoldWhatMayBeSeen(t *testing.T) {
	t.Parallel()
	b := matrixRig(t)
	photos := map[int64]situation{}
	for _, s := range situations() {
		photos[b.photoOf(s)] = s
	}
	for cookie, h := range holders(b) {
		if !h.known() {
			continue
		}
		var want []int64
		for id, s := range photos {
			if s.may(h, 1) && !s.deleted {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		for _, path := range []string{
			"/servlet/searchrest?d=2026-05-31", "/servlet/searchrest?l=1", "/servlet/searchrest?q=drawing",
			"/servlet/browserest?mode=d&date=2026-05-31", "/servlet/browserest?mode=d&month=2026-05", "/servlet/browserest?mode=l",
			"/api/v1/photos", "/api/v1/search?q=drawing", "/api/v1/photos?below=1",
		} {
			w := b.get(path, cookie)
			if got := idsIn(t, w); !slices.Equal(got, want) {
				t.Errorf("%s of %s: photos %v, want %v\n%s", path, h.kind, got, want, w.Body)
			}
		}
		var recent struct{ Images []struct{ Count int } }
		if err := json.Unmarshal(b.get("/servlet/browserest?mode=r", cookie).Body.Bytes(), &recent); err != nil {
			t.Fatal(err)
		}
		if len(recent.Images) != min(1, len(want)) || (len(want) > 0 && recent.Images[0].Count != len(want)) {
			t.Errorf("recent of %s: %+v, want one day with %d distinct photos", h.kind, recent, len(want))
		}
	}
}

// idsIn collects the numbers of photos in a list of any kind, ascending.
func idsIn(t *testing.T, w *httptest.ResponseRecorder) []int64 {
	t.Helper()
	var plain []int64
	if json.Unmarshal(w.Body.Bytes(), &plain) == nil {
		slices.Sort(plain)
		return plain
	}
	var lists struct{ Images, Photos []struct{ ID int64 } }
	if err := json.Unmarshal(w.Body.Bytes(), &lists); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	var ids []int64
	for _, p := range append(lists.Images, lists.Photos...) {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// TestCodesAreForThoseWhoMayShare proves K2: codes are listed where K1 holds, and
// no secret of a token anywhere.
func TestCodesAreForThoseWhoMayShare(t *testing.T) {
	t.Parallel()
	b := matrixRig(t)
	codes := map[string]string{}
	for _, tag := range []string{"mine", "more", "others", "free"} {
		codes[tag] = b.code(tag, gallery.Read, 5)
	}
	b.photoOf(situation{tags: []string{"mine", "free"}})
	for cookie, h := range holders(b) {
		for _, path := range []string{"/rest/tag?v=1", "/api/v1/codes"} {
			text := strings.ReplaceAll(b.get(path, cookie).Body.String(), "-", "")
			for tag, code := range codes {
				if got, want := strings.Contains(text, code), share(h, tag, 1); got != want {
					t.Errorf("%s of %s: the code of %s listed: %v, want %v\n%s", path, h.kind, tag, got, want, text)
				}
			}
			for secret := range strings.SplitSeq(cookie, ":") {
				if secret != "" && strings.Contains(text, strings.ReplaceAll(secret, "-", "")) {
					t.Errorf("%s of %s tells a secret", path, h.kind)
				}
			}
		}
		if text := b.get("/rest/tag", cookie).Body.String(); strings.Contains(text, "TESTC0DE") {
			t.Errorf("the short list of %s holds codes: %s", h.kind, text)
		}
	}
}
