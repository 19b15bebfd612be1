package pages

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"keepwatch/site/gallery"
)

// kind is what brings pictures together.
type kind string

const (
	kindRecent  kind = "recent" // everything, newest first
	kindDay     kind = "day"
	kindMonth   kind = "month"
	kindPlace   kind = "place"
	kindPerson  kind = "person"
	kindTag     kind = "tag"
	kindNew     kind = "new"
	kindDeleted kind = "deleted"
	kindSearch  kind = "search"
)

const maxQuery = 200 // characters of a search

// set names pictures that are looked at together, in an order: those of a day, of
// a person. It is written as "day:2026-01-05" in addresses.
type set struct {
	kind kind
	key  string // normal form; "" for kinds without one
	id   int64  // of the place, person or tag
}

// parseSet reads what follows in= in an address; ok is false for what is no set.
func parseSet(in string) (s set, ok bool) {
	name, key, _ := strings.Cut(in, ":")
	return newSet(kind(name), key)
}

func newSet(k kind, key string) (s set, ok bool) {
	s = set{kind: k, key: key}
	switch k {
	case kindRecent, kindNew, kindDeleted:
		return s, key == ""
	case kindDay:
		_, err := time.Parse(time.DateOnly, key)
		return s, err == nil
	case kindMonth:
		_, err := time.Parse("2006-01", key)
		return s, err == nil
	case kindPlace, kindPerson, kindTag:
		id, err := strconv.ParseInt(key, 10, 64)
		s.id, s.key = id, strconv.FormatInt(id, 10)
		return s, err == nil && id > 0
	case kindSearch:
		s.key = strings.Join(strings.Fields(gallery.Clean(key)), " ")
		return s, s.key != "" && utf8.RuneCountInString(s.key) <= maxQuery
	}
	return set{}, false
}

// String is the set as parseSet reads it.
func (s set) String() string {
	if s.key == "" {
		return string(s.kind)
	}
	return string(s.kind) + ":" + s.key
}

// path is the page of the set.
func (s set) path() string {
	switch s.kind {
	case kindRecent, kindNew, kindDeleted:
		return "/" + string(s.kind)
	case kindSearch:
		return "/search?" + url.Values{"q": {s.key}}.Encode()
	case kindDay, kindMonth, kindPlace, kindPerson, kindTag:
	}
	return "/" + string(s.kind) + "/" + s.key
}

// at adds a photo's own anchor to the page of the set.
func (s set) at(id int64) string { return s.path() + "#p" + strconv.FormatInt(id, 10) }

// in is the address of a page that works on the set.
func (s set) in(path string) string { return path + "?" + url.Values{"in": {s.String()}}.Encode() }

// filter asks for the pictures of the set.
func (s set) filter() gallery.Filter {
	f := gallery.Filter{Order: gallery.ByTaken}
	switch s.kind {
	case kindRecent:
		f.Order = gallery.Newest
	case kindDay:
		f.Day = s.key
	case kindMonth:
		f.Month = s.key
	case kindPlace:
		f.Location = s.id
	case kindPerson:
		f.Person = s.id
	case kindTag:
		f.Tag = s.id
	case kindNew:
		yes := true
		f.New = &yes
	case kindDeleted:
		f.Deleted, f.Order = true, gallery.Newest
	case kindSearch:
		f.Text, f.Order = s.key, gallery.Best
	}
	return f
}

// section is the entry of the menu that the set belongs to.
func (s set) section() string {
	switch s.kind {
	case kindDay, kindRecent:
		return "recent"
	case kindMonth:
		return "months"
	case kindPlace:
		return "places"
	case kindPerson:
		return "people"
	case kindTag:
		return "tags"
	case kindNew, kindDeleted, kindSearch:
	}
	return string(s.kind)
}
