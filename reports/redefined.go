package reports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// redefined says in one sentence each what the service is counted by otherwise than it
// was in the report of the week before: a better figure must not come from a lower
// objective, or from a check that was left out, without a word.
func redefined(before Report, now Service) []string {
	at := slices.IndexFunc(before.Services, func(s ServiceReport) bool { return s.Name == now.Name })
	if at < 0 {
		return nil
	}
	was := &before.Services[at]
	var out []string
	if was.ObjectivePPM != int64(now.Objective) {
		is := ServiceReport{ObjectivePPM: int64(now.Objective)}
		out = append(out, fmt.Sprintf("The objective is %s; in %s it was %s.", is.Target(), before.Week, was.Target()))
	}
	old := Service{Critical: was.Critical, Redundant: was.Redundant}
	if len(old.Checks()) == 0 {
		return out // from before reports carried them
	}
	out = append(out, regrouped(before.Week, old, now)...)
	if most := now.Cap.Milliseconds(); was.CapMs != most {
		out = append(out, fmt.Sprintf("At most %s of planned maintenance is excluded; in %s it was %s.", Clock(most, false), before.Week, Clock(was.CapMs, false)))
	}
	return out
}

// regrouped names the checks that came, went, or count in another way.
func regrouped(week string, old, now Service) []string {
	was, is := countsAs(old), countsAs(now)
	var gone, came, other []string
	for _, check := range old.Checks() {
		switch way, counts := is[check]; {
		case !counts:
			gone = append(gone, check)
		case way != was[check]:
			other = append(other, fmt.Sprintf("%s (%s; it was %s)", check, way, was[check]))
		}
	}
	for _, check := range now.Checks() {
		if _, counted := was[check]; !counted {
			came = append(came, check)
		}
	}
	var out []string
	for _, c := range []struct {
		form   string
		checks []string
	}{
		{"Counted in %s and not here: %s.", gone},
		{"Not counted in %s and counted here: %s.", came},
		{"Counted otherwise than in %s: %s.", other},
	} {
		if len(c.checks) > 0 {
			slices.Sort(c.checks)
			out = append(out, fmt.Sprintf(c.form, week, strings.Join(c.checks, ", ")))
		}
	}
	return out
}

// countsAs says of each check how the service needs it.
func countsAs(s Service) map[string]string {
	as := map[string]string{}
	for _, g := range s.Redundant {
		for _, check := range g.Of {
			as[check] = fmt.Sprintf("one of %d of which %d must be good", len(g.Of), g.Need)
		}
	}
	for _, check := range s.Critical {
		as[check] = "must be good by itself"
	}
	return as
}

// weekBefore is the written report of the week before; without services when none was.
func weekBefore(ctx context.Context, s Store, w Window) (Report, error) {
	if w.Kind != KindWeek {
		return Report{}, nil
	}
	r, err := s.Load(ctx, w.Week.Previous().String(), zoneOr(w.Zone).String(), 0)
	if errors.Is(err, ErrNotFound) {
		return Report{}, nil
	}
	return r, err
}
