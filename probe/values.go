package probe

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// StatusRange is one HTTP status or a closed range of them: "200", "200-299",
// "2xx". The zero value contains nothing.
type StatusRange struct{ Low, High int }

// Contains reports whether a status lies in the range, both ends included.
func (s StatusRange) Contains(status int) bool {
	return s.Low != 0 && status >= s.Low && status <= s.High
}

// UnmarshalText reads "200", "200-299" or "2xx".
func (s *StatusRange) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	if len(word) == 3 && strings.EqualFold(word[1:], "xx") && word[0] >= '1' && word[0] <= '5' {
		low := int(word[0]-'0') * 100
		*s = StatusRange{Low: low, High: low + 99}
		return nil
	}
	from, to, isRange := strings.Cut(word, "-")
	low, err := parseStatus(from)
	if err != nil {
		return fmt.Errorf("status %q is not a code: write 200, 200-299 or 2xx", word)
	}
	high := low
	if isRange {
		if high, err = parseStatus(to); err != nil {
			return fmt.Errorf("status %q is not a range of codes: write 200-299 or 2xx", word)
		}
	}
	if high < low {
		return fmt.Errorf("status range %q is upside down: write %d-%d", word, high, low)
	}
	*s = StatusRange{Low: low, High: high}
	return nil
}

// parseStatus reads a three-digit code from 100 to 599 (RFC 9110, section 15).
func parseStatus(word string) (int, error) {
	word = strings.TrimSpace(word)
	n, err := strconv.Atoi(word)
	if err != nil || len(word) != 3 || n < 100 || n > 599 {
		return 0, errors.New("not a status")
	}
	return n, nil
}

// String returns the form that UnmarshalText reads; "" for the zero value.
func (s StatusRange) String() string {
	switch s.Low {
	case 0:
		return ""
	case s.High:
		return strconv.Itoa(s.Low)
	}
	return strconv.Itoa(s.Low) + "-" + strconv.Itoa(s.High)
}

// MarshalText returns the form that UnmarshalText reads.
func (s StatusRange) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Regexp is a regular expression in Go's RE2 syntax (https://pkg.go.dev/regexp/syntax),
// which never backtracks. The zero value is not set and matches nothing.
type Regexp struct{ re *regexp.Regexp }

// UnmarshalText compiles the expression. The empty one is refused: it matches everything.
func (r *Regexp) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("an empty regular expression matches everything: leave the key out")
	}
	re, err := regexp.Compile(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a regular expression: %w", text, err)
	}
	r.re = re
	return nil
}

// IsZero reports whether no expression is set.
func (r Regexp) IsZero() bool { return r.re == nil }

// Match reports whether b contains a match; false for the zero value.
func (r Regexp) Match(b []byte) bool { return r.re != nil && r.re.Match(b) }

// filled is the expression with a journey's values in it, each as plain text;
// the expression itself when fill is nil or it does not compile with them.
func (r Regexp) filled(fill filler) Regexp {
	if fill == nil || r.re == nil || !hasNames(r.re.String()) {
		return r
	}
	return Regexp{re: fillExpression(r.re, fill)}
}

// String returns the source of the expression; "" for the zero value.
func (r Regexp) String() string {
	if r.re == nil {
		return ""
	}
	return r.re.String()
}

// MarshalText returns the source of the expression.
func (r Regexp) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Pattern is what a single value must be: the text itself, "/…/" for a regular
// expression that must match somewhere in it, or "*" for any value at all. The
// zero value wants the empty text.
type Pattern struct {
	text string
	re   *regexp.Regexp // set for /…/
	any  bool           // set for *
}

// UnmarshalText reads a pattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	word := string(text)
	switch {
	case word == "*":
		*p = Pattern{text: word, any: true}
	case len(word) > 2 && word[0] == '/' && word[len(word)-1] == '/':
		re, err := regexp.Compile(word[1 : len(word)-1])
		if err != nil {
			return fmt.Errorf("%q is not a regular expression: %w", word, err)
		}
		*p = Pattern{text: word, re: re}
	default:
		*p = Pattern{text: word}
	}
	return nil
}

// Match reports whether a value is as wanted.
func (p Pattern) Match(value string) bool {
	switch {
	case p.any:
		return true
	case p.re != nil:
		return p.re.MatchString(value)
	}
	return p.text == value
}

// filled is the pattern with a journey's values in it; see [Regexp.filled].
func (p Pattern) filled(fill filler) Pattern {
	switch {
	case fill == nil || p.any || !hasNames(p.text):
		return p
	case p.re != nil:
		p.re = fillExpression(p.re, fill)
		return p
	}
	p.text = fill(p.text, nil)
	return p
}

// String returns the form that UnmarshalText reads.
func (p Pattern) String() string { return p.text }

// MarshalText returns the form that UnmarshalText reads.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// Size is a number of bytes, written "512", "64KiB", "1.5MiB" or "2GiB" (KB, MB
// and GB are powers of 1000). The zero value means not set.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	number, factor := word, 1.0
	for _, u := range []struct { // a suffix before the one it ends with
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if len(word) > len(u.suffix) && strings.EqualFold(word[len(word)-len(u.suffix):], u.suffix) {
			number, factor = strings.TrimSpace(word[:len(word)-len(u.suffix)]), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n*factor < 1<<53) {
		return fmt.Errorf("%q is not a size: write 512, 64KiB, 1MiB or 2GiB", word)
	}
	*s = Size(n * factor)
	return nil
}

// String returns the size in its largest whole binary unit.
func (s Size) String() string {
	for _, u := range []struct {
		suffix string
		bytes  Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.bytes && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText returns the form that UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Redirects says how many redirects a look follows: "follow" (ten), "none", or
// a number from 0 to 50. The zero value is "follow".
type Redirects struct {
	set  bool
	hops int
}

// defaultHops is what browsers and curl users are used to; Go's client stops there too.
const defaultHops = 10

// UnmarshalText reads "follow", "none" or a number.
func (r *Redirects) UnmarshalText(text []byte) error {
	switch word := string(text); word {
	case "follow":
		*r = Redirects{}
	case "none":
		*r = Redirects{set: true}
	default:
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n > 50 {
			return fmt.Errorf("redirects %q is not known: write follow, none, or a number from 0 to 50", word)
		}
		*r = Redirects{set: true, hops: n}
	}
	return nil
}

// Hops returns the largest number of redirects to follow.
func (r Redirects) Hops() int {
	if !r.set {
		return defaultHops
	}
	return r.hops
}

// String returns the form that UnmarshalText reads.
func (r Redirects) String() string {
	switch {
	case !r.set:
		return "follow"
	case r.hops == 0:
		return "none"
	}
	return strconv.Itoa(r.hops)
}

// MarshalText returns the form that UnmarshalText reads.
func (r Redirects) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Percent is a share from 0% to 100%, written "35%". The zero value is not set,
// which is not the same as "0%".
type Percent struct {
	set   bool
	share float64 // 0 to 1
}

// UnmarshalText reads "35%" or "0.5%".
func (p *Percent) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	number, ok := strings.CutSuffix(word, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(n >= 0 && n <= 100) {
		return fmt.Errorf("%q is not a percentage: write a number from 0%% to 100%%, such as 35%%", word)
	}
	*p = Percent{set: true, share: n / 100}
	return nil
}

// Share returns the share as a number from 0 to 1, or otherwise when not set.
func (p Percent) Share(otherwise float64) float64 {
	if !p.set {
		return otherwise
	}
	return p.share
}

// String returns the form that UnmarshalText reads; "" when not set.
func (p Percent) String() string {
	if !p.set {
		return ""
	}
	return strconv.FormatFloat(p.share*100, 'g', 10, 64) + "%"
}

// MarshalText returns the form that UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
