//go:build !linux

package steady

import "time"

// Suspended is always zero here: only Linux is asked how long it slept.
func Suspended() time.Duration { return 0 }
