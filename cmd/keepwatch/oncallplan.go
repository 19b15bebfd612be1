package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
)

// maxDays bounds how far ahead the plan is looked at: ten years.
const maxDays = 3660

func addDays(cmd *cobra.Command, days *int, preset int) {
	cmd.Flags().IntVar(days, "days", preset, "how many days ahead to look")
}

func checkDays(days int) error {
	if days < 1 || days > maxDays {
		return usageError{fmt.Errorf("--days: %d is not between 1 and %d", days, maxDays)}
	}
	return nil
}

// troubleLine is one line of `oncall validate --format json`; the names are a promise.
type troubleLine struct {
	Kind     string `json:"kind"` // gap, unreachable, empty_level, void_override, pagerduty_…
	Rotation string `json:"rotation"`
	Person   string `json:"person"`
	Policy   string `json:"policy"`
	From     string `json:"from"`
	To       string `json:"to"`
	Text     string `json:"text"`
}

func (c *cli) oncallValidate() *cobra.Command {
	var format string
	var days int
	var offline bool
	cmd := &cobra.Command{
		Use: "validate", Short: "Find gaps, people who cannot be reached and empty levels; exit 1 when there are any", Args: cobra.NoArgs,
		Long: `Find gaps, people who cannot be reached and empty levels; exit 1 when there are any.
With pagerduty.api_token the plan is also compared with PagerDuty: users, their contact
methods, escalation policies, and who is on call there.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			if err := checkDays(days); err != nil {
				return err
			}
			all := c.allTroubles(cmd.Context(), f, days, offline)
			for _, t := range all {
				if format == "json" {
					if err := json.NewEncoder(c.out).Encode(t); err != nil {
						return err
					}
					continue
				}
				c.printf("%s\n", t.Text)
			}
			if len(all) > 0 {
				return quietError{errors.New("the on-call plan has troubles")}
			}
			if format == "text" {
				c.printf("on call is covered for the next %d days: %d rotations, %d people\n", days, len(f.Rotations), len(f.People))
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	addDays(cmd, &days, 90)
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask PagerDuty")
	return cmd
}

// allTroubles are those of the coming days, by the file, by the overrides that people made
// and, unless offline, by PagerDuty.
func (c *cli) allTroubles(ctx context.Context, f *config.File, days int, offline bool) []troubleLine {
	from := time.Now().UTC()
	covers := c.covers(ctx, f)
	roster := f.Roster().With(covers, from.Truncate(time.Minute))
	all := troubles(f, roster, from, from.AddDate(0, 0, days))
	for _, v := range roster.Void(covers, from) {
		all = append(all, troubleLine{
			Kind: "void_override", Rotation: v.Rotation, Person: v.Person, From: wording.Stamp(v.From), To: wording.Stamp(v.To), Text: roster.VoidText(v),
		})
	}
	if !offline {
		all = append(all, examine(ctx, f, roster, from)...)
	}
	return all
}

// troubles finds what would keep a page from reaching somebody over [from, to).
func troubles(f *config.File, roster oncall.Roster, from, to time.Time) []troubleLine {
	var out []troubleLine
	for _, g := range roster.Gaps(from, to) {
		zone := f.Rotations[g.Rotation].TimeZone
		out = append(out, troubleLine{
			Kind: "gap", Rotation: g.Rotation, From: wording.Stamp(g.From), To: wording.Stamp(g.To),
			Text: fmt.Sprintf("%s: nobody is on call from %s to %s (%s)", g.Rotation, wording.LocalStamp(g.From, zone), wording.LocalStamp(g.To, zone), wording.Spell(g.To.Sub(g.From))),
		})
	}
	if f.PagerDuty == nil || f.PagerDuty.RoutingKey == "" {
		out = append(out, unreachable(f, roster, from, to)...)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Escalations)) {
		for i, l := range f.Escalations[name].Levels {
			if s := roster.OnCall(l.Page, from); s.Person == "" {
				out = append(out, troubleLine{
					Kind: "empty_level", Policy: name, Rotation: l.Page, From: wording.Stamp(from),
					Text: fmt.Sprintf("escalation %s: level %d pages %s, where nobody is on call now; the next level is paged at once", name, i+1, l.Page),
				})
			}
		}
	}
	return out
}

// unreachable finds people who will be on call without any way to be told.
func unreachable(f *config.File, roster oncall.Roster, from, to time.Time) []troubleLine {
	seen := map[string]string{}
	for _, name := range roster.Names() {
		for s := range roster.Rotations[name].Shifts(from, to) {
			if p := f.People[s.Person]; s.Person != "" && p.PagerDuty.RoutingKey == "" && seen[s.Person] == "" && !woken(f, name, s.Person) {
				seen[s.Person] = name
			}
		}
	}
	var out []troubleLine
	for _, person := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, troubleLine{
			Kind: "unreachable", Person: person, Rotation: seen[person],
			Text: fmt.Sprintf("%s is on call in %s but has no PagerDuty routing key, and there is no shared one: nobody would be woken", person, seen[person]),
		})
	}
	return out
}

// woken reports whether each escalation that pages a rotation, and there is one, reaches
// somebody who has its turn.
func woken(f *config.File, rotation, person string) bool {
	reached := false
	for name, e := range f.Escalations {
		if !slices.ContainsFunc(e.Levels, func(l oncall.LevelConfig) bool { return l.Page == rotation }) {
			continue
		}
		if !f.Wakes(name, person) {
			return false
		}
		reached = true
	}
	return reached
}

func (c *cli) oncallPreview() *cobra.Command {
	var old, format string
	var days int
	cmd := &cobra.Command{
		Use: "preview [--diff OLD.yaml]", Short: "Show the coming shifts, or what a changed file changes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			if err := checkDays(days); err != nil {
				return err
			}
			from := time.Now().UTC().Truncate(time.Minute)
			to := from.AddDate(0, 0, days)
			if old == "" {
				return c.printShifts(f, c.roster(cmd.Context(), f), from, to, format)
			}
			before, err := config.Load(config.Options{Path: old})
			if err != nil {
				return fmt.Errorf("--diff: %w", err)
			}
			return c.printDifferences(f, oncall.Differences(before.Roster(), f.Roster(), from, to), format)
		},
	}
	addFormat(cmd, &format)
	addDays(cmd, &days, 28)
	cmd.Flags().StringVar(&old, "diff", "", "an older configuration file to compare with")
	return cmd
}

func (c *cli) printShifts(f *config.File, roster oncall.Roster, from, to time.Time, format string) error {
	for _, name := range roster.Names() {
		for s := range roster.Rotations[name].Shifts(from, to) {
			if err := c.printShift(f, s, from, format); err != nil {
				return err
			}
		}
	}
	return nil
}

// differenceLine is one line of `oncall preview --diff --format json`; the names are a promise.
type differenceLine struct {
	Rotation string `json:"rotation"`
	From     string `json:"from"`
	To       string `json:"to"`
	Before   string `json:"before"`
	Now      string `json:"now"`
}

func (c *cli) printDifferences(f *config.File, all []oncall.Difference, format string) error {
	for _, d := range all {
		if format == "json" {
			if err := json.NewEncoder(c.out).Encode(differenceLine{d.Rotation, wording.Stamp(d.From), wording.Stamp(d.To), d.Before, d.Now}); err != nil {
				return err
			}
			continue
		}
		zone := f.Rotations[d.Rotation].TimeZone
		if zone == nil {
			zone = time.UTC
		}
		c.printf("%-12s %s – %s  %s → %s\n", d.Rotation, wording.LocalStamp(d.From, zone), wording.LocalStamp(d.To, zone), orNobody(d.Before), orNobody(d.Now))
	}
	if len(all) == 0 && format == "text" {
		c.printf("no difference\n")
	}
	return nil
}

func orNobody(person string) string {
	if person == "" {
		return "nobody"
	}
	return person
}

// chosen returns the rotation of that name, or all.
func chosen(f *config.File, rotation string) ([]string, error) {
	names := f.Roster().Names()
	if rotation == "" {
		return names, nil
	}
	if !slices.Contains(names, rotation) {
		return nil, fmt.Errorf("no rotation %q: the file has %v", rotation, names)
	}
	return []string{rotation}, nil
}
