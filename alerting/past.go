package alerting

import (
	"strconv"
	"strings"
	"time"
)

// Past is what is known of the resolved incidents of a service or an alarm. The zero
// value means that there are none.
type Past struct {
	Ended  time.Time // when the last one was resolved
	Newest string    // the greatest of their IDs, of which all but the second is the same
}

// AlarmOwner is the name under which the incidents of an alarm stand beside those of services.
func AlarmOwner(name string) string { return alarmPrefix + name }

// free is the earliest second that an ID may name: two episodes must not share one, or
// the second would be taken for the first, and page nobody. The newest ID may name a
// second that is still to come: the clock of the host was set back since.
func (p Past) free() time.Time {
	if p.Ended.IsZero() {
		return time.Time{}
	}
	return later(p.Ended, secondOf(p.Newest)).Truncate(time.Second).Add(time.Second)
}

// secondOf is the second that an ID ends with; zero when it has none.
func secondOf(id string) time.Time {
	n, err := strconv.ParseInt(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
