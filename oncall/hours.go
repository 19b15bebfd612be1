package oncall

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours is a part of the week in which a layer is on call, in the layer's local
// time. As text: "Mon-Fri 09:00-17:00", "Sat 10:00-14:00", "daily 17:00-09:00" (over
// midnight), "Sat-Sun 00:00-24:00". The zero value has no hours at all.
type Hours struct {
	Days     [7]bool // by time.Weekday: the days on which a stretch begins
	From, To int     // minutes of the day; To at or below From is on the next day, 1440 is midnight
}

const minutesPerDay = 24 * 60

// String returns the text form.
func (h Hours) String() string {
	if h == (Hours{}) {
		return ""
	}
	return h.days() + " " + clock(h.From) + "-" + clock(h.To)
}

func (h Hours) days() string {
	if h.Days == [7]bool{true, true, true, true, true, true, true} {
		return "daily"
	}
	var parts []string
	for i := 0; i < 7; i++ {
		first := i
		for i < 6 && h.Days[weekdayFromMonday(i)] && h.Days[weekdayFromMonday(i+1)] {
			i++
		}
		if !h.Days[weekdayFromMonday(first)] {
			continue
		}
		name := time.Weekday(weekdayFromMonday(first)).String()[:3]
		if i > first {
			name += "-" + time.Weekday(weekdayFromMonday(i)).String()[:3]
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ",")
}

func weekdayFromMonday(i int) int { return (i + 1) % 7 }

func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// UnmarshalText reads the text form.
func (h *Hours) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q are no hours (write them like Mon-Fri 09:00-17:00, Sat 10:00-14:00 or daily 17:00-09:00)", text)
	days, span, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !ok {
		return bad
	}
	var out Hours
	for part := range strings.SplitSeq(days, ",") {
		if !out.addDays(part) {
			return bad
		}
	}
	from, to, ok := strings.Cut(strings.TrimSpace(span), "-")
	if !ok {
		return bad
	}
	if out.From, ok = readClock(from); !ok || out.From == minutesPerDay {
		return bad
	}
	if out.To, ok = readClock(to); !ok {
		return bad
	}
	*h = out
	return nil
}

func (h *Hours) addDays(part string) bool {
	if strings.EqualFold(part, "daily") {
		h.Days = [7]bool{true, true, true, true, true, true, true}
		return true
	}
	first, last, ranged := strings.Cut(part, "-")
	from, ok := readWeekday(first)
	if !ok {
		return false
	}
	to := from
	if ranged {
		if to, ok = readWeekday(last); !ok {
			return false
		}
	}
	for d := from; ; d = (d + 1) % 7 {
		h.Days[d] = true
		if d == to {
			return true
		}
	}
}

func readWeekday(s string) (int, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()) || strings.EqualFold(s, d.String()[:3]) {
			return int(d), true
		}
	}
	return 0, false
}

// readClock reads 09:00 or 24:00 as minutes of the day.
func readClock(s string) (int, bool) {
	hours, minutes, ok := strings.Cut(s, ":")
	if !ok || len(minutes) != 2 || len(hours) == 0 || len(hours) > 2 {
		return 0, false
	}
	h, err1 := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	if err1 != nil || err2 != nil || m > 59 || h > 24 || (h == 24 && m > 0) {
		return 0, false
	}
	return int(h*60 + m), true
}

// Holiday is a local date on which a layer does not work. As text: "2026-12-25",
// or with a name, "2026-12-25 Christmas Day".
type Holiday struct {
	Date
	Name string
}

// String returns the text form.
func (h Holiday) String() string { return strings.TrimSpace(h.Date.String() + " " + h.Name) }

// UnmarshalText reads the text form.
func (h *Holiday) UnmarshalText(text []byte) error {
	date, name, _ := strings.Cut(string(text), " ")
	next := Holiday{Name: strings.TrimSpace(name)}
	if err := next.Date.UnmarshalText([]byte(date)); err != nil {
		return err
	}
	*h = next
	return nil
}

// Holidays are named calendars of dates.
type Holidays map[string][]Holiday

func sortedKeys(set map[int]bool) []int { return slices.Sorted(maps.Keys(set)) }
