package alerting

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"keepwatch/probe"
)

const (
	// upstreamPatience is how long the first page waits for a look at what the service
	// depends on.
	upstreamPatience = 10 * time.Second
	// upstreamGrace is how long a service may take to recover after what it depends on.
	upstreamGrace = 2 * time.Minute
)

// Upstream is a service that another one cannot work without.
type Upstream struct {
	Service string
	Open    *Incident // nil when it has none
	// WellAt is since when the newest look at each of its checks is good; zero when not all are.
	WellAt time.Time
}

// quiet applies what keeps an open incident from paging, and what does no longer.
func (s Situation) quiet(d *draft) bool {
	inc := &d.change.Incident
	if inc.State != Open || inc.Recovering() {
		return false
	}
	have, want := inc.Hold, s.hold(*inc, d.now)
	if want == have {
		return false
	}
	inc.Hold = want
	switch {
	case want.Kind == "":
		d.entry("released", "", released(have))
		s.begin(d)
	case have.Kind == want.Kind && have.Text == want.Text:
	default:
		d.entry("held", "", want.Text)
	}
	if want.Kind == "" {
		return true
	}
	inc.NextActionAt = time.Time{}
	if want.Kind == HeldBySilence || want.Kind == HeldByCause {
		s.withdraw(d, want.Text)
	}
	return true
}

func released(h Hold) string {
	switch h.Kind {
	case HeldBySilence:
		return "the silence has ended and it still fails: the escalation starts"
	case HeldByCause:
		if strings.HasPrefix(h.Ref, alarmPrefix) {
			return "what was paged for it is over and it still fails: the escalation starts"
		}
		return "what it depends on has recovered and it still fails: the escalation starts"
	case HeldUntilHours:
		return "business hours have begun: the escalation starts"
	case HeldForCause:
	}
	return "nothing that it depends on fails: the escalation starts"
}

// hold says what keeps an open incident from paging now.
func (s Situation) hold(inc Incident, now time.Time) Hold {
	if h := s.silenced(inc, now); h.Kind != "" {
		return h
	}
	if h := s.caused(inc, now); h.Kind != "" {
		return h
	}
	if inc.Severity.LowUrgency() && inc.Policy.Hours != nil {
		open, until, err := inc.Policy.Hours.At(now)
		if err == nil && !open && !until.IsZero() {
			return Hold{Kind: HeldUntilHours, Text: "not urgent: waits for business hours, " + clock(until), Until: until}
		}
	}
	return Hold{}
}

// caused says whether something that the service depends on fails, or did a moment ago.
func (s Situation) caused(inc Incident, now time.Time) Hold {
	if a := s.toldBy(inc); a != nil {
		return heldByAlarm(a)
	}
	for _, up := range s.Upstream {
		if up.Open != nil && !up.Open.Recovering() && up.Open.standsFor(inc) {
			return Hold{Kind: HeldByCause, Ref: up.Open.ID, Text: fmt.Sprintf("caused by %s (%s is failing): nobody is paged for %s", up.Open.ID, up.Service, inc.Service)}
		}
	}
	place, unseen := s.placeOf(inc)
	if place != nil && place.standsFor(inc) {
		return Hold{Kind: HeldByCause, Ref: place.ID, Text: fmt.Sprintf("caused by %s (%s): nobody is paged for %s", place.ID, clip(place.Summary, 200), inc.Service)}
	}
	doubt := unseen || !s.upstreamWell(inc)
	switch h := inc.Hold; {
	case h.Kind == HeldByCause && h.Until.IsZero():
		h.Until = now.Add(upstreamGrace)
		h.Text = fmt.Sprintf("%s is over; if %s still fails at %s, somebody is paged", h.Ref, inc.Service, clock(h.Until))
		return h
	case h.Kind == HeldByCause && now.Before(h.Until):
		return h
	case h.Kind == HeldForCause && now.Before(h.Until) && doubt:
		return h
	case h.Kind == "" && inc.Version == 1 && doubt:
		what := "what it depends on first: " + s.upstreamNames()
		if unseen {
			what = "what else the only location sees that sees it fail"
		}
		return Hold{Kind: HeldForCause, Text: "looking at " + what, Until: now.Add(upstreamPatience)}
	}
	return Hold{}
}

// placeOf says how the location stands from which alone the incident is seen.
func (s Situation) placeOf(inc Incident) (cause *Incident, doubt bool) {
	if s.Place == nil || inc.Alarm != "" || s.blind {
		return nil, false
	}
	location := s.onlyFrom(inc)
	if location == "" {
		return nil, false
	}
	return s.Place(location, inc.Opened)
}

// upstreamWell reports whether all that the service depends on was seen well
// since the incident opened.
func (s Situation) upstreamWell(inc Incident) bool {
	return !slices.ContainsFunc(s.Upstream, func(u Upstream) bool { return u.WellAt.Before(inc.Opened) })
}

func (s Situation) upstreamNames() string {
	var list []string
	for _, u := range s.Upstream {
		list = append(list, u.Service)
	}
	return names(list)
}

// silenced says whether all that fails is silenced now. While the silences of a
// source are not known, after a start, the one in force goes on until its end.
func (s Situation) silenced(inc Incident, now time.Time) Hold {
	var first *Silence
	for _, p := range s.failingPairs(inc) {
		i := slices.IndexFunc(s.Silences, func(v Silence) bool { return v.holds(now) && v.matches(p) })
		if i < 0 {
			first = nil
			break
		}
		if first == nil || s.Silences[i].end().Before(first.end()) {
			first = &s.Silences[i]
		}
	}
	if first != nil {
		return Hold{Kind: HeldBySilence, Ref: first.ID, Text: first.text(), Until: first.end()}
	}
	if h := inc.Hold; h.Kind == HeldBySilence && now.Before(h.Until) && s.Followed != nil {
		source, _, _ := strings.Cut(h.Ref, "/")
		if !s.Followed(source) {
			return h
		}
	}
	return Hold{}
}

// failingPart is one thing that fails, as silences see it.
type failingPart struct{ service, check, location string }

// failingPairs are the checks that fail, with the locations that see it.
func (s Situation) failingPairs(inc Incident) []failingPart {
	if inc.Alarm != "" {
		return []failingPart{{service: inc.Service, check: inc.Alarm}}
	}
	var out []failingPart
	for _, c := range inc.Checks {
		var from []string
		for _, v := range slices.Backward(s.Recent[c]) {
			if v.Outcome == probe.Bad {
				from = v.Failing
				break
			}
		}
		if len(from) == 0 {
			from = []string{""}
		}
		for _, l := range from {
			out = append(out, failingPart{inc.Service, c, l})
		}
	}
	return out
}

func (v Silence) end() time.Time {
	if !v.Ended.IsZero() && v.Ended.Before(v.To) {
		return v.Ended
	}
	return v.To
}

func (v Silence) holds(now time.Time) bool { return !now.Before(v.From) && now.Before(v.end()) }

// matches reports whether every matcher that is set fits. A silence without any fits nothing.
func (v Silence) matches(p failingPart) bool {
	any := false
	for _, m := range [][2]string{{v.Service, p.service}, {v.Check, p.check}, {v.Location, p.location}} {
		if m[0] == "" {
			continue
		}
		any = true
		if ok, err := path.Match(m[0], m[1]); err != nil || !ok {
			return false
		}
	}
	return any
}

func (v Silence) text() string {
	text := "silenced by " + v.By
	if v.Reason != "" {
		text += ": " + v.Reason
	}
	return text + ", until " + clock(v.end())
}
