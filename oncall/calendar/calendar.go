// Package calendar writes shifts as an iCalendar feed (RFC 5545) that phones and
// calendar programs subscribe to.
//
// It owns the form of the feed and nothing else: who is on call comes from
// package oncall.
package calendar

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"keepwatch/oncall"
)

// Feed says what a calendar holds.
type Feed struct {
	Roster oncall.Roster
	// Rotations are the names of the rotations, in order.
	Rotations []string
	// Person, when set, keeps only this person's shifts.
	Person   string
	From, To time.Time // shifts that touch [From, To)
	Now      time.Time // when the feed was made
}

// Write writes the feed. The same shifts give the same events with the same ids, so
// that a subscriber's calendar moves events instead of doubling them.
func (f Feed) Write(w io.Writer) error {
	cal := ics.NewCalendarFor("Keepwatch")
	cal.SetMethod(ics.MethodPublish)
	cal.SetXWRCalName(f.name())
	cal.SetRefreshInterval("PT1H")
	for _, rotation := range f.Rotations {
		for s := range f.Roster.Rotations[rotation].Shifts(f.From, f.To) {
			if s.Person == "" || (f.Person != "" && s.Person != f.Person) {
				continue
			}
			f.add(cal, s)
		}
	}
	if err := cal.SerializeTo(w); err != nil {
		return fmt.Errorf("write calendar: %w", err)
	}
	return nil
}

func (f Feed) name() string {
	if f.Person != "" {
		return "On call: " + f.person(f.Person)
	}
	return "On call: " + strings.Join(f.Rotations, ", ")
}

func (f Feed) person(key string) string {
	if name := f.Roster.People[key].Name; name != "" {
		return name
	}
	return key
}

func (f Feed) add(cal *ics.Calendar, s oncall.Shift) {
	from, to := s.From, s.To
	if from.IsZero() || from.Before(f.From) {
		from = f.begin(s)
	}
	if to.IsZero() {
		to = f.To
	}
	e := cal.AddEvent(id(s.Rotation, from, s.Person))
	e.SetDtStampTime(f.Now.UTC())
	e.SetStartAt(from.UTC())
	e.SetEndAt(to.UTC())
	e.SetSummary(f.person(s.Person) + " is on call (" + s.Rotation + ")")
	if s.Source != oncall.FromRotation {
		e.SetDescription("by " + string(s.Source))
	}
	e.SetTimeTransparency(ics.TransparencyTransparent) // to be on call is not to be busy
}

// begin is the start of a shift that began before the feed: its own, or, when it
// has none, the feed's day, so that it does not change with every look.
func (f Feed) begin(s oncall.Shift) time.Time {
	if s.From.IsZero() {
		return f.From.UTC().Truncate(24 * time.Hour)
	}
	return s.From
}

// id is the same for the same shift: who, in which rotation, from when.
func id(rotation string, from time.Time, person string) string {
	sum := sha256.Sum256([]byte(rotation + "\x00" + person + "\x00" + from.UTC().Format(time.RFC3339)))
	return hex.EncodeToString(sum[:12]) + "@keepwatch"
}
