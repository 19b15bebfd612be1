package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sum is the SHA-256, in hexadecimal, of the service's facts: of what was measured
// and counted, not of names of causes, notes or trends. Equal facts have equal sums
// whatever computed them.
func (r *ServiceReport) Sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "service %q %d\n", r.Name, r.ObjectivePPM)
	fmt.Fprintf(h, "time %d %d %d %d\n", r.GoodMs, r.BadMs, r.UnknownMs, r.ExcludedMs)
	fmt.Fprintf(h, "experienced %s soft %d\n", r.Experienced, r.SoftFailures)
	for _, o := range r.Outages {
		fmt.Fprintf(h, "outage %d %d %q\n", o.From.UnixMilli(), o.To.UnixMilli(), o.Incident)
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(h, "gap %d %d\n", g.From.UnixMilli(), g.To.UnixMilli())
	}
	for _, x := range r.Exclusions {
		fmt.Fprintf(h, "exclusion %d %d\n", x.ID, x.CountedMs)
	}
	for _, u := range r.Users {
		fmt.Fprintf(h, "users %q %d %d\n", u.Source, u.Good, u.Valid)
	}
	fmt.Fprintf(h, "incidents %d %d %d %d %d %s\n", r.Incidents, r.Carried, r.Acked, r.Unacked, r.Pages, optional(r.MTTA))
	return hex.EncodeToString(h.Sum(nil))
}

func optional(n *int64) string {
	if n == nil {
		return "none"
	}
	return strconv.FormatInt(*n, 10)
}

// factsSum is the sum over a report: its window, the sums of its services and its drills.
func factsSum(r Report) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s %d %d\n", r.Kind, r.Week, r.Zone, r.From.UnixMilli(), r.To.UnixMilli())
	for i := range r.Services {
		_, _ = io.WriteString(h, r.Services[i].Sum()+"\n") // a hash never fails
	}
	for _, d := range r.Drills { // none in reports from before they had them
		fmt.Fprintf(h, "drill %d %q\n", d.At.Unix(), d.Result)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// FactsSum is the sum of a report's facts, also of one from before reports carried it.
func (r Report) FactsSum() string {
	if r.Kind == "" {
		r.Kind = KindWeek
	}
	return factsSum(r)
}

// changes says in one sentence each what differs between two revisions.
func changes(before, now Report) []string {
	var out []string
	old := map[string]*ServiceReport{}
	for i := range before.Services {
		old[before.Services[i].Name] = &before.Services[i]
	}
	for i := range now.Services {
		s := &now.Services[i]
		was := old[s.Name]
		delete(old, s.Name)
		if was == nil {
			out = append(out, s.Name+" is new in this revision.")
			continue
		}
		if diff := differences(was, s); len(diff) > 0 {
			out = append(out, s.Name+": "+strings.Join(diff, ", ")+".")
		}
	}
	for i := range before.Services {
		if name := before.Services[i].Name; old[name] != nil {
			out = append(out, name+" is no longer in the report.")
		}
	}
	return append(out, drillChanges(before, now)...)
}

// differences names each figure that is not what it was.
func differences(was, is *ServiceReport) []string {
	var out []string
	span := func(name string, a, b int64) {
		if a != b {
			out = append(out, name+" "+Clock(a, true)+" → "+Clock(b, true))
		}
	}
	count := func(name string, a, b int64) {
		if a != b {
			out = append(out, fmt.Sprintf("%s %d → %d", name, a, b))
		}
	}
	text := func(name, a, b string) {
		if a != b {
			out = append(out, name+" "+a+" → "+b)
		}
	}
	text("verdict", string(was.Verdict), string(is.Verdict))
	text("availability", was.Availability, is.Availability)
	span("downtime", was.BadMs, is.BadMs)
	span("unknown time", was.UnknownMs, is.UnknownMs)
	span("excluded time", was.ExcludedMs, is.ExcludedMs)
	text("experienced availability", was.Experienced, is.Experienced)
	count("outages", int64(len(was.Outages)), int64(len(is.Outages)))
	count("soft failures", int64(was.SoftFailures), int64(is.SoftFailures))
	count("incidents", int64(was.Incidents), int64(is.Incidents))
	count("carried incidents", int64(was.Carried), int64(is.Carried))
	count("acknowledged", int64(was.Acked), int64(is.Acked))
	count("pages", int64(was.Pages), int64(is.Pages))
	text("seconds to acknowledgement", optional(was.MTTA), optional(is.MTTA))
	out = append(out, newExclusions(was, is)...)
	for i, u := range is.Users {
		if i < len(was.Users) && was.Users[i].Source == u.Source {
			count("requests of "+u.Source, was.Users[i].Valid, u.Valid)
		} else {
			out = append(out, "requests of "+u.Source+" are counted")
		}
	}
	if len(out) == 0 && was.Sum() != is.Sum() {
		out = append(out, "outages, gaps or footnotes lie elsewhere with the same sums")
	}
	return out
}

// newExclusions names what was declared, or counts otherwise than it did.
func newExclusions(was, is *ServiceReport) []string {
	var out []string
	for _, x := range is.Exclusions {
		at := slices.IndexFunc(was.Exclusions, func(o Exclusion) bool { return o.ID == x.ID })
		if at >= 0 && was.Exclusions[at].CountedMs == x.CountedMs {
			continue
		}
		who := fmt.Sprintf("maintenance %d by %s", x.ID, x.Author)
		if x.Kind == Correction {
			who = fmt.Sprintf("correction %d by %s, approved by %s,", x.ID, x.Author, x.Approver)
		}
		out = append(out, fmt.Sprintf("%s leaves out %s: %s", who, Clock(x.CountedMs, true), strings.TrimRight(x.Reason, ".")))
	}
	return out
}

// Fingerprint tells apart rules of a zone: the first eight digits of the SHA-256 of
// its changes of offset from 2000 to 2037. Two machines with other versions of the
// zones' rules that agree on this zone have the same one.
func Fingerprint(zone *time.Location) string {
	h := sha256.New()
	end := time.Date(2037, 1, 1, 0, 0, 0, 0, time.UTC)
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	offset := -1 << 30
	for at.Before(end) {
		t := at.In(zoneOr(zone))
		if _, o := t.Zone(); o != offset {
			offset = o
			fmt.Fprintf(h, "%d %d\n", at.Unix(), o)
		}
		_, next := t.ZoneBounds()
		if next.IsZero() {
			break
		}
		at = later(next, at.Add(time.Hour)) // see firstInstant: an end may lie behind
	}
	return hex.EncodeToString(h.Sum(nil))[:8]
}
