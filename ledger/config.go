package ledger

import (
	"fmt"
	"time"
)

const (
	keepRawDefault = 35 * day
	keepRawMin     = 15 * day // a week is final a day after its end, and late results make it anew
	keepRawMax     = 400 * day
)

// Config says what the ledger keeps.
type Config struct {
	// KeepRaw is how long single results are kept, and how late a result may come; older results are archived in blocks without loss, and later ones are refused and counted. Whole days from 15d to 400d. Default: 35d.
	KeepRaw time.Duration `yaml:"keep_raw"`
}

// SetDefaults fills what is left out.
func (c *Config) SetDefaults() {
	if c.KeepRaw == 0 {
		c.KeepRaw = keepRawDefault
	}
}

// Validate reports a time that cannot be.
func (c *Config) Validate(report func(path, msg string)) {
	switch {
	case c.KeepRaw < keepRawMin || c.KeepRaw > keepRawMax:
		report("keep_raw", fmt.Sprintf("%d hours is out of range (15d to 400d)", int(c.KeepRaw.Hours())))
	case c.KeepRaw%day != 0:
		report("keep_raw", fmt.Sprintf("%d hours are not whole days: days are archived as a whole (write 35d)", int(c.KeepRaw.Hours())))
	}
}

// KeepDays is KeepRaw in days.
func (c *Config) KeepDays() int { return int(c.KeepRaw / day) }
