package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/postgres"
)

const (
	drillMemory = 40 * 24 * time.Hour // a drill is once a month
	drillLate   = time.Hour           // one that is later is left out, and said to be
)

// exercise runs the monthly drill: it pages, waits for an acknowledgement, and notes
// what came of it. told are the notices of the last weeks.
func (n *notices) exercise(ctx context.Context, f *config.File, told []postgres.Notice, now time.Time) {
	n.sayDrill(told)
	c := f.Drill
	if c == nil {
		n.endDrills(ctx, now, 0)
		return
	}
	n.endDrills(ctx, now, c.Within)
	at := c.At.Last(now, c.TimeZone)
	key := drillKey(at)
	for _, v := range told {
		if strings.HasPrefix(v.Key, key) {
			return
		}
	}
	if now.Sub(at) > drillLate {
		return // the first look of a new configuration, or a long downtime
	}
	policy, err := policyTo(f, c.Page)
	if err != nil {
		n.log.WarnContext(ctx, "drill", "err", err)
		return
	}
	_, err = n.engine.Raise(ctx, alerting.Alarm{
		Name: drillPrefix + at.UTC().Format("20060102-1504"), Severity: alerting.Critical, Policy: policy,
		Summary: fmt.Sprintf("DRILL: nothing is wrong. Acknowledge this page within %s to show that pages reach you", wording.Spell(c.Within)),
	}, now)
	if err != nil && !errors.Is(err, alerting.ErrNotYet) {
		n.log.WarnContext(ctx, "drill", "err", err)
		return
	}
	if _, err := n.table.Put(ctx, postgres.Notice{Key: key + "begun", At: at, MadeAt: now, Detail: c.Page}); err != nil {
		n.log.WarnContext(ctx, "note the drill", "err", err)
	}
}

func drillKey(at time.Time) string { return fmt.Sprintf("drill/%d/", at.Unix()) }

// endDrills ends drills that were acknowledged, or not in time, and notes the result.
func (n *notices) endDrills(ctx context.Context, now time.Time, within time.Duration) {
	for _, a := range n.engine.Snapshot().Alarms {
		if !strings.HasPrefix(a.Name, drillPrefix) {
			continue
		}
		var result string
		switch {
		case a.Open.AckBy != "":
			result = fmt.Sprintf("passed: %s acknowledged after %s", a.Open.AckBy, a.Open.Acknowledged.Sub(a.Open.Opened).Round(time.Second))
		case now.Sub(a.Open.Opened) >= within:
			result = "failed: nobody acknowledged within " + wording.Spell(within)
		default:
			continue
		}
		at, err := time.Parse("20060102-1504", strings.TrimPrefix(a.Name, drillPrefix))
		if err != nil {
			at = a.Open.Started
		}
		// Noted before it is ended: then it is ended again, rather than never noted.
		if _, err := n.table.Put(ctx, postgres.Notice{Key: drillKey(at) + "result", At: at, MadeAt: now, Detail: result + " (" + a.Open.ID + ")"}); err != nil {
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
		if strings.HasPrefix(v.Key, "drill/") && strings.HasSuffix(v.Key, "/result") {
			if strings.HasPrefix(v.Detail, "failed") {
				text = "the drill of " + v.At.Format(time.RFC3339) + " " + v.Detail + ": pages do not reach whoever is on call, or they do not answer"
			}
			break
		}
	}
	n.drill.Store(&text)
}
