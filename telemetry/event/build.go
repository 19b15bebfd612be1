package event

import (
	"math"
	"net"
	"net/url"
	"strconv"
	"time"

	"keepwatch/probe"
)

// FromResult makes the KeepwatchCheck event of a slot's result. The attribute
// names are those of New Relic's SyntheticCheck and SyntheticRequest where they exist.
func FromResult(r probe.Result, t Target) Event {
	e := Event{
		ID:   id(TypeCheck, r.Check, r.Location, strconv.FormatInt(r.Slot.UnixNano(), 10)),
		Type: TypeCheck,
		At:   r.Started.UTC(),
	}
	if r.Started.IsZero() { // a slot that never ran
		e.At = r.Slot.UTC()
	}
	l := r.Look
	var o object
	o.text("id", e.ID)
	o.text("monitorId", r.Check)
	o.text("monitorName", r.Check)
	o.text("monitorType", t.Kind)
	o.text("location", r.Location)
	o.text("locationLabel", r.Location)
	o.text("result", verdict(r.Outcome))
	o.text("error", l.Fault.Message)
	o.text("failureClass", string(l.Fault.Class))
	o.text("failurePhase", l.Fault.Phase)
	o.text("failureStep", l.Fault.Step)
	o.text("cause", r.Cause)
	o.flag("suspect", r.Cause == "suspect")
	o.ms("schedulerLag", r.Lag)
	o.count("attempts", int64(r.Attempts))
	o.ms("duration", l.Latency)
	o.ms("durationDNS", l.Phases.DNS)
	o.ms("durationConnect", l.Phases.Connect)
	o.ms("durationSSL", l.Phases.TLS)
	o.ms("durationWait", l.Phases.FirstByte)
	o.ms("durationReceive", l.Phases.Transfer)
	address(&o, t)
	if l.Code != 0 {
		o.count("responseCode", int64(l.Code))
	}
	o.count("responseBodySize", l.Bytes)
	o.text("serverIPAddress", hostOnly(l.RemoteAddr))
	if !l.CertNotAfter.IsZero() {
		o.count("sslCertificateExpirationDaysRemaining", int64(math.Floor(l.CertNotAfter.Sub(e.At).Hours()/24)))
	}
	o.instant("slot", r.Slot)
	e.Attrs = o.done()
	return e
}

// address writes where a check looks, without user names, passwords, queries
// and fragments: they may hold tokens.
func address(o *object, t Target) {
	if u, err := url.Parse(t.Address); err == nil && u.Host != "" {
		clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
		o.text("URL", clean.String())
		o.text("host", u.Hostname())
		o.text("port", u.Port())
		return
	}
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		o.text("host", t.Address)
		return
	}
	o.text("host", host)
	o.text("port", port)
}

func hostOnly(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

func verdict(o probe.Outcome) string {
	switch o {
	case probe.Good:
		return "SUCCESS"
	case probe.Bad:
		return "FAILED"
	case probe.Unknown:
	}
	return "UNKNOWN"
}

// FromMinute makes the KeepwatchCheckMinute event.
func FromMinute(m Minute) Event {
	e := Event{
		ID:   id(TypeCheckMinute, m.Check, m.Location, strconv.FormatInt(m.Minute.Unix(), 10)),
		Type: TypeCheckMinute,
		At:   m.Minute.UTC(),
	}
	var o object
	o.text("monitorId", m.Check)
	o.text("monitorName", m.Check)
	o.text("location", m.Location)
	o.text("locationLabel", m.Location)
	o.instant("minute", m.Minute)
	o.count("total", int64(m.Total))
	o.count("good", int64(m.Good))
	o.count("bad", int64(m.Bad))
	o.count("unknown", int64(m.Unknown))
	o.count("suspect", int64(m.Suspect))
	if m.Good+m.Bad > 0 {
		o.ms("durationMin", m.Min)
		o.ms("durationAvg", m.Avg)
		o.ms("durationP95", m.P95)
		o.ms("durationMax", m.Max)
	}
	o.text("firstError", m.FirstError)
	o.count("rawDropped", int64(m.RawDropped))
	e.Attrs = o.done()
	return e
}

// FromTransition makes the KeepwatchIncident event of a timeline entry. Durations
// are up to this entry, so a replay long after says the same.
func FromTransition(t Transition) Event {
	e := Event{
		ID:   id(TypeIncident, t.Incident, strconv.FormatInt(t.Seq, 10)),
		Type: TypeIncident,
		At:   t.At.UTC(),
	}
	var o object
	o.text("event", incidentWord(t.Kind))
	o.text("incidentId", t.Incident)
	o.text("title", t.Summary)
	o.text("description", t.Text)
	o.text("priority", "critical")
	o.text("conditionName", t.Service)
	o.text("policyName", t.Policy)
	o.text("targetName", t.Service)
	o.text("assignee", t.Person)
	o.count("escalationLevel", int64(t.Level))
	o.count("sequence", t.Seq)
	o.instant("openTime", t.Opened)
	if !t.Opened.IsZero() {
		o.seconds("durationSeconds", max(t.At.Sub(t.Opened), 0))
	}
	if acked := t.Acknowledged; !acked.IsZero() && !acked.After(t.At) && !t.Opened.IsZero() {
		o.seconds("timeToAckSeconds", max(acked.Sub(t.Opened), 0))
	}
	if !t.Resolved.IsZero() && !t.Resolved.After(t.At) {
		o.instant("closeTime", t.Resolved)
	}
	e.Attrs = o.done()
	return e
}

// incidentWord translates our timeline into NrAiIncident's words where they exist.
func incidentWord(kind string) string {
	switch kind {
	case "opened":
		return "open"
	case "acknowledged":
		return "acknowledge"
	case "escalated":
		return "escalate"
	case "resolved":
		return "close"
	}
	return kind
}

// FromHeartbeat makes the KeepwatchHeartbeat event; there is one a minute and location.
func FromHeartbeat(h Heartbeat) Event {
	minute := h.At.UTC().Truncate(time.Minute)
	e := Event{
		ID:   id(TypeHeartbeat, h.Location, strconv.FormatInt(minute.Unix(), 10)),
		Type: TypeHeartbeat,
		At:   h.At.UTC(),
	}
	var o object
	o.text("location", h.Location)
	o.text("version", h.Version)
	o.ms("schedulerLagP99", h.SchedulerLagP99)
	o.ms("dbLatency", h.DBLatency)
	o.ms("clockOffsetMs", h.ClockOffset)
	o.count("outboxPending", int64(h.OutboxPending))
	o.count("eventsResent", h.EventsResent)
	o.count("eventsExpired", h.EventsExpired)
	e.Attrs = o.done()
	return e
}

// FromReport makes the KeepwatchReport event; each revision is one of its own.
func FromReport(r Report) Event {
	e := Event{
		ID:   id(TypeReport, r.SLO, r.Week, strconv.Itoa(r.Revision)),
		Type: TypeReport,
		At:   r.At.UTC(),
	}
	var o object
	o.text("sloName", r.SLO)
	o.text("week", r.Week)
	o.count("revision", int64(r.Revision))
	o.text("verdict", r.Verdict)
	o.number("availability", r.Availability)
	o.number("objective", r.Objective)
	o.number("budgetRemaining", r.BudgetRemaining)
	o.number("coverage", r.Coverage)
	o.count("total", r.Total)
	o.count("good", r.Good)
	o.seconds("downtimeSeconds", r.Downtime)
	o.count("incidents", int64(r.Incidents))
	e.Attrs = o.done()
	return e
}
