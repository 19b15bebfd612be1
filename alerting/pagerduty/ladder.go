package pagerduty

import (
	"fmt"
	"slices"
	"strings"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"keepwatch/oncall"
)

// PagerDuty's limits of an escalation policy.
const (
	maxLoops   = 9
	maxTargets = 10
)

// noPause is the pause before the ladder starts again when no level has a delay;
// as in alerting.
const noPause = 10 * time.Minute

// Rung is one level of a PagerDuty escalation policy.
type Rung struct {
	Minutes uint     // until the next one
	Users   []string // PagerDuty user IDs
}

// Ladder is what a PagerDuty escalation policy shall be.
type Ladder struct {
	Rungs []Rung
	Loops uint // how often it is repeated
	// Notes say in one sentence each where PagerDuty cannot follow the file.
	Notes []string
}

// Climb says what PagerDuty has to do to ring whom Keepwatch would ring, when: a
// level that names nobody is skipped at once, levels without a delay between them
// ring together, delays are rounded up to minutes. onCall gives the person who
// answers for a level's name, user a person's PagerDuty user ID; "" when there is
// none. A person whom PagerDuty does not know is skipped, but takes their time.
func Climb(p oncall.Policy, onCall func(name string) string, user func(person string) string) Ladder {
	out := Ladder{Loops: uint(max(p.Repeat, 0))}
	if out.Loops > maxLoops {
		out.Notes = append(out.Notes, fmt.Sprintf("escalation %s repeats %d times, but PagerDuty at most %d times", p.Name, p.Repeat, maxLoops))
		out.Loops = maxLoops
	}
	level, spent := 0, time.Duration(0) // spent: since the last rung began
	for level < len(p.Levels) {
		person := ""
		for level < len(p.Levels) && person == "" {
			person = onCall(p.Levels[level].Page)
			level++
		}
		if person != "" {
			spent = out.step(p, level, person, user(person), spent)
		}
		switch {
		case level < len(p.Levels):
			spent += p.Levels[level].After
		default:
			spent += pause(p.Levels)
		}
	}
	if n := len(out.Rungs); n > 0 {
		out.Rungs[n-1].Minutes = minutes(spent)
	}
	return out
}

// step adds a person who is paged so long after the last rung began, and returns
// how long ago the last rung now began.
func (l *Ladder) step(p oncall.Policy, level int, person, id string, spent time.Duration) time.Duration {
	n := len(l.Rungs)
	switch {
	case id == "":
		l.Notes = append(l.Notes, fmt.Sprintf(
			"escalation %s: level %d is %s, who has no pagerduty.user (or whom PagerDuty does not know), so PagerDuty skips it", p.Name, level, person))
		return spent
	case n > 0 && spent == 0:
		if last := &l.Rungs[n-1]; !slices.Contains(last.Users, id) && len(last.Users) < maxTargets {
			last.Users = append(last.Users, id)
		}
		return 0
	case n > 0:
		l.Rungs[n-1].Minutes = minutes(spent)
	}
	l.Rungs = append(l.Rungs, Rung{Users: []string{id}})
	return 0
}

// minutes rounds up: PagerDuty counts whole ones, at least one.
func minutes(d time.Duration) uint {
	return uint(max((d+time.Minute-1)/time.Minute, 1))
}

// pause is how long after its last level the ladder starts again, as in alerting.
func pause(levels []oncall.Level) time.Duration {
	var longest time.Duration
	for _, l := range levels {
		longest = max(longest, l.After)
	}
	if longest == 0 {
		return noPause
	}
	return longest
}

// ladderOf is what a policy of PagerDuty's is now. A schedule stands in it by its ID.
func ladderOf(p wirePolicy) Ladder {
	out := Ladder{Loops: uint(max(p.NumLoops, 0))}
	for _, r := range p.Rules {
		rung := Rung{Minutes: r.Delay}
		for _, t := range r.Targets {
			rung.Users = append(rung.Users, t.ID)
		}
		out.Rungs = append(out.Rungs, rung)
	}
	return out
}

// same reports whether two ladders ring the same people at the same times.
func (l Ladder) same(o Ladder) bool {
	return l.Loops == o.Loops && slices.EqualFunc(l.Rungs, o.Rungs, func(a, b Rung) bool {
		return a.Minutes == b.Minutes && slices.Equal(slices.Sorted(slices.Values(a.Users)), slices.Sorted(slices.Values(b.Users)))
	})
}

// String is the ladder for people: "PADA001 10m, PGRACE1 10m, twice more".
func (l Ladder) String() string {
	parts := make([]string, 0, len(l.Rungs)+1)
	for _, r := range l.Rungs {
		parts = append(parts, fmt.Sprintf("%s for %d min", strings.Join(r.Users, "+"), r.Minutes))
	}
	if len(parts) == 0 {
		parts = append(parts, "nobody")
	}
	if l.Loops > 0 {
		parts = append(parts, fmt.Sprintf("%d times more", l.Loops))
	}
	return strings.Join(parts, ", then ")
}

// rules are the ladder in the API's shape. The IDs of the rules that are there
// are kept, level by level.
func (l Ladder) rules(have []pd.EscalationRule) []pd.EscalationRule {
	out := make([]pd.EscalationRule, 0, len(l.Rungs))
	for i, r := range l.Rungs {
		rule := pd.EscalationRule{Delay: r.Minutes}
		if i < len(have) {
			rule.ID = have[i].ID
		}
		for _, u := range r.Users {
			rule.Targets = append(rule.Targets, pd.APIObject{ID: u, Type: "user_reference"})
		}
		out = append(out, rule)
	}
	return out
}

// onCallDiffers says how who is on call at PagerDuty differs from the ladder; ""
// when it does not.
func (l Ladder) onCallDiffers(now []pd.OnCall) string {
	have := make([][]string, len(l.Rungs))
	for _, o := range now {
		level := int(o.EscalationLevel) // PagerDuty's levels are few
		if level < 1 || level > len(l.Rungs) {
			return fmt.Sprintf("level %d has %s, where nobody should be", level, nameOf(o.User.APIObject))
		}
		if !slices.Contains(have[level-1], o.User.ID) {
			have[level-1] = append(have[level-1], o.User.ID)
		}
	}
	for i, r := range l.Rungs {
		slices.Sort(have[i])
		if want := slices.Sorted(slices.Values(r.Users)); !slices.Equal(have[i], want) {
			return fmt.Sprintf("level %d should be %s and is %s", i+1, strings.Join(want, "+"), orNobody(have[i]))
		}
	}
	return ""
}

func orNobody(users []string) string {
	if len(users) == 0 {
		return "nobody"
	}
	return strings.Join(users, "+")
}
