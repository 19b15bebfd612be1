package burn

import "time"

// moment reads a clock that may be left out.
func moment(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}
