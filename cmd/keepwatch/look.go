package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/ownprobe"
	"keepwatch/probe"
)

// probeCommand looks once, now, and shows where the time went.
func (c *cli) probeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "probe NAME", Short: "Run one check now and show its phases or steps; exit 1 when it is not good", Args: cobra.ExactArgs(1),
		Long: `Run one check now, from its first location, and show where the time went: its phases, or of
a journey its steps, each with its phases. The result is not recorded. The exit code is 1
when the look was not good.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.probe(cmd, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

func (c *cli) probe(cmd *cobra.Command, name string, asJSON bool) error {
	f, err := c.load(cmd)
	if err != nil {
		return err
	}
	own, err := ownprobe.New(f, false)
	if err != nil { // most checks need neither key nor code
		fmt.Fprintf(c.errOut, "without the key of the site's own probes: %v\n", err)
	}
	checks, err := f.ProbeChecks(own.Env(probe.Env{}))
	if err != nil {
		return err
	}
	var names []string
	for _, check := range checks {
		names = append(names, check.Name)
		if check.Name != name {
			continue
		}
		res := probe.RunOnce(cmd.Context(), check, check.Locations[0])
		if asJSON {
			err = json.NewEncoder(c.out).Encode(lookOf(res))
		} else {
			err = probe.Waterfall(c.out, res)
		}
		if err != nil {
			return err
		}
		if res.Outcome != probe.Good {
			return quietError{errors.New("not good")}
		}
		return nil
	}
	return fmt.Errorf("no check %q: the file has %s", name, strings.Join(names, ", "))
}

// lookLine is what `probe --json` prints; the names are a promise.
type lookLine struct {
	Check     string     `json:"check"`
	Location  string     `json:"location"`
	Started   time.Time  `json:"started"`
	Outcome   string     `json:"outcome"`
	Cause     string     `json:"cause,omitempty"`
	Code      int        `json:"code,omitempty"`
	LatencyMS float64    `json:"latency_ms"`
	Phases    phaseLine  `json:"phases"`
	Bytes     int64      `json:"bytes"`
	Address   string     `json:"address,omitempty"`
	CertEnds  *time.Time `json:"cert_ends,omitempty"`
	Fault     *faultLine `json:"fault,omitempty"`
	Steps     []stepLine `json:"steps,omitempty"`
}

// phaseLine is milliseconds.
type phaseLine struct {
	DNS       float64 `json:"dns"`
	Connect   float64 `json:"connect"`
	TLS       float64 `json:"tls"`
	FirstByte float64 `json:"first_byte"`
	Transfer  float64 `json:"transfer"`
}

type faultLine struct {
	Class   string `json:"class"`
	Phase   string `json:"phase,omitempty"`
	Step    string `json:"step,omitempty"`
	Message string `json:"message"`
}

type stepLine struct {
	Name      string    `json:"name"`
	Outcome   string    `json:"outcome"` // ok, failed, skipped
	Cleanup   bool      `json:"cleanup,omitempty"`
	Code      int       `json:"code,omitempty"`
	BeganMS   float64   `json:"began_ms"`
	LatencyMS float64   `json:"latency_ms"`
	Phases    phaseLine `json:"phases"`
	Bytes     int64     `json:"bytes"`
	Message   string    `json:"message,omitempty"`
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func phasesOf(p probe.Phases) phaseLine {
	return phaseLine{inMS(p.DNS), inMS(p.Connect), inMS(p.TLS), inMS(p.FirstByte), inMS(p.Transfer)}
}

func lookOf(res probe.Result) lookLine {
	l := res.Look
	out := lookLine{
		Check: res.Check, Location: res.Location, Started: res.Started, Outcome: res.Outcome.String(), Cause: res.Cause,
		Code: l.Code, LatencyMS: inMS(l.Latency), Phases: phasesOf(l.Phases), Bytes: l.Bytes, Address: l.RemoteAddr,
	}
	if !l.CertNotAfter.IsZero() {
		out.CertEnds = &l.CertNotAfter
	}
	if l.Fault.Class != "" {
		out.Fault = &faultLine{string(l.Fault.Class), l.Fault.Phase, l.Fault.Step, l.Fault.Message}
	}
	for _, s := range l.Steps {
		outcome := "failed"
		switch {
		case s.Skipped:
			outcome = "skipped"
		case s.OK:
			outcome = "ok"
		}
		out.Steps = append(out.Steps, stepLine{
			Name: s.Name, Outcome: outcome, Cleanup: s.Cleanup, Code: s.Code, BeganMS: inMS(s.Began), LatencyMS: inMS(s.Latency),
			Phases: phasesOf(s.Phases), Bytes: s.Bytes, Message: s.Message,
		})
	}
	return out
}
