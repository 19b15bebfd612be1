package sheet

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"keepwatch/reports"
)

// Rounding says which way a duration is rounded to the second.
type Rounding bool

// Up is for time that was lost, Floor for time that is left.
const (
	Up    Rounding = true
	Floor Rounding = false
)

// Clock prints milliseconds as h:mm:ss.
func Clock(ms int64, round Rounding) string { return reports.Clock(ms, bool(round)) }

// seconds prints whole seconds as h:mm:ss.
func seconds(s int64) string { return Clock(s*1000, Up) }

// hours prints a length like 168 or 168.5.
func hours(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()), ".0")
}

// Share is the part of the budget that was spent, rounded up.
func Share(spent, budget int64) string { return reports.Share(spent, budget) }

// percent adds the sign to a figure, and leaves "no data" alone.
func percent(s string) string {
	if s == reports.NoData {
		return s
	}
	return Clean(s) + " %"
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// counted is for figures that grow large: 1,000,000 requests.
func counted(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + one + "s"
}

// Clean puts text from outside into one line without control characters and
// without those that turn the direction of writing: a terminal obeys the first,
// and the second let a name look like another.
func Clean(s string) string {
	if tidy(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\uFEFF', r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// tidy reports that there is nothing to do, as with nearly every text.
func tidy(s string) bool {
	space := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && space {
			return false
		}
		space = s[i] == ' '
	}
	return s == "" || !space
}

func cleaned(list []string) string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s = Clean(s); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// Columns is how wide a text is in a terminal: wide letters take two columns,
// marks that combine take none.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300: // before the first mark that combines nothing is wide
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1F300 && r <= 0x1FAFF:
		return 2 // pictures
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.Neutral, width.EastAsianAmbiguous, width.EastAsianNarrow, width.EastAsianHalfwidth:
	}
	return 1
}

// Shorten cuts a text to at most n columns, with a mark where it was cut.
func Shorten(s string, n int) string {
	if Columns(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		w := runeColumns(r)
		if used+w > n-1 {
			return s[:i] + "…"
		}
		used += w
	}
	return s
}
