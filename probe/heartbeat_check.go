package probe

import (
	"context"
	"time"
)

type heartbeatChecker struct {
	within time.Duration
	env    Env
}

// Checker makes the checker. Watching begins now, or when an earlier checker of
// this check began it: a reload does not give a silent job new time.
func (h *Heartbeat) Checker(env Env) (Checker, error) {
	if env.Beats == nil {
		env.Beats = &Beats{}
	}
	c := &heartbeatChecker{within: h.Within, env: env}
	c.watch(moment(c.env.Now).UTC())
	return c, nil
}

// Check judges the time since the last call; it never waits.
func (c *heartbeatChecker) Check(context.Context) Look {
	return c.judge(moment(c.env.Now).UTC())
}

// watch notes that somebody looks and returns since when. A check that was out
// of the configuration for a while starts afresh.
func (c *heartbeatChecker) watch(now time.Time) time.Time {
	return c.env.Beats.Watch(c.env.Name, now, 2*c.env.Every+time.Minute)
}

func (c *heartbeatChecker) judge(now time.Time) Look {
	since := c.watch(now)
	last, known := c.env.Beats.Last(c.env.Name)
	if known && now.Sub(last) <= c.within {
		return Look{OK: true}
	}
	// A call that came before watching began proves nothing about the time in
	// which nobody could call.
	if now.Sub(since) <= c.within {
		fault := unmet(ClassMissed, "no call yet, and the %s to wait for one are not over", c.within)
		return Look{Blind: true, Fault: fault}
	}
	return Look{Fault: unmet(ClassMissed, "no call for more than %s", c.within)}
}
