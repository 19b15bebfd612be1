package gallery

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// parser reads values, remembers which names it knows, and keeps the first error.
type parser struct {
	values url.Values
	known  []string
	err    error
}

func (p *parser) seen(name string) { p.known = append(p.known, name) }

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = InputError{fmt.Sprintf(format, args...)}
	}
}

// one returns the only value of a parameter.
func (p *parser) one(name string) (string, bool) {
	p.seen(name)
	all := p.values[name]
	if len(all) > 1 {
		p.fail("%s may be given once", name)
	}
	if len(all) != 1 {
		return "", false
	}
	return all[0], true
}

// clean takes away what no text of ours holds: control characters, save line ends
// where lines are wanted, and space at the ends.
func (p *parser) clean(name, s string, limit int) string {
	if !utf8.ValidString(s) {
		p.fail("%s is not text in UTF-8", name)
		return ""
	}
	s = Clean(s)
	if utf8.RuneCountInString(s) > limit {
		p.fail("%s may have at most %d characters", name, limit)
	}
	return s
}

// Clean takes control characters, invisible direction marks and space at the ends
// away from a text; line ends stay, as \n.
func Clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

func (p *parser) text(name string, limit int) *string {
	s, ok := p.one(name)
	if !ok {
		return nil
	}
	s = p.clean(name, s, limit)
	return &s
}

// name is a text of one line that must not be empty where it is given; "" is not given.
func (p *parser) name(name string, limit int) string {
	s, ok := p.one(name)
	if !ok {
		return ""
	}
	return p.oneName(name, s, limit)
}

func (p *parser) oneName(name, s string, limit int) string {
	s = strings.Join(strings.Fields(p.clean(name, s, limit)), " ")
	if s == "" {
		p.fail("%s must not be empty", name)
	}
	return s
}

// names returns the values of a repeated name, each once.
func (p *parser) names(name string, limit int) []string {
	p.seen(name)
	if len(p.values[name]) > MaxMentions {
		p.fail("%s may be given %d times at most", name, MaxMentions)
		return nil
	}
	var out []string
	for _, s := range p.values[name] {
		s = p.oneName(name, s, limit)
		if !slices.ContainsFunc(out, func(o string) bool { return Key(o) == Key(s) }) {
			out = append(out, s)
		}
	}
	return out
}

func (p *parser) id(name string) int64 {
	s, ok := p.one(name)
	if !ok {
		return 0
	}
	return p.oneID(name, s)
}

func (p *parser) oneID(name, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		p.fail("%s must be the number of one", name)
		return 0
	}
	return n
}

// ids returns the values of a repeated number, each once.
func (p *parser) ids(name string, limit int) []int64 {
	p.seen(name)
	if len(p.values[name]) > limit {
		p.fail("%s may be given %d times at most", name, limit)
		return nil
	}
	var out []int64
	for _, s := range p.values[name] {
		if n := p.oneID(name, s); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (p *parser) flag(name string) *bool {
	s, ok := p.one(name)
	if !ok {
		return nil
	}
	if s != "true" && s != "false" {
		p.fail("%s must be true or false", name)
	}
	yes := s == "true"
	return &yes
}

func (p *parser) rotation(name string) *int {
	s, ok := p.one(name)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 270 || n%90 != 0 {
		p.fail("%s must be 0, 90, 180 or 270", name)
	}
	return &n
}

func (p *parser) wall(name string) *time.Time {
	s, ok := p.one(name)
	if !ok {
		return nil
	}
	t, err := ParseWall(s)
	if err != nil {
		p.fail(`%s must be a date and time like 2026-05-31 14:30:00`, name)
	}
	return &t
}

// ParseWall reads a wall time as people and cameras write it; "" is the zero time.
// Seconds, or the time of day, may be missing.
func ParseWall(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{
		"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02", "2006:01:02 15:04:05",
	} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1000 {
			return t.Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, InputError{"write a date and time like 2026-05-31 14:30:00"}
}

// others complains about parameters that nobody asked for.
func (p *parser) others() {
	for name := range p.values {
		if !slices.Contains(p.known, name) {
			p.fail("there is no such parameter; the known ones are %s", strings.Join(p.known, ", "))
		}
	}
}
