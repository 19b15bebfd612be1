package reports

import (
	"fmt"
	"strconv"
	"time"
)

// Schema is the version of the JSON of a [Report]. Fields may be added without a new one.
const Schema = 1

// NoData is printed instead of a percentage where nothing was seen.
const NoData = "no data"

// Decision says whether a week met its objective.
type Decision string

// The decisions. NotProven means that the time nobody saw could have broken the objective.
const (
	Met       Decision = "MET"
	Missed    Decision = "MISSED"
	NotProven Decision = "NOT PROVEN"
)

// Report is the frozen facts of one week, and how JSON shows them. All durations
// are whole milliseconds unless the name says seconds; instants are UTC.
type Report struct {
	Schema   int       `json:"schema"`
	Week     string    `json:"week"` // "2026-W47"; "" where Kind is another window
	Zone     string    `json:"zone"` // IANA name
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Revision int       `json:"revision"` // from 1; 0 for a look before the report is written
	// MadeAt is the instant up to which facts were known; before To the week had not ended.
	MadeAt   time.Time       `json:"made_at"`
	Services []ServiceReport `json:"services"`

	// Kind is one of the window kinds; "" is a week, as reports before had none.
	Kind string `json:"kind,omitempty"`
	// Title is how people call the window: "week 2026-W47", "November 2026". "" means the week.
	Title string `json:"title,omitempty"`
	// Final is set when the report was frozen at least a day after its week's end.
	Final bool `json:"final,omitempty"`
	// Hash is the SHA-256 of the facts in hexadecimal; "" before the report is written.
	Hash string `json:"facts_sha256,omitempty"`
	// Engine and TZData are the versions of what computed it.
	Engine string `json:"engine,omitempty"`
	TZData string `json:"tzdata,omitempty"`
	// Changes says in one sentence each what differs from the revision before.
	Changes []string `json:"changes,omitempty"`
	// Note is a free text of the team, Markdown.
	Note   string       `json:"note,omitempty"`
	People []PersonLoad `json:"people,omitempty"` // most pages first
	Drills []Drill      `json:"drills,omitempty"` // pages on purpose, oldest first
}

// week parses the week again, or makes a week of another window's ends; the error is
// one of a report that was not made by [Build].
func (r Report) week() (Week, error) {
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return Week{}, fmt.Errorf("zone of the report: %w", err)
	}
	if r.Kind != "" && r.Kind != KindWeek {
		return Week{Zone: zone, From: r.From, To: r.To}, nil
	}
	return ParseWeek(r.Week, zone)
}

// ServiceReport is the figures of one service. Good, bad, unknown and excluded
// time add up to the week; the listed outages add up to BadMs, the listed gaps to UnknownMs.
type ServiceReport struct {
	Name         string `json:"name"`
	ObjectivePPM int64  `json:"objective_ppm"`
	GoodMs       int64  `json:"good_ms"`
	BadMs        int64  `json:"bad_ms"`
	UnknownMs    int64  `json:"unknown_ms"`
	ExcludedMs   int64  `json:"excluded_ms"`
	// The percentages are floored to two digits ("94.99"; more where the objective
	// has more), or NoData.
	Availability     string `json:"availability"`      // good of good + bad
	Coverage         string `json:"coverage"`          // good + bad of all that is not excluded
	AvailabilityLow  string `json:"availability_low"`  // if unknown time was bad
	AvailabilityHigh string `json:"availability_high"` // if unknown time was good
	// Experienced is the availability with excluded time counted as it was measured.
	Experienced    string   `json:"availability_experienced"`
	BudgetMs       int64    `json:"budget_ms"` // floored
	SpentMs        int64    `json:"spent_ms"`
	RemainingMs    int64    `json:"remaining_ms"`            // negative when overspent
	WorstRemaining int64    `json:"worst_case_remaining_ms"` // if unknown time was bad
	Verdict        Decision `json:"verdict"`

	Outages      []Outage `json:"outages"`
	Gaps         []Gap    `json:"unknown"`
	SoftFailures int      `json:"soft_failures"` // results that were good only after a retry

	Incidents int    `json:"incidents"`         // that began in the week
	Carried   int    `json:"incidents_carried"` // that began before it and lasted into it
	MTTA      *int64 `json:"mtta_s"`            // mean seconds from page to acknowledgement, rounded up; null when none was acknowledged
	Acked     int    `json:"acked"`
	Unacked   int    `json:"unacked"` // of Incidents
	Pages     int    `json:"pages"`   // trigger pages that a channel accepted in the week

	MTTAMedian *int64 `json:"mtta_median_s,omitempty"` // nearest rank, like MTTA
	MTTD       *int64 `json:"mttd_s,omitempty"`        // mean seconds from an outage's start to its page, rounded up
	MTBF       *int64 `json:"mtbf_s,omitempty"`        // good time by number of outages

	Trend      []TrendWeek  `json:"trend,omitempty"`  // weeks before this one, oldest first
	CheckFacts []CheckFacts `json:"checks,omitempty"` // most budget spent first
	Exclusions []Exclusion  `json:"exclusions,omitempty"`
	Users      []UserFacts  `json:"users,omitempty"` // one for each access log of the service
	Noise      []Noise      `json:"noise,omitempty"`

	// What the service was made of, so that its week can be computed again after the
	// configuration has changed. Critical is absent in reports from before they had it.
	Critical  []string `json:"critical,omitempty"`
	Redundant []Group  `json:"redundant,omitempty"`
	DependsOn []string `json:"depends_on,omitempty"`
	// CapMs is how much planned maintenance may be excluded a week.
	CapMs int64 `json:"max_maintenance_ms,omitempty"`
	// Redefined says in one sentence each what the service is counted by otherwise than in
	// the written report of the week before.
	Redefined []string `json:"redefined,omitempty"`
	// Attributed is how much of BadMs fell into bad time of services that this one
	// depends on. It explains, it takes nothing away.
	Attributed []Attribution `json:"attributed,omitempty"`
}

// Outage is one bad stretch of a service, cut at the week's ends.
type Outage struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Ms        int64     `json:"ms"`
	Checks    []string  `json:"checks"`
	Locations []string  `json:"locations"`
	Cause     string    `json:"cause"`    // the first error seen
	Incident  string    `json:"incident"` // its ID, "" when none was opened
	// ContinuesFrom names the week before when the outage began there: it is
	// counted there, and only its time is counted here.
	ContinuesFrom string `json:"continues_from,omitempty"`
	AckBy         string `json:"ack_by,omitempty"`
	AckS          *int64 `json:"ack_s,omitempty"` // seconds from page to acknowledgement, rounded up
	// BecauseOf names the services that this one depends on and that were bad meanwhile.
	BecauseOf []string `json:"because_of,omitempty"`
	DetectS   *int64   `json:"detect_s,omitempty"` // seconds from the outage's start to its page, rounded up
	// ResolvedAt is when its incident was resolved; nil when it was not, or none was opened.
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
	Rule       string     `json:"rule,omitempty"` // the rule that paged, in words; "" when none did
	Note       string     `json:"note,omitempty"` // what people wrote about it, one line; "" when nobody did
}

// Gap is one stretch of unknown time.
type Gap struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Ms    int64     `json:"ms"`
	Cause string    `json:"cause"`
}

// Decide compares in integers: b, u and v are the bad, unknown and eligible
// (not excluded) milliseconds. So it never depends on how a figure is printed.
func Decide(b, u, v int64, objective Percent) Decision {
	allowed := v * (Million - int64(objective)) // at most 7.9 days of ms: far from overflow
	switch {
	case b*Million > allowed:
		return Missed
	case v > 0 && (b+u)*Million <= allowed:
		return Met
	}
	return NotProven
}

// FloorPercent prints part of whole as a percentage with the given decimals (at
// most four), floored: it never flatters. NoData when whole is 0.
func FloorPercent(part, whole int64, decimals int) string {
	if whole <= 0 {
		return NoData
	}
	scale := int64(1)
	for range decimals {
		scale *= 10
	}
	n := part * 100 * scale / whole
	b := strconv.AppendInt(make([]byte, 0, 16), n/scale, 10) // a trend has thousands of them
	if decimals > 0 {
		b = append(b, '.')
		for s := scale / 10; s > 0; s /= 10 {
			b = append(b, byte('0'+n/s%10))
		}
	}
	return string(b)
}
