package probe

import (
	"fmt"
	"time"
)

// Heartbeat waits for a job to call: the job must ask the console's heartbeat
// URL at least once within a time, else it counts as down.
type Heartbeat struct {
	// Within is the longest time between two calls that is right: the job's interval and some grace.
	// Required, range 1s to 744h (31 days). Example: 26h for a nightly job
	Within time.Duration `yaml:"within"`
}

// maxWithin is the longest month.
const maxWithin = 31 * 24 * time.Hour

// Target says what is awaited.
func (h *Heartbeat) Target() string { return fmt.Sprintf("a call every %s", h.Within) }

// SetDefaults does nothing: the one value is required.
func (h *Heartbeat) SetDefaults() {}

// Validate reports every mistake.
func (h *Heartbeat) Validate(report func(path, msg string)) {
	switch {
	case h.Within == 0:
		report("within", "a time is missing: write how often the job must call, such as 26h")
	case h.Within < time.Second || h.Within > maxWithin:
		report("within", fmt.Sprintf("%s is out of range: write 1s to 744h", h.Within))
	}
}
