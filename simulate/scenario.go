// Package simulate knows what shall happen in a simulated world: what fails, when
// and from where, when nobody watches, and who answers a page. It is pure: the
// daemon's own parts run over it in a compressed clock, and are not told.
package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"keepwatch/reports"
)

// MaxWeeks is how many weeks one simulation may last.
const MaxWeeks = 53

// Scenario is the file that `keepwatch simulate` reads.
type Scenario struct {
	// Config is the configuration whose checks are simulated, relative to the scenario's file.
	// Their targets are never asked. Example: keepwatch.yaml.
	Config string `yaml:"config"`
	// First is the ISO week that comes first, in the zone of the configuration's reports. Example: 2025-W42.
	First string `yaml:"first"`
	// Latency is how long a good look takes. Default: 80ms. Range: 1ms to 10s.
	Latency time.Duration `yaml:"latency"`
	// AckAfter is how long the person who is paged needs to acknowledge; "0s" is never. Default: 0s.
	AckAfter time.Duration `yaml:"ack_after"`
	// Events are what happens, in any order. Where several concern one look the first in the file decides.
	Events []Event `yaml:"events"`
}

// Event is one thing that happens. Exactly one of check, location, monitor and maintenance says what.
type Event struct {
	// Week is the week in which it begins, from 1. Example: 3.
	Week int `yaml:"week"`
	// At is the local weekday and time of its beginning. Example: Tue 02:11.
	At reports.SendTime `yaml:"at"`
	// For is how long it lasts. Example: 41m30s.
	For time.Duration `yaml:"for"`

	// Check fails while it lasts.
	Check string `yaml:"check"`
	// From are the locations that see it fail. Default: all.
	From []string `yaml:"from"`
	// Says is what is wrong. Default: got 503, want 200.
	Says string `yaml:"says"`
	// Soft lets only the first attempt fail: the check needs retries. Default: false.
	Soft bool `yaml:"soft"`
	// Slow lets it succeed, but take so long. Default: it fails at once.
	Slow time.Duration `yaml:"slow"`

	// Location cannot look at anything while it lasts.
	Location string `yaml:"location"`
	// Monitor is "down": Keepwatch itself does not run.
	Monitor string `yaml:"monitor"`
	// Maintenance is a service whose maintenance this is. What fails meanwhile needs events of its own.
	Maintenance string `yaml:"maintenance"`
	// Declared is how long before its beginning maintenance is declared. Default: 24h.
	Declared time.Duration `yaml:"declared"`
	// Corrected is how long after its end it is declared instead, which makes it a correction. Default: it is none.
	Corrected time.Duration `yaml:"corrected"`
	// By declares it. Default: somebody.
	By string `yaml:"by"`
	// Approver agrees to a correction. Default: somebody-else.
	Approver string `yaml:"approver"`
	// Reason is printed in the report. Default: planned work.
	Reason string `yaml:"reason"`
}

// SetDefaults fills what was left out.
func (s *Scenario) SetDefaults() {
	if s.Latency == 0 {
		s.Latency = 80 * time.Millisecond
	}
	for i := range s.Events {
		s.Events[i].setDefaults()
	}
}

func (e *Event) setDefaults() {
	fill := func(to *string, text string) {
		if *to == "" {
			*to = text
		}
	}
	fill(&e.Says, "got 503, want 200")
	fill(&e.By, "somebody")
	fill(&e.Approver, "somebody-else")
	fill(&e.Reason, "planned work")
	if e.Declared == 0 {
		e.Declared = 24 * time.Hour
	}
}

// Validate reports every mistake with its path in the file.
func (s Scenario) Validate(report func(path, msg string)) {
	if s.Config == "" {
		report("config", "is missing; name the configuration to simulate, like keepwatch.yaml")
	}
	if _, err := reports.ParseWeek(s.First, time.UTC); err != nil {
		report("first", "is no ISO week; write the first one like 2025-W42")
	}
	if s.Latency < time.Millisecond || s.Latency > 10*time.Second {
		report("latency", fmt.Sprintf("%s is out of range (1ms to 10s)", s.Latency))
	}
	if s.AckAfter < 0 {
		report("ack_after", "is negative; write 0s for never")
	}
	for i, e := range s.Events {
		e.validate(func(field, msg string) { report(fmt.Sprintf("events[%d].%s", i, field), msg) })
	}
}

func (e Event) validate(report func(field, msg string)) {
	if e.Week < 1 || e.Week > MaxWeeks {
		report("week", fmt.Sprintf("%d is no week of the simulation (1 to %d)", e.Week, MaxWeeks))
	}
	if !e.At.Set {
		report("at", "is missing; write a local weekday and time like Tue 02:11")
	}
	if e.For <= 0 {
		report("for", "is missing; say how long it lasts, like 41m30s")
	}
	named := slices.DeleteFunc([]string{e.Check, e.Location, e.Monitor, e.Maintenance}, func(s string) bool { return s == "" })
	if len(named) != 1 {
		report("check", "an event is about exactly one of check, location, monitor and maintenance")
	}
	if e.Corrected != 0 && e.Maintenance == "" {
		report("corrected", "only maintenance can be declared afterwards; write maintenance: and the service")
	}
	if e.Monitor != "" && e.Monitor != "down" {
		report("monitor", fmt.Sprintf("%q means nothing; the only word is down", e.Monitor))
	}
}

// Names reports every name in the scenario that the configuration does not know:
// known tells of a kind ("check", "location", "service") which names there are.
func (s Scenario) Names(known func(kind string) []string, report func(path, msg string)) {
	for i, e := range s.Events {
		need := func(field, kind, name string) {
			if all := known(kind); name != "" && !slices.Contains(all, name) {
				report(fmt.Sprintf("events[%d].%s", i, field), fmt.Sprintf("there is no %s %q in %s (there are %s)", kind, name, s.Config, strings.Join(all, ", ")))
			}
		}
		need("check", "check", e.Check)
		need("location", "location", e.Location)
		need("maintenance", "service", e.Maintenance)
		for j, name := range e.From {
			need(fmt.Sprintf("from[%d]", j), "location", name)
		}
	}
}
