package alerting

import "time"

// moment reads a clock that may be left out. Due times, leases and timers are instants of
// the field Now of whoever compares them, never of time.Now: the host's clock may be set
// at any moment, and nothing may come early or late by that.
func moment(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

func (e *Engine) now() time.Time    { return moment(e.Now) }
func (d *Deliverer) now() time.Time { return moment(d.Now) }
func (v *Prover) now() time.Time    { return moment(v.Now) }
