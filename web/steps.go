package web

import (
	"fmt"
	"time"

	"keepwatch/probe"
)

// The picture of a journey is 1000 wide whatever it took; one step is a row.
const chartWidth = 1000

// chartStep is a step of a journey as the pages draw it.
type chartStep struct {
	probe.StepLook
	Number int
	State  string // up, down, unknown: the colours of the page
	Bars   []chartBar
	Label  string // what the bars show, for those who do not see them
}

// chartBar is one phase of a step.
type chartBar struct {
	Phase    string // dns, connect, tls, first_byte, transfer
	X, Width int    // of chartWidth
}

// chart lays the steps of a journey out in time; nil when there are none.
func chart(look probe.Look) []chartStep {
	whole := time.Duration(1)
	for _, s := range look.Steps {
		whole = max(whole, s.Began+s.Latency)
	}
	at := func(d time.Duration) int { return int(int64(chartWidth) * int64(d) / int64(whole)) }
	rows := make([]chartStep, 0, len(look.Steps))
	for i, s := range look.Steps {
		row := chartStep{StepLook: s, Number: i + 1, State: "down"}
		switch {
		case s.Skipped:
			row.State = "unknown"
		case s.OK:
			row.State = "up"
		}
		began := s.Began
		for _, p := range []struct {
			name string
			took time.Duration
		}{{"dns", s.Phases.DNS}, {"connect", s.Phases.Connect}, {"tls", s.Phases.TLS}, {"first_byte", s.Phases.FirstByte}, {"transfer", s.Phases.Transfer}} {
			if p.took <= 0 {
				continue
			}
			row.Bars = append(row.Bars, chartBar{Phase: p.name, X: at(began), Width: max(at(began+p.took)-at(began), 2)})
			began += p.took
		}
		row.Label = fmt.Sprintf("from %s for %s", millis(s.Began), millis(s.Latency))
		rows = append(rows, row)
	}
	return rows
}

// journeyView is the last journey from one location.
type journeyView struct {
	Location string
	OK       bool
	Steps    []chartStep
}

// Journeys are the last looks of a check that has steps; none for other kinds.
func (c CheckStatus) Journeys() []journeyView {
	var out []journeyView
	for _, l := range c.Locations {
		if steps := chart(l.Last.Look); len(steps) > 0 {
			out = append(out, journeyView{l.Name, l.Last.Look.OK, steps})
		}
	}
	return out
}

// millis writes a duration as pages do.
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// stepWord is the class of a step's state in words.
func stepWord(s probe.StepLook) string {
	switch {
	case s.Skipped:
		return "skipped"
	case s.OK:
		return "ok"
	case s.Cleanup:
		return "clean-up failed"
	}
	return "failed"
}

// stepAnswer is a step in /api/v1/status.
type stepAnswer struct {
	Name      string  `json:"name"`
	Cleanup   bool    `json:"cleanup,omitempty"`
	Outcome   string  `json:"outcome"` // ok, failed, clean-up failed, skipped
	Code      int     `json:"code,omitempty"`
	BeganMS   float64 `json:"began_ms"`
	LatencyMS float64 `json:"latency_ms"`
	Fault     string  `json:"fault,omitempty"`
}

func stepAnswers(steps []probe.StepLook) []stepAnswer {
	var out []stepAnswer
	for _, s := range steps {
		out = append(out, stepAnswer{
			Name: s.Name, Cleanup: s.Cleanup, Outcome: stepWord(s), Code: s.Code,
			BeganMS: float64(s.Began.Microseconds()) / 1000, LatencyMS: float64(s.Latency.Microseconds()) / 1000, Fault: s.Message,
		})
	}
	return out
}
