package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/reports"
)

const (
	drillMemory = 90 * 24 * time.Hour // a drill is once a month
	drillRenew  = 30 * 24 * time.Hour // how often a plan is noted that stays the same
	planPrefix  = "drill-plan/"       // of the keys of such notices
	drillForm   = "20060102-1504"     // of its time in the alarm's name
	drillLate   = time.Hour           // one that is later is left out, and noted as such
)

// exercise runs the monthly drill: it pages, waits for an acknowledgement, and notes
// what came of it. told are the notices of the last weeks.
func (n *notices) exercise(ctx context.Context, f *config.File, told []postgres.Notice, now time.Time) {
	n.sayDrill(told)
	n.closedDrills(ctx, told, now)
	c := f.Drill
	n.plan(ctx, c, told, now)
	if c == nil {
		n.endDrills(ctx, now, 0)
		return
	}
	n.endDrills(ctx, now, c.Within)
	at := c.At.Last(now, c.TimeZone)
	key := postgres.DrillKey(at)
	for _, v := range told {
		if strings.HasPrefix(v.Key, key) {
			return
		}
	}
	switch {
	case !wanted(c, told, at):
		return
	case now.Sub(at) > drillLate:
		n.leaveOut(ctx, at, now)
		return
	}
	policy, err := policyTo(f, c.Page)
	if err != nil {
		n.log.WarnContext(ctx, "drill", "err", err)
		return
	}
	id, err := n.engine.Raise(ctx, alerting.Alarm{
		Name: drillName(at), Severity: alerting.Critical, Policy: policy,
		Summary: fmt.Sprintf("DRILL: nothing is wrong. Acknowledge this page within %s to show that pages reach you", wording.Spell(c.Within)),
	}, now)
	if err != nil && !errors.Is(err, alerting.ErrNotYet) {
		n.log.WarnContext(ctx, "drill", "err", err)
		return
	}
	if _, err := n.table.Put(ctx, postgres.Notice{Key: key + postgres.DrillBegun, At: at, MadeAt: now, Detail: id}); err != nil {
		n.log.WarnContext(ctx, "note the drill", "err", err)
	}
}

// leaveOut notes a drill that nobody was there to make in time.
func (n *notices) leaveOut(ctx context.Context, at, now time.Time) {
	n.log.WarnContext(ctx, "drill left out", "at", at, "late_s", now.Sub(at).Seconds())
	_, err := n.table.Put(ctx, postgres.Notice{
		Key: postgres.DrillKey(at) + postgres.DrillEnd, At: at, MadeAt: now,
		Detail: postgres.DrillResult(reports.DrillLeftOut, "no daemon could page within "+wording.Spell(drillLate)+" of its time"),
	})
	if err != nil {
		n.log.WarnContext(ctx, "note the drill", "err", err)
	}
}

// plan notes what the file says of drills, when that is news and now and then besides:
// a drill of a time before anybody wanted it was not left out. c is nil for none.
func (n *notices) plan(ctx context.Context, c *oncall.DrillConfig, told []postgres.Notice, now time.Time) {
	spec, newest := drillSpec(c), postgres.Notice{}
	if i := slices.IndexFunc(told, isPlan); i >= 0 { // newest first
		newest = told[i]
	}
	if newest.Detail == spec && (spec == "" || now.Sub(newest.At) < drillRenew) {
		return
	}
	v := postgres.Notice{Key: fmt.Sprintf("%s%d", planPrefix, now.Unix()), At: now, MadeAt: now, Detail: spec}
	if _, err := n.table.Put(ctx, v); err != nil {
		n.log.WarnContext(ctx, "note what is planned of drills", "err", err)
	}
}

// wanted reports whether the file said, when a drill was due, that it was.
func wanted(c *oncall.DrillConfig, told []postgres.Notice, at time.Time) bool {
	for _, v := range told {
		if isPlan(v) && !v.At.After(at.Add(2*noticesEvery)) { // a look may come that much later than the file
			return v.Detail == drillSpec(c)
		}
	}
	return false
}

func isPlan(v postgres.Notice) bool { return strings.HasPrefix(v.Key, planPrefix) }

func drillSpec(c *oncall.DrillConfig) string {
	if c == nil {
		return ""
	}
	return c.At.String() + " " + c.TimeZone.String()
}

func drillName(at time.Time) string { return drillPrefix + at.UTC().Format(drillForm) }

// closedDrills notes the result of drills that a person closed without acknowledging
// them first, which shows as well that the page came.
func (n *notices) closedDrills(ctx context.Context, told []postgres.Notice, now time.Time) {
	ended := map[string]bool{}
	for _, v := range told {
		ended[v.Key] = true
	}
	open := map[string]bool{}
	for _, a := range n.engine.Snapshot().Alarms {
		open[a.Name] = true
	}
	for _, v := range told {
		end := postgres.DrillKey(v.At) + postgres.DrillEnd
		if v.Key != postgres.DrillKey(v.At)+postgres.DrillBegun || ended[end] || open[drillName(v.At)] {
			continue
		}
		entries, err := n.timeline(ctx, v.Detail)
		if err != nil {
			n.log.WarnContext(ctx, "read how the drill ended", "err", err)
			continue
		}
		for _, e := range entries {
			if e.Kind != "resolved" || e.Person == "" {
				continue
			}
			result := postgres.DrillResult(reports.DrillPassed, fmt.Sprintf("%s closed it after %s (%s)", e.Person, e.At.Sub(v.MadeAt).Round(time.Second), v.Detail))
			if _, err := n.table.Put(ctx, postgres.Notice{Key: end, At: v.At, MadeAt: now, Detail: result}); err != nil {
				n.log.WarnContext(ctx, "note the result of the drill", "err", err)
			}
			break
		}
	}
}

// endDrills ends drills that were acknowledged, or not in time, and notes the result.
func (n *notices) endDrills(ctx context.Context, now time.Time, within time.Duration) {
	for _, a := range n.engine.Snapshot().Alarms {
		if !strings.HasPrefix(a.Name, drillPrefix) {
			continue
		}
		var result string
		switch {
		case a.Open.AckBy != "":
			result = postgres.DrillResult(reports.DrillPassed, fmt.Sprintf("%s acknowledged after %s", a.Open.AckBy, a.Open.Acknowledged.Sub(a.Open.Opened).Round(time.Second)))
		case now.Sub(a.Open.Opened) >= within:
			result = postgres.DrillResult(reports.DrillFailed, "nobody acknowledged within "+wording.Spell(within))
		default:
			continue
		}
		at, err := time.Parse(drillForm, strings.TrimPrefix(a.Name, drillPrefix))
		if err != nil {
			at = a.Open.Started
		}
		// Noted before it is ended: then it is ended again, rather than never noted.
		if _, err := n.table.Put(ctx, postgres.Notice{Key: postgres.DrillKey(at) + postgres.DrillEnd, At: at, MadeAt: now, Detail: result + " (" + a.Open.ID + ")"}); err != nil {
			n.log.WarnContext(ctx, "note the result of the drill", "err", err)
			continue
		}
		if err := n.engine.Clear(ctx, a.Name, "the drill "+result, now); err != nil {
			n.log.WarnContext(ctx, "end the drill", "err", err)
		}
	}
}

// sayDrill keeps for health how the newest drill ended.
func (n *notices) sayDrill(told []postgres.Notice) {
	text := ""
	for _, v := range told { // newest first
		if !strings.HasPrefix(v.Key, "drill/") || !strings.HasSuffix(v.Key, "/"+postgres.DrillEnd) {
			continue
		}
		switch result, _, _ := strings.Cut(v.Detail, ":"); result {
		case reports.DrillFailed:
			text = "the drill of " + v.At.Format(time.RFC3339) + " " + v.Detail + ": pages do not reach whoever is on call, or they do not answer"
		case reports.DrillLeftOut:
			text = "the drill of " + v.At.Format(time.RFC3339) + " was " + v.Detail + ": keepwatch page --test shows that pages ring"
		}
		break
	}
	n.drill.Store(&text)
}
