package probe

import (
	"fmt"
	"time"
)

// ICMP sends echo requests ("ping") and counts what comes back. It needs a
// right that the system must grant; without it a look is blind, never bad.
type ICMP struct {
	// Host is the name or address to ping. Required. Example: gateway.example.com
	Host string `yaml:"host"`
	// Count is how many requests each look sends, 200 ms apart. Default 3, range 1 to 20.
	Count int `yaml:"count,omitempty"`
	// MaxLoss is the largest share of requests that may stay without an answer. Default 50%. Example: 0%
	MaxLoss Percent `yaml:"max_loss,omitempty"`
	// LatencyUnder is how long a round trip may take on average. Default: only the check's timeout counts.
	LatencyUnder time.Duration `yaml:"latency_under,omitempty"`
}

const (
	defaultCount   = 3
	defaultMaxLoss = 0.5
)

// Target returns the host.
func (i *ICMP) Target() string { return i.Host }

// SetDefaults fills what was left out.
func (i *ICMP) SetDefaults() {
	if i.Count == 0 {
		i.Count = defaultCount
	}
	if !i.MaxLoss.set {
		i.MaxLoss = Percent{set: true, share: defaultMaxLoss}
	}
}

// Validate reports every mistake.
func (i *ICMP) Validate(report func(path, msg string)) {
	if i.Host == "" {
		report("host", "a host is missing: write a name or an address such as 192.0.2.1")
	}
	if i.Count < 0 || i.Count > 20 {
		report("count", fmt.Sprintf("%d is out of range: write 1 to 20", i.Count))
	}
	if i.MaxLoss.Share(0) >= 1 {
		report("max_loss", "100% would call a dead host good: write less, such as 50%")
	}
	if i.LatencyUnder < 0 {
		report("latency_under", fmt.Sprintf("%s is negative: write a duration such as 100ms", i.LatencyUnder))
	}
}
