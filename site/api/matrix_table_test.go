package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"

	"keepwatch/site/gallery"
)

// endpoint is one row of the matrix.
type endpoint struct {
	name string
	ask  func(b *rig, photo int64) *http.Request
	want func(h holder, s situation) int
	// changes says that the endpoint changes the photo: each question gets a new one.
	changes bool
}

func getting(format string) func(*rig, int64) *http.Request {
	return func(_ *rig, photo int64) *http.Request {
		return httptest.NewRequest(http.MethodGet, strings.ReplaceAll(format, "{id}", strconv.FormatInt(photo, 10)), nil)
	}
}

// posting sends a form; {id} is the photo, {mine} and so on are ids of tags.
func posting(path string, pairs ...string) func(*rig, int64) *http.Request {
	return func(b *rig, photo int64) *http.Request {
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Add(pairs[i], b.fill(pairs[i+1], photo))
		}
		return formRequest(path, form)
	}
}

func postingJSON(path, text string) func(*rig, int64) *http.Request {
	return func(b *rig, photo int64) *http.Request {
		return jsonRequest(path, json.RawMessage(b.fill(text, photo)))
	}
}

func anybody(holder, situation) int { return http.StatusOK }

func known(h holder, _ situation) int { return or403(h.known()) }

func reading(h holder, s situation) int { return or403(s.may(h, 1)) }

func fetching(h holder, s situation) int { return or403(s.may(h, 2)) }

func writing(h holder, s situation) int { return or403(s.may(h, 3)) }

func nobodyMay(holder, situation) int { return http.StatusForbidden }

func adding(tag string) func(holder, situation) int {
	return func(h holder, s situation) int { return or403(s.tag(h, tag)) }
}

func removing(tag string) func(holder, situation) int {
	return func(h holder, s situation) int { return or403(s.untag(h, tag)) }
}

func uploadingTo(tags ...string) func(holder, situation) int {
	return func(h holder, _ situation) int { return or403(upload(h, tags...)) }
}

func sharing(tag string, level int) func(holder, situation) int {
	return func(h holder, _ situation) int { return or403(share(h, tag, level)) }
}

func deleteOld(code string) *http.Request {
	return formRequest("/servlet/token", url.Values{"del": {code}})
}

func deleteV1(code string) *http.Request {
	return jsonRequest("/api/v1/codes/delete", map[string]string{"code": code})
}

// looks are the endpoints that change nothing.
func looks() []endpoint {
	head := func(b *rig, photo int64) *http.Request {
		r := getting("/img/192/{id}.jpg")(b, photo)
		r.Method = http.MethodHead
		return r
	}
	return []endpoint{
		{"picture", getting("/img/192/{id}.jpg"), reading, false},
		{"picture, short", getting("/i/192/{id}"), reading, false},
		{"picture, default size", getting("/img/{id}.jpg"), reading, false},
		{"picture, HEAD", head, reading, false},
		{"picture, v1", getting("/api/v1/photos/{id}/image/192"), reading, false},
		{"original", getting("/img/0/{id}.jpg"), fetching, false},
		{"original, v1", getting("/api/v1/photos/{id}/image/0"), fetching, false},
		{"edit form", getting("/rest/edit?img={id}"), reading, false},
		{"photo, v1", getting("/api/v1/photos/{id}"), reading, false},
		{"hints, v1", getting("/api/v1/photos/{id}/hints"), reading, false},
		{"recent", getting("/servlet/browserest?mode=r"), known, false},
		{"months", getting("/servlet/browserest?mode=m"), known, false},
		{"places", getting("/servlet/browserest?mode=l"), known, false},
		{"people", getting("/servlet/browserest?mode=p"), known, false},
		{"new", getting("/servlet/browserest?mode=n"), known, false},
		{"day", getting("/servlet/browserest?mode=d&date=2026-05-31"), known, false},
		{"search", getting("/servlet/searchrest?d=2026-05-31"), known, false},
		{"location", getting("/rest/location"), known, false},
		{"suggest", getting("/rest/suggest?wmk&tmz&loc"), known, false},
		{"tags", getting("/rest/tag?v=1"), anybody, false},
		{"photos, v1", getting("/api/v1/photos"), known, false},
		{"search, v1", getting("/api/v1/search?q=drawing"), known, false},
		{"groups, v1", getting("/api/v1/groups?by=tag"), known, false},
		{"people, v1", getting("/api/v1/people"), known, false},
		{"root place, v1", getting("/api/v1/places"), known, false},
		{"place, v1", getting("/api/v1/places/1"), known, false},
		{"form hints, v1", getting("/api/v1/hints"), known, false},
		{"tags, v1", getting("/api/v1/tags"), anybody, false},
		{"codes, v1", getting("/api/v1/codes"), anybody, false},
		{"session, v1", getting("/api/v1/session"), anybody, false},
		{"description", getting("/api/v1/openapi.yaml"), anybody, false},
	}
}

// edits are the endpoints that change a photo.
func edits() []endpoint {
	const old, v1 = "/rest/edit", "/api/v1/photos/edit"
	return []endpoint{
		{"caption", posting(old, "img", "{id}", "cap", "new"), writing, true},
		{"rotation", posting(old, "img", "{id}", "rot", "90"), writing, true},
		{"delete", posting(old, "img", "{id}", "del", "true"), writing, true},
		{"undelete", posting(old, "img", "{id}", "del", "false"), writing, true},
		{"person", posting(old, "img", "{id}", "ppl_fre", "Ada Lovelace"), writing, true},
		{"reread", posting(old, "img", "{id}", "exf", ""), writing, true},
		{"add mine", posting(old, "img", "{id}", "tag", "{mine}"), adding("mine"), true},
		{"add more", posting(old, "img", "{id}", "tag", "{more}"), adding("more"), true},
		{"add others", posting(old, "img", "{id}", "tag", "{others}"), adding("others"), true},
		{"add free", posting(old, "img", "{id}", "tag", "{loose}"), adding("loose"), true},
		{"add others by name", posting(old, "img", "{id}", "tag_fre", "others"), adding("others"), true},
		{"new tag", posting(old, "img", "{id}", "tag_fre", "brand new"), adding("brand new"), true},
		{"remove mine", posting(old, "img", "{id}", "tag_del", "{mine}"), removing("mine"), true},
		{"remove free", posting(old, "img", "{id}", "tag_del", "{free}"), removing("free"), true},
		{"tag/add", posting("/rest/tag/add", "img", "{id}", "tag", "{loose}"), adding("loose"), true},
		{"tag/add by name", posting("/rest/tag/add", "img", "{id}", "tag", "others"), adding("others"), true},
		{"tag/del", posting("/rest/tag/del", "img", "{id}", "tag", "{mine}"), removing("mine"), true},
		{"tag/del by name", posting("/rest/tag/del", "img", "{id}", "tag", "mine"), removing("mine"), true},
		{"caption, v1", postingJSON(v1, `{"ids":[{id}],"caption":"new"}`), writing, true},
		{"delete, v1", postingJSON(v1, `{"ids":[{id}],"deleted":true}`), writing, true},
		{"add others, v1", postingJSON(v1, `{"ids":[{id}],"add_tags":[{others}]}`), adding("others"), true},
		{"add free, v1", postingJSON(v1, `{"ids":[{id}],"add_tags":[{loose}]}`), adding("loose"), true},
		{"remove mine, v1", postingJSON(v1, `{"ids":[{id}],"remove_tags":[{mine}]}`), removing("mine"), true},
	}
}

// powers are the endpoints that make photos and codes: no photo matters.
func powers() []endpoint {
	const token, codes = "/servlet/token", "/api/v1/codes"
	list := []endpoint{
		{"upload", uploading("/rest/upload", "mine"), uploadingTo("mine"), false},
		{"upload, v1", uploading("/api/v1/photos", "mine"), uploadingTo("mine"), false},
		{"upload into others' album (A6)", uploading("/rest/upload", "mine", "others"), uploadingTo("mine", "others"), false},
		{"upload into others' album, v1 (A6)", uploading("/api/v1/photos", "mine", "others"), uploadingTo("mine", "others"), false},
		{"upload, free too", uploading("/rest/upload", "mine", "free"), uploadingTo("mine", "free"), false},
		{"upload, only free", uploading("/rest/upload", "free"), uploadingTo("free"), false},
		{"delete a code of mine", deletingCode("mine", gallery.Read, deleteOld), sharing("mine", 1), false},
		{"delete a code of others", deletingCode("others", gallery.Read, deleteOld), sharing("others", 1), false},
		{"delete a code of free", deletingCode("free", gallery.Read, deleteOld), sharing("free", 1), false},
		{"delete a code of mine, v1", deletingCode("mine", gallery.Read, deleteV1), sharing("mine", 1), false},
		{"delete a code of others, v1", deletingCode("others", gallery.Write, deleteV1), sharing("others", 3), false},
		{"delete no code", posting(token, "del", "N0SUCHC0DE"), nobodyMay, false},
		{"code for no tag", posting(token, "new", "1", "tag", "999999", "lvl", "1"), nobodyMay, false},
		{"code for no tag, v1", postingJSON(codes, `{"tag":999999,"level":"read"}`), nobodyMay, false},
	}
	for _, tag := range []string{"mine", "more", "others", "free"} {
		for level, name := range []string{"", "read", "download", "write"} {
			if level == 0 {
				continue
			}
			list = append(list,
				endpoint{"code for " + tag + " " + name + " (K1)", posting(token, "new", "1", "tag", "{"+tag+"}", "lvl", strconv.Itoa(level)), sharing(tag, level), false},
				endpoint{"code for " + tag + " " + name + ", v1 (K1)", postingJSON(codes, `{"tag":{`+tag+`},"level":"`+name+`"}`), sharing(tag, level), false})
		}
	}
	return list
}
