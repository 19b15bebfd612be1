package burn

import (
	"fmt"
	"time"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/reports"
)

// The alarms about a whole week's budget, with the service's name behind.
const (
	goneAlarm  = "budget-gone."
	shortAlarm = "budget-short."
)

// The words under which they are remembered.
const (
	onceGone  = "gone"
	onceShort = "short"
)

// alarm is an alarm that holds now.
type alarm struct {
	alerting.Alarm
	since time.Time
	once  string // raised once a week under this word; "" for what may come again
	week  time.Time
	apart bool // a thing of its own, whatever else is open
	rule  reports.BurnRule
}

// alarms are those that hold for a service at now.
func (b *Watch) alarms(s service, tape reports.Tape, week reports.Week, now time.Time) []alarm {
	zone := b.File().Reports.TimeZone
	var out []alarm
	add := func(name, summary string, u reports.Urgency, since time.Time, once string) {
		out = append(out, alarm{
			Alarm: alerting.Alarm{
				Name: name, Service: s.Name, Summary: summary, Severity: severityOf(u, s, zone, now), Policy: s.rule.Policy,
			},
			since: since, once: once, week: week.From, apart: once == onceShort,
		})
	}
	purse := tape.Purse(week, s.Objective, now)
	for _, r := range s.rules {
		if x := tape.Burn(r, s.Objective, s.slot, now); x.Fires {
			add("burn."+r.Name+"."+s.Name, text(s, x, purse), r.Urgency, now.Add(-x.Rule.Short), "")
			last := &out[len(out)-1]
			last.rule, last.Failing = r, true
		}
	}
	switch until := week.To.In(zone).Format("Monday 15:04"); {
	case purse.Gone:
		add(goneAlarm+s.Name, fmt.Sprintf("%s has spent its error budget of %s: down for %s of %s. Until %s change nothing that can wait.",
			s.Name, week, amount(purse.SpentMs), amount(purse.BudgetMs), until), reports.UrgentPage, now, onceGone)
	case purse.Short:
		add(shortAlarm+s.Name, fmt.Sprintf("%s will not get through %s with its error budget: %s of %s are spent, and it goes on like this.",
			s.Name, week, amount(purse.SpentMs), amount(purse.BudgetMs)), reports.UrgentTicket, now, onceShort)
	}
	return out
}

// text says what burns, and when nothing will be left.
func text(s service, x reports.Burning, purse reports.Purse) string {
	left := "nothing of the week's budget is left"
	if rest := purse.BudgetMs - purse.SpentMs; rest > 0 && x.Short > 0 {
		// At a rate of 1x the whole budget lasts for a week.
		lasts := rest * int64(reports.BurnWindow/time.Second) / max(purse.BudgetMs, 1) * 1000 / int64(x.Short)
		left = fmt.Sprintf("what is left of the week's budget (%s) is gone in %s", amount(rest), amount(lasts*1000))
	}
	return fmt.Sprintf("%s burns its error budget %s as fast as %s allows (over %s; %s over %s; rule %s fires from %s): %s",
		s.Name, plain(x.Long), s.Objective, wording.Brief(x.Rule.Long), plain(x.Short), wording.Brief(x.Rule.Short), x.Rule.Name, x.Rule.Rate, left)
}

// plain is a rate as people read it: two decimals, floored.
func plain(r reports.Rate) reports.Rate { return r - r%10 }
