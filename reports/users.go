package reports

import "time"

// UserMinute is what visitors saw in the minute that begins at At.
type UserMinute struct {
	At      time.Time // UTC, a whole minute
	Good    int64     // requests that were answered well
	Valid   int64     // requests that say something about the service
	Skipped int64     // lines that could not be read
}

// UserLog is what one access log of a service tells of a window, oldest minute first.
type UserLog struct {
	Source  string // name of the access log in the configuration
	Minutes []UserMinute
}

const (
	// tellingRequests is how many valid requests a minute needs to speak for visitors.
	tellingRequests = 20
	// badShare of a minute's valid requests, in parts per million: more than it make
	// the minute bad for visitors.
	badShare = 100_000
)

// CompareUsers holds what visitors saw in [from, to) against the spans of their
// service, minute by minute. For visitors a minute was bad when more than a tenth
// of at least 20 valid requests were; for the probes when at least half of what was
// judged of it was. Minutes of which more than half is unknown or excluded are in no
// cell of the table, and quiet ones are counted as such. R counts every valid request.
func CompareUsers(log UserLog, spans []Span, from, to time.Time) UserFacts {
	f := UserFacts{Source: log.Source}
	at := 0
	for _, m := range log.Minutes {
		if m.At.Before(from) || !m.At.Before(to) {
			continue
		}
		f.Good += m.Good
		f.Valid += m.Valid
		f.SkippedLines += m.Skipped
		for at < len(spans) && !spans[at].To.After(m.At) {
			at++
		}
		f.count(m, minuteVerdict(spans[at:], m.At))
	}
	f.Availability = FloorPercent(f.Good, f.Valid, 2)
	return f
}

// count puts one minute into the table.
func (f *UserFacts) count(m UserMinute, probes Verdict) {
	if m.Valid < tellingRequests {
		if m.Valid > 0 {
			f.QuietMinutes++
		}
		return
	}
	if probes != Good && probes != Bad {
		return
	}
	f.Minutes++
	usersBad := (m.Valid-m.Good)*Million > m.Valid*badShare
	switch {
	case probes == Good && !usersBad:
		f.AgreeGood++
	case probes == Bad && usersBad:
		f.AgreeBad++
	case usersBad:
		f.BlindMinutes++
	default:
		f.ProbeOnlyMinutes++
	}
}

// minuteVerdict is what the probes made of the minute at at: Unknown unless at
// least half of it was judged, and then Bad when at least half of that was bad.
// spans begins with the first that ends after at.
func minuteVerdict(spans []Span, at time.Time) Verdict {
	var sums [4]int64
	end := at.Add(time.Minute)
	for _, s := range spans {
		c, ok := s.clip(at, end)
		if !ok {
			break
		}
		sums[c.Verdict] += c.Ms()
	}
	judged := sums[Good] + sums[Bad]
	switch {
	case 2*judged < time.Minute.Milliseconds():
		return Unknown
	case sums[Bad] >= sums[Good]:
		return Bad
	}
	return Good
}
