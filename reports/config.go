package reports

import (
	"errors"
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// Config says in which zone weeks are counted, and when and to whom the report of
// a week goes.
type Config struct {
	// TimeZone is the IANA zone in which a week begins on Monday 00:00. Default: UTC. Example: America/Los_Angeles.
	TimeZone *time.Location `yaml:"time_zone"`
	// Send is the local weekday and time at which the report of the ended week is written and sent,
	// never before the week's end + 15 minutes. Default: Monday 09:00.
	Send SendTime `yaml:"send"`
	// To are the e-mail addresses that get the report. Default: none; the report is written all the same. Example: [team@example.com].
	To []string `yaml:"to"`
	// MaxMaintenance is how much planned maintenance of a service may be left out of a week; what goes beyond it counts.
	// From 1m to 168h. Default: 4h. Example: 2h.
	MaxMaintenance time.Duration `yaml:"max_maintenance"`
}

// GroupConfig is checks that stand in for each other.
type GroupConfig struct {
	// Need is how many of them must be good, from 1 to their number. Default: 1.
	Need int `yaml:"need"`
	// Of are the names of the checks, at least two. None may be critical by itself or in another group. Example: [mirror-a, mirror-b].
	Of []string `yaml:"of"`
}

// SetDefaults fills what was left out.
func (c *GroupConfig) SetDefaults() {
	if c.Need == 0 {
		c.Need = 1
	}
}

// Validate reports every mistake with its path inside the block.
func (c GroupConfig) Validate(report func(path, msg string)) {
	switch {
	case len(c.Of) < 2:
		report("of", "redundant checks are at least two (put a single one into critical)")
	case c.Need < 1 || c.Need > len(c.Of):
		report("need", fmt.Sprintf("%d of %d checks cannot be needed (write a number from 1 to %d)", c.Need, len(c.Of), len(c.Of)))
	}
}

// maxMaintenance is a week: more cannot be left out of one.
const maxMaintenance = 168 * time.Hour

// SetDefaults fills what was left out.
func (c *Config) SetDefaults() {
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
	}
	if !c.Send.Set {
		c.Send = SendTime{Weekday: time.Monday, Hour: 9, Set: true}
	}
	if c.MaxMaintenance == 0 {
		c.MaxMaintenance = 4 * time.Hour
	}
}

// Validate reports every mistake with its path inside the block.
func (c Config) Validate(report func(path, msg string)) {
	if c.MaxMaintenance < time.Minute || c.MaxMaintenance > maxMaintenance {
		report("max_maintenance", fmt.Sprintf("%s is not from 1m to 168h (4h is the default)", c.MaxMaintenance))
	}
	for i, to := range c.To {
		if a, err := mail.ParseAddress(to); err != nil || a.Address != to {
			report(fmt.Sprintf("to[%d]", i), fmt.Sprintf("%q is not an e-mail address (write it like team@example.com)", to))
		}
	}
}

// SendTime is a weekday and a local time. The zero value means not set.
type SendTime struct {
	Weekday      time.Weekday
	Hour, Minute int
	Set          bool
}

// String returns "Monday 09:00", and "" for the zero value.
func (s SendTime) String() string {
	if !s.Set {
		return ""
	}
	return fmt.Sprintf("%s %02d:%02d", s.Weekday, s.Hour, s.Minute)
}

// UnmarshalText reads "Monday 09:00" or "mon 9:00".
func (s *SendTime) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a weekday and time (write it like Monday 09:00)", text)
	day, clock, ok := strings.Cut(string(text), " ")
	if !ok {
		return bad
	}
	t, err := time.Parse("15:04", strings.TrimSpace(clock))
	if err != nil {
		return bad
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(day, d.String()) || strings.EqualFold(day, d.String()[:3]) {
			*s = SendTime{Weekday: d, Hour: t.Hour(), Minute: t.Minute(), Set: true}
			return nil
		}
	}
	return bad
}

// Million is the parts per million of a whole: 100 %.
const Million = 1_000_000

// errPercent says how a percentage is written.
var errPercent = errors.New("is not a percentage (write it like 95% or 99.95%, from 0% to 100% with at most four decimals)")

// UnmarshalText reads "95%", "99.9%" or "99.9999 %", exactly.
func (p *Percent) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q %w", text, errPercent)
	number, ok := strings.CutSuffix(string(text), "%")
	if !ok {
		return bad
	}
	whole, decimals, dotted := strings.Cut(strings.TrimSuffix(number, " "), ".")
	if len(whole) == 0 || len(whole) > 3 || len(decimals) > 4 || (dotted && decimals == "") {
		return bad
	}
	digits := whole + decimals + "0000"[len(decimals):]
	for _, c := range digits {
		if c < '0' || c > '9' {
			return bad
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > Million {
		return bad
	}
	*p = Percent(n)
	return nil
}

// String returns "95%" or "99.95%", with no more decimals than needed.
func (p Percent) String() string {
	s := fmt.Sprintf("%d.%04d", int64(p)/10_000, int64(p)%10_000)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"
}

// decimals is how many decimals the percentage needs, at least two: a figure floored
// to as many can never contradict the verdict.
func (p Percent) decimals() int {
	switch {
	case p%100 == 0:
		return 2
	case p%10 == 0:
		return 3
	}
	return 4
}
