package pagerduty

import "time"

// moment reads a clock that may be left out. What is compared with instants of the
// alerting package is an instant of the same clock, the field Now.
func moment(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

func (s *PolicySync) now() time.Time   { return moment(s.Now) }
func (m *Mirror) now() time.Time       { return moment(m.Now) }
func (s *Subscription) now() time.Time { return moment(s.Now) }
func (c *Clerk) now() time.Time        { return moment(c.Now) }
