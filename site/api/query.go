package api

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"keepwatch/site/desk"
	"keepwatch/site/gallery"
)

// maxText is the longest text that is searched for, in characters.
const maxText = 200

// query reads parameters and keeps the first mistake. Unknown parameters are left
// alone: clients of the original add some against caches.
type query struct {
	values url.Values
	err    error
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = gallery.InputError{Message: fmt.Sprintf(format, args...)}
	}
}

// text returns the only value of a parameter; "" when it was not given.
func (q *query) text(name string) string {
	all := q.values[name]
	if len(all) > 1 {
		q.fail("%s may be given once", name)
	}
	if len(all) == 0 {
		return ""
	}
	if !utf8.ValidString(all[0]) || strings.ContainsRune(all[0], 0) {
		q.fail("%s is not text in UTF-8", name)
		return ""
	}
	return all[0]
}

// id returns a number above 0; 0 when it was not given.
func (q *query) id(name string) int64 {
	if !q.values.Has(name) {
		return 0
	}
	n, err := strconv.ParseInt(q.text(name), 10, 64)
	if err != nil || n <= 0 {
		q.fail("%s must be the number of one", name)
		return 0
	}
	return n
}

// page returns how many and after which.
func (q *query) page() (limit int, after int64) {
	n := q.id("limit")
	if n > desk.MaxPage {
		q.fail("limit must be 1 to %d", desk.MaxPage)
	}
	return int(min(n, desk.MaxPage)), q.id("after")
}

// flag returns true for 1 and true, and whether it was given.
func (q *query) flag(name string) (value, given bool) {
	if !q.values.Has(name) {
		return false, false
	}
	switch q.text(name) {
	case "1", "true", "": // "" is what ?new without a value gives
		return true, true
	case "0", "false":
		return false, true
	}
	q.fail("%s must be true or false", name)
	return false, true
}

// words returns a text to search for.
func (q *query) words(name string) string {
	s := strings.TrimSpace(q.text(name))
	if utf8.RuneCountInString(s) > maxText {
		q.fail("%s may have at most %d characters", name, maxText)
	}
	return s
}

// date checks a day or month and returns it.
func (q *query) date(name, layout, like string) string {
	s := q.text(name)
	if s == "" {
		if q.values.Has(name) {
			q.fail("%s must be written like %s", name, like)
		}
		return ""
	}
	if t, err := time.Parse(layout, s); err != nil || t.Year() < 1 {
		q.fail("%s must be written like %s", name, like)
	}
	return s
}

func (q *query) day(name string) string   { return q.date(name, "2006-01-02", "2026-05-31") }
func (q *query) month(name string) string { return q.date(name, "2006-01", "2026-05") }

// instant reads milliseconds since 1970, a fraction allowed; the zero time when it
// was not given.
func (q *query) instant(name string) time.Time {
	if !q.values.Has(name) {
		return time.Time{}
	}
	const latest = 253402300799999 // the end of the year 9999
	ms, err := strconv.ParseFloat(q.text(name), 64)
	if err != nil || math.IsNaN(ms) || ms <= 0 || ms > latest {
		q.fail("%s must be a time in milliseconds since 1970", name)
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// only refuses parameters that are not in the list: a misspelt limit must not make
// something without limits.
func (q *query) only(names ...string) {
	for name := range q.values {
		if !slices.Contains(names, name) {
			q.fail("there is no such parameter; the known ones are %s", strings.Join(names, ", "))
		}
	}
}
