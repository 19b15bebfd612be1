package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/steady"
	"keepwatch/telemetry"
	"keepwatch/web"
)

// Health implements web.Source: one line a concern, each with what to do.
func (d *daemon) Health(context.Context) []web.Line {
	now := d.now()
	lines := []web.Line{d.databaseLine(), d.recordingLine(now), d.ledgerLine(), d.probingLine(), d.pagingLine(now)}
	if l, ok := d.host.line(); ok {
		lines = append(lines, l)
	}
	if l, ok := d.pagerDutyLine(now); ok {
		lines = append(lines, l)
	}
	st := d.reloaded.Load()
	if st.err != nil {
		lines = append(lines, web.Line{
			Name: "config", Level: web.Amber,
			Text: fmt.Sprintf("the reload at %s was refused, the old configuration stays in force: %s", st.at.UTC().Format(time.RFC3339), firstLine(st.err)),
		})
	}
	if len(st.later) > 0 {
		lines = append(lines, web.Line{Name: "config", Level: web.Amber, Text: "in force only after a restart: " + strings.Join(st.later, ", ")})
	}
	if l, ok := d.burns.Line(); ok {
		lines = append(lines, l)
	}
	lines = append(lines, d.reportLines()...)
	if text := d.auditor.trouble(); text != "" {
		lines = append(lines, web.Line{Name: "dead-man's switch", Level: web.Amber, Text: text})
	}
	lines = append(lines, d.dutyLines()...)
	if n := len(d.present.Load().Warnings); n > 0 {
		lines = append(lines, web.Line{Name: "config", Level: web.OK, Text: fmt.Sprintf("%d warnings; keepwatch validate prints them", n)})
	}
	if d.newrelic != nil && !d.newrelic.Connected() {
		lines = append(lines, web.Line{Name: "new relic", Level: web.Amber, Text: "not connected; events wait in the database and are sent later"})
	}
	return lines
}

func (d *daemon) reloadGood() bool { return d.reloaded.Load().err == nil }

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (d *daemon) databaseLine() web.Line {
	ready, problem := d.database.state()
	if ready {
		if _, offset := d.database.clock(); offset.Abs() > time.Second {
			return web.Line{
				Name: "database", Level: web.Amber,
				Text: fmt.Sprintf("its clock differs by %s from the time that Keepwatch goes by: set both machines by NTP, or escalations after a restart come early or late", steady.Signed(offset)),
			}
		}
		return web.Line{Name: "database", Level: web.OK, Text: "answers"}
	}
	return web.Line{
		Name: "database", Level: web.Red, NotReady: true,
		Text: "away: " + problem + "; probes and pages go on, results and pages wait in the spool",
	}
}

func (d *daemon) recordingLine(now time.Time) web.Line {
	st := d.recorder.State()
	l := web.Line{Name: "recording", Level: web.OK, Text: fmt.Sprintf("%d results stored, %d waiting", st.Stored, st.Pending)}
	switch {
	case st.Lost > 0:
		l.Level, l.Text = web.Red, fmt.Sprintf("%d results were lost: %s", st.Lost, st.LastError)
	case st.Refused > 0:
		l.Level, l.Text = web.Red, fmt.Sprintf("%d results were refused by the database: %s", st.Refused, st.LastError)
	case !st.AwaySince.IsZero() && now.Sub(st.AwaySince) > 10*time.Second:
		l.Level, l.Text = web.Amber, fmt.Sprintf("%d results wait in the spool, for %s now: %s", st.Pending, now.Sub(st.AwaySince).Round(time.Second), st.LastError)
	}
	return l
}

func (d *daemon) probingLine() web.Line {
	st := d.runner.Stats()
	l := web.Line{Name: "probing", Level: web.OK, Text: fmt.Sprintf("%d checks, %d slots missed since start", len(d.present.Load().Checks), st.Missed+st.Late)}
	if blind := d.engine.Snapshot().Blind; len(blind) > 0 {
		l.Level, l.Text = web.Red, "monitoring is blind since "+blind[0].Started.UTC().Format(time.RFC3339)+": "+blind[0].Summary
	}
	if time.Since(d.started) < 2*time.Second {
		l.NotReady = true
	}
	return l
}

func (d *daemon) pagingLine(now time.Time) web.Line {
	if !d.leader.Leads() {
		if ready, _ := d.database.state(); !ready {
			return web.Line{Name: "paging", Level: web.OK, Text: "stand-by: another daemon led when the database was last asked"}
		}
		return web.Line{Name: "paging", Level: web.OK, Text: "stand-by: another daemon leads"}
	}
	problems := d.pagingProblems(now)
	if len(problems) > 0 {
		return web.Line{Name: "paging", Level: web.Red, Text: strings.Join(problems, "; ")}
	}
	st := d.deliverer.Stats()
	return web.Line{Name: "paging", Level: web.OK, Text: fmt.Sprintf("leading; %d pages accepted, %d attempts repeated, %d fallbacks", st.Accepted, st.Retried, st.Fallbacks)}
}

// pagingProblems says what keeps pages from being sent in time.
func (d *daemon) pagingProblems(now time.Time) []string {
	// What somebody can mend comes first: the rest may follow from it.
	problems := append(d.deliverer.Problems(now), d.engine.Overdue(now)...)
	if st := d.failover.State(); st.Mode == alerting.OnMemory {
		problems = append(problems, "neither the database nor the spool takes pages; they are sent from memory and would not survive a restart: free disk space under data_dir")
	}
	if p := d.backlog.problem(now); p != "" {
		problems = append(problems, p)
	}
	if d.spoolBad != "" {
		problems = append(problems, d.spoolBad)
	}
	if r := d.routing(d.present.Load()); r.Channel == "" && len(r.Fallback) == 0 && d.somebodyExpectsPages() {
		problems = append(problems, "nobody can be paged: set pagerduty.routing_key or a fallback channel")
	}
	return problems
}

// audited is what must be well for the dead-man's switch to be told so.
func (d *daemon) audited(now time.Time) []string {
	problems := d.pagingProblems(now)
	if blind := d.engine.Snapshot().Blind; len(blind) > 0 {
		problems = append(problems, blind[0].Summary)
	}
	return problems
}

// deadman returns how the outside is told that all is well; nil when nobody is.
func (d *daemon) deadman() (ping func(context.Context) error, every time.Duration) {
	cfg := d.present.Load().Deadman
	if cfg == nil {
		return nil, 0
	}
	return cfg.Ping, cfg.Every
}

// somebodyExpectsPages reports whether any service names an escalation.
func (d *daemon) somebodyExpectsPages() bool {
	return slices.ContainsFunc(d.present.Load().Services, func(s config.Service) bool { return s.Escalation != "" })
}

// gauges are read at each scrape.
func (d *daemon) gauges() telemetry.Gauges {
	return d.ledgerGauges(telemetry.Gauges{
		OutboxPending: func() float64 {
			pages, _ := d.backlog.now(d.now())
			return float64(pages)
		},
		OutboxOldest: func() float64 {
			_, oldest := d.backlog.now(d.now())
			return oldest.Seconds()
		},
		Degraded:     func() float64 { return number(d.failover.State().Mode != alerting.OnPrimary) },
		Leader:       func() float64 { return number(d.leader.Leads()) },
		ReloadOK:     func() float64 { return number(d.reloadGood()) },
		ReloadTime:   func() float64 { return float64(d.reloaded.Load().good.UnixMilli()) / 1000 },
		SchedulerLag: func() float64 { return d.runner.Stats().OwnLag.Seconds() },
		ClockOffset: func() float64 {
			_, offset := d.database.clock()
			return offset.Seconds()
		},
		MissedSlots:   func() float64 { return float64(d.runner.Stats().Missed + d.runner.Stats().Late) },
		ClockSteps:    func() float64 { return float64(d.host.count()) },
		IncidentsOpen: func() float64 { return float64(d.countIncidents(alerting.Open)) },
		IncidentsAcked: func() float64 {
			return float64(d.countIncidents(alerting.Acknowledged))
		},
	})
}

func (d *daemon) countIncidents(state alerting.State) int {
	n := 0
	for _, s := range d.engine.Snapshot().Services {
		if s.Open != nil && s.Open.State == state {
			n++
		}
	}
	return n
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
