//go:build !linux

package originals

import "time"

// patience says how often Open asks again for a file that is not there, and after
// which waits.
func patience(string) []time.Duration { return longPatience() }
