package oncall

import (
	"fmt"
	"time"
)

// WorkHours are business hours in a zone. Plain texts, so that an incident can
// keep them as they were. The zero value is open always.
type WorkHours struct {
	Zone     string   // IANA name; "" is UTC
	Hours    []string // "Mon-Fri 09:00-17:00", see [Hours]; none = all day
	Holidays []string // local dates without business, "2026-12-25"
}

// searchStretches bounds the search for the next opening.
const searchStretches = 1000

// At reports whether it is business hours at t, and when that changes next, in
// UTC; zero when never within some years. The error says which text is wrong.
func (w WorkHours) At(t time.Time) (open bool, until time.Time, err error) {
	l, err := w.layer()
	if err != nil {
		return false, time.Time{}, err
	}
	on, s := l.duty(t)
	for range searchStretches {
		if s.to.IsZero() {
			return on, time.Time{}, nil
		}
		now, next := l.duty(s.to)
		if now != on {
			return on, s.to.UTC(), nil
		}
		s = next
	}
	return on, time.Time{}, nil
}

func (w WorkHours) layer() (layer, error) {
	var l layer
	var err error
	if l.zone, err = time.LoadLocation(w.Zone); err != nil {
		return l, fmt.Errorf("business hours: %w", err)
	}
	for _, text := range w.Hours {
		var h Hours
		if err := h.UnmarshalText([]byte(text)); err != nil {
			return l, err
		}
		l.hours = append(l.hours, h)
	}
	days := map[int]bool{}
	for _, text := range w.Holidays {
		var d Date
		if err := d.UnmarshalText([]byte(text)); err != nil {
			return l, err
		}
		days[d.dayNumber()] = true
	}
	l.holidays = sortedKeys(days)
	return l, nil
}
