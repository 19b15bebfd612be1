package reports

import "time"

// The kinds of window that a report can be about.
const (
	KindWeek    = "week"    // an ISO week: the only kind that is frozen
	KindDay     = "day"     // a local day
	KindMonth   = "month"   // a local calendar month
	KindQuarter = "quarter" // three local calendar months
	KindRolling = "rolling" // the last 7, 28 or 30 days, in local days
	KindCustom  = "custom"  // from and to as asked for
)

// TrendWeek is one of the weeks before, as it was frozen, or folded anew when it
// never was.
type TrendWeek struct {
	Week         string   `json:"week"`         // "2026-W46"
	Availability string   `json:"availability"` // as in ServiceReport
	Coverage     string   `json:"coverage"`
	Verdict      Decision `json:"verdict"`
	ObjectivePPM int64    `json:"objective_ppm"`
	GoodMs       int64    `json:"good_ms"`
	BadMs        int64    `json:"bad_ms"`
	UnknownMs    int64    `json:"unknown_ms"`
	ExcludedMs   int64    `json:"excluded_ms"`
	Revision     int      `json:"revision"` // 0: it was never frozen
}

// CheckFacts is what one critical check did in the window.
type CheckFacts struct {
	Name      string `json:"name"`
	GoodMs    int64  `json:"good_ms"`
	BadMs     int64  `json:"bad_ms"`
	UnknownMs int64  `json:"unknown_ms"`
	// SpentMs is the service's budget that went while this check was bad; where
	// several were bad at once each of them has it, so the sum may exceed the whole.
	SpentMs      int64          `json:"spent_ms"`
	SoftFailures int            `json:"soft_failures"`
	Latency      Latency        `json:"latency"`
	LastWeek     Latency        `json:"latency_last_week"`
	Locations    []LocationFact `json:"locations"`
}

// Latency is the nearest rank of good looks, in microseconds; all are 0 when N is.
type Latency struct {
	N   int64 `json:"n"`
	P50 int64 `json:"p50_us"`
	P95 int64 `json:"p95_us"`
	P99 int64 `json:"p99_us"`
}

// LocationFact is what a check looked like from one location.
type LocationFact struct {
	Location  string `json:"location"`
	GoodMs    int64  `json:"good_ms"`
	BadMs     int64  `json:"bad_ms"`
	UnknownMs int64  `json:"unknown_ms"`
	// SuspectMs is time that was bad here only, while the check was good: the
	// network between is suspected.
	SuspectMs int64 `json:"suspect_ms"`
}

// The kinds of excluded time.
const (
	Planned    = "planned"    // declared before it began
	Correction = "correction" // declared later, with an approver
)

// Exclusion is time that does not count, as the report's footnotes show it.
type Exclusion struct {
	ID         int64     `json:"id"`
	Service    string    `json:"service"`
	Kind       string    `json:"kind"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	DeclaredAt time.Time `json:"declared_at"`
	Author     string    `json:"author"`
	Approver   string    `json:"approver,omitempty"`
	Reason     string    `json:"reason"`
	// Cancelled is when somebody took it back: a window ends then, a correction never
	// was. Zero when nobody did.
	Cancelled time.Time `json:"cancelled_at,omitzero"`
	// CountedMs is how much of it was excluded in this window, after the cap.
	CountedMs int64 `json:"counted_ms"`
	// Note says why less was excluded than declared; "" when all was.
	Note string `json:"note,omitempty"`
}

// PersonLoad is what the window asked of one person. Several pages of one
// incident within 60 s are one interruption; mail is none.
type PersonLoad struct {
	Person     string `json:"person"` // key of people
	Name       string `json:"name"`
	Pages      int    `json:"pages"`
	OutOfHours int    `json:"pages_out_of_hours"` // outside Monday to Friday 08:00 to 18:00 in the person's zone
	Sleep      int    `json:"pages_asleep"`       // between 22:00 and 07:00 in the person's zone
	Acked      int    `json:"acked"`
	Unacked    int    `json:"unacked"` // incidents that paged this person and that nobody acknowledged
	MTTA       *int64 `json:"mtta_s"`  // of the acked ones, rounded up; null when none was
	OnCallMs   int64  `json:"on_call_ms"`
}

// UserFacts compares what visitors saw with what the probes saw, minute by
// minute. A minute speaks for visitors from 20 valid requests on.
type UserFacts struct {
	Source           string `json:"source"` // name of the access log in the configuration
	Good             int64  `json:"good"`
	Valid            int64  `json:"valid"`
	Availability     string `json:"availability"`       // good of valid, floored; NoData when none was valid
	Minutes          int    `json:"minutes"`            // with a verdict of both
	AgreeGood        int    `json:"agree_good_minutes"` // both good
	AgreeBad         int    `json:"agree_bad_minutes"`  // both bad
	BlindMinutes     int    `json:"blind_minutes"`      // probes good, visitors bad
	ProbeOnlyMinutes int    `json:"probe_only_minutes"` // probes bad, visitors good
	QuietMinutes     int    `json:"quiet_minutes"`      // too few requests to tell
	SkippedLines     int64  `json:"skipped_lines"`      // lines that could not be read
}

// Noise is a page without a bad slot behind it.
type Noise struct {
	Incident string    `json:"incident"`
	At       time.Time `json:"at"`
	Summary  string    `json:"summary"`
}

// Attribution is bad time that fell into bad time of another service.
type Attribution struct {
	Service string `json:"service"`
	Ms      int64  `json:"ms"`
}

// Group is redundant checks: Need of them must be good for the service to be good.
type Group struct {
	Need int      `json:"need"`
	Of   []string `json:"of"`
}
