package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"keepwatch/alerting"
	"keepwatch/alerting/pagerduty"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
	"keepwatch/web"
)

// The names of alarms that people and drills raise begin so.
const (
	pagePrefix  = "page-"
	testPrefix  = "test-"
	drillPrefix = "drill-"
)

// How long pages by hand stay open when nobody closes them.
const (
	testLife = 30 * time.Minute
	pageLife = 24 * time.Hour
)

// Page implements web.Desk: an alarm with a policy of its own, so that it has a
// ladder, a timeline and fallbacks like every other page.
func (k desk) Page(ctx context.Context, o web.Order) (web.Ordered, error) {
	d := k.d
	if !d.leader.Leads() {
		return web.Ordered{}, web.ErrStandBy
	}
	policy, err := policyTo(d.present.Load(), o.To)
	if err != nil {
		return web.Ordered{}, err
	}
	a := alerting.Alarm{Name: pagePrefix + unique(d.now()), Severity: alerting.Critical, Policy: policy, Summary: o.By + " pages you: " + o.Message}
	if o.Test {
		a.Name = testPrefix + unique(d.now())
		a.Summary = "TEST by " + o.By + ", please acknowledge, nothing is wrong: " + o.Message
	}
	what := "page"
	if o.Test {
		what = "test page"
	}
	said, refused := k.assign(ctx, a)
	got := web.Ordered{Said: said, Verified: d.pd.client.Load() != nil}
	if said == "" {
		got.Incident, err = d.engine.Raise(ctx, a, d.now())
		if err != nil && !errors.Is(err, alerting.ErrNotYet) { // with that one the page goes out
			return web.Ordered{}, err
		}
		if refused != nil {
			text := "PagerDuty could not be asked to ring this person alone, so its own policy decides: " + refused.Error()
			if err := d.engine.Note(ctx, got.Incident, o.By, text); err != nil {
				d.Log.WarnContext(ctx, "note on a page by hand", "incident", got.Incident, "err", err)
			}
		}
	}
	d.trail.note(postgres.AuditEntry{
		At: d.now().UTC(), Who: o.By, What: what, Object: o.To, Detail: "by " + o.Via + ", " + got.Incident + said + ": " + o.Message,
	})
	return got, nil
}

// assign makes a PagerDuty incident that is assigned to one person, for somebody
// whom only the shared key reaches: there PagerDuty's policy would decide who is rung.
// It returns whom it rings; "" when the page must go the usual way, with what
// PagerDuty said against it.
func (k desk) assign(ctx context.Context, a alerting.Alarm) (said string, err error) {
	d := k.d
	f, client := d.present.Load(), d.pd.client.Load()
	if client == nil || f.PagerDuty.From == "" || len(a.Policy.Levels) != 1 {
		return "", nil
	}
	person := d.covers.roster(f).OnCall(a.Policy.Levels[0].Page, d.now()).Person
	user := f.PagerDutyUsers()[person]
	if _, own := f.Routes().Route(person); own || user == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	got, err := client.PagePerson(ctx, pagerduty.Manual{User: user, Policy: servicePolicy(f), Title: a.Summary, Key: a.Name})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("PagerDuty rings %s: %s", strings.Join(got.Who, ", "), got.URL), nil
}

// servicePolicy is the policy of PagerDuty's whose service pages by hand are made on
// when the file names no service; "" when none follows the file. There is a pagerduty block.
func servicePolicy(f *config.File) string {
	if id := f.PagerDuty.EscalationPolicy; id != "" {
		return id
	}
	for _, followed := range f.Followed() {
		return followed.ID
	}
	return ""
}

// unique tells pages of one second apart.
func unique(now time.Time) string {
	b := make([]byte, 3)
	_, _ = rand.Read(b) // never fails
	return now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b)
}

// policyTo is whom a page by hand goes to: the whole ladder of an escalation, one
// level of it ("site:2"), a rotation or a person.
func policyTo(f *config.File, to string) (oncall.Policy, error) {
	if c, ok := f.Escalations[to]; ok {
		return c.Policy(to), nil
	}
	if name, n, ok := strings.Cut(to, ":"); ok {
		level, err := strconv.Atoi(n)
		if c, known := f.Escalations[name]; known && err == nil && level >= 1 && level <= len(c.Levels) {
			return oncall.Policy{Name: to, Levels: []oncall.Level{{Page: c.Levels[level-1].Page}}}, nil
		}
	}
	_, rotation := f.Rotations[to]
	_, person := f.People[to]
	if rotation || person {
		return oncall.Policy{Name: to, Levels: []oncall.Level{{Page: to}}}, nil
	}
	return oncall.Policy{}, web.RefusedError(fmt.Sprintf("there is no person, rotation or escalation %q: there are %s", to, strings.Join(slices.Concat(
		slices.Sorted(maps.Keys(f.People)), slices.Sorted(maps.Keys(f.Rotations)), slices.Sorted(maps.Keys(f.Escalations))), ", ")))
}

// closePages ends tests that were answered, and pages by hand that everybody forgot.
func (k desk) closePages(ctx context.Context, now time.Time) {
	for _, a := range k.d.engine.Snapshot().Alarms {
		why := ""
		test := strings.HasPrefix(a.Name, testPrefix)
		switch age := now.Sub(a.Open.Opened); {
		case !test && !strings.HasPrefix(a.Name, pagePrefix):
		case test && a.Open.AckBy != "":
			why = fmt.Sprintf("the test was acknowledged by %s after %s", a.Open.AckBy, a.Open.Acknowledged.Sub(a.Open.Opened).Round(time.Second))
		case test && age >= testLife:
			why = "nobody acknowledged the test within " + wording.Spell(testLife)
		case !test && age >= pageLife:
			why = "nobody closed this page by hand for a day"
		}
		if why == "" {
			continue
		}
		if err := k.d.engine.Clear(ctx, a.Name, why, now); err != nil {
			k.d.Log.WarnContext(ctx, "close a page by hand", "incident", a.Open.ID, "err", err)
		}
	}
}
