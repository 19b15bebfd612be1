// Package wording owns how this program writes instants and durations: in the answers
// of its commands, on pages and in mails. It knows nothing of what they are of.
package wording

import (
	"fmt"
	"strings"
	"time"
)

// Spell writes a duration for people: "2d 3h", "45m".
func Spell(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	}
	return fmt.Sprintf("%dm", minutes)
}

// Brief writes a duration without the zeros at its end: 3h, 15m, 4h30m.
func Brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Stamp is an instant for programs: UTC, "" for no end.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// LocalStamp is an instant for people, in a zone; "…" for no end.
func LocalStamp(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "…"
	}
	return t.In(zone).Format("Mon 2006-01-02 15:04 MST")
}
