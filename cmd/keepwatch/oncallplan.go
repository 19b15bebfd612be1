package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/oncall/calendar"
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
	Kind     string `json:"kind"` // gap, unreachable, empty_level
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
	cmd := &cobra.Command{
		Use: "validate", Short: "Find gaps, people who cannot be reached and empty levels; exit 1 when there are any", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			if err := checkDays(days); err != nil {
				return err
			}
			from := time.Now().UTC()
			all := troubles(f, c.roster(cmd.Context(), f), from, from.AddDate(0, 0, days))
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
	return cmd
}

// troubles finds what would keep a page from reaching somebody over [from, to).
func troubles(f *config.File, roster oncall.Roster, from, to time.Time) []troubleLine {
	var out []troubleLine
	for _, g := range roster.Gaps(from, to) {
		zone := f.Rotations[g.Rotation].TimeZone
		out = append(out, troubleLine{
			Kind: "gap", Rotation: g.Rotation, From: stamp(g.From), To: stamp(g.To),
			Text: fmt.Sprintf("%s: nobody is on call from %s to %s (%s)", g.Rotation, localStamp(g.From, zone), localStamp(g.To, zone), spell(g.To.Sub(g.From))),
		})
	}
	if f.PagerDuty == nil || f.PagerDuty.RoutingKey == "" {
		out = append(out, unreachable(f, roster, from, to)...)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Escalations)) {
		for i, l := range f.Escalations[name].Levels {
			if s := roster.OnCall(l.Page, from); s.Person == "" {
				out = append(out, troubleLine{
					Kind: "empty_level", Policy: name, Rotation: l.Page, From: stamp(from),
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
	for _, name := range rotationNames(roster) {
		for s := range roster.Rotations[name].Shifts(from, to) {
			if p := f.People[s.Person]; s.Person != "" && p.PagerDuty.RoutingKey == "" && seen[s.Person] == "" {
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

// spell writes a duration for people: "2d 3h", "45m".
func spell(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	}
	return fmt.Sprintf("%dm", minutes)
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
	for _, name := range rotationNames(roster) {
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
			if err := json.NewEncoder(c.out).Encode(differenceLine{d.Rotation, stamp(d.From), stamp(d.To), d.Before, d.Now}); err != nil {
				return err
			}
			continue
		}
		zone := f.Rotations[d.Rotation].TimeZone
		if zone == nil {
			zone = time.UTC
		}
		c.printf("%-12s %s – %s  %s → %s\n", d.Rotation, localStamp(d.From, zone), localStamp(d.To, zone), orNobody(d.Before), orNobody(d.Now))
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

func (c *cli) oncallCalendar() *cobra.Command {
	var rotation, person string
	var days int
	cmd := &cobra.Command{
		Use: "calendar [--rotation R] [--person P]", Short: "Write shifts as an iCalendar file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, "text")
			if err != nil {
				return err
			}
			if err := checkDays(days); err != nil {
				return err
			}
			names, err := chosen(f, rotation)
			if err != nil {
				return err
			}
			if _, ok := f.People[person]; person != "" && !ok {
				return fmt.Errorf("no person %q in the file", person)
			}
			now := time.Now().UTC()
			feed := calendar.Feed{
				Roster: c.roster(cmd.Context(), f), Rotations: names, Person: person,
				From: now.AddDate(0, 0, -7), To: now.AddDate(0, 0, days), Now: now,
			}
			return feed.Write(c.out)
		},
	}
	addDays(cmd, &days, 90)
	cmd.Flags().StringVar(&rotation, "rotation", "", "name of the rotation (default: all)")
	cmd.Flags().StringVar(&person, "person", "", "only this person's shifts")
	return cmd
}

// chosen returns the rotation of that name, or all.
func chosen(f *config.File, rotation string) ([]string, error) {
	names := rotationNames(f.Roster())
	if rotation == "" {
		return names, nil
	}
	if !slices.Contains(names, rotation) {
		return nil, fmt.Errorf("no rotation %q: the file has %v", rotation, names)
	}
	return []string{rotation}, nil
}

func (c *cli) oncallHours() *cobra.Command {
	var month, rotation, holidays, format string
	cmd := &cobra.Command{
		Use: "hours --month 2026-10", Short: "Add up who was on call: hours, nights, weekends, holidays", Args: cobra.NoArgs,
		Long: `Add up who was on call in a month, as file and overrides say: hours, nights (22:00 to 06:00),
weekends and holidays, each in the person's own zone. A Sunday's night counts as both.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "csv" {
				return usageError{fmt.Errorf("--format: %q is neither text nor csv", format)}
			}
			f, err := c.loadRotations(cmd, "text")
			if err != nil {
				return err
			}
			names, err := chosen(f, rotation)
			if err != nil {
				return err
			}
			if _, ok := f.Holidays[holidays]; holidays != "" && !ok {
				return fmt.Errorf("no calendar %q in the block holidays", holidays)
			}
			first, err := time.Parse("2006-01", month)
			if err != nil {
				return usageError{fmt.Errorf("--month: %q is no month (write it like 2026-10)", month)}
			}
			zone := f.Rotations[names[0]].TimeZone
			from := oncall.LocalTime{Date: oncall.Date{Year: first.Year(), Month: first.Month(), Day: 1}}.In(zone)
			next := first.AddDate(0, 1, 0)
			to := oncall.LocalTime{Date: oncall.Date{Year: next.Year(), Month: next.Month(), Day: 1}}.In(zone)
			loads := c.roster(cmd.Context(), f).Loads(names, from, to, f.Holidays[holidays])
			return c.printLoads(loads, format)
		},
	}
	cmd.Flags().StringVar(&month, "month", time.Now().UTC().Format("2006-01"), "the month, in the zone of the first rotation")
	cmd.Flags().StringVar(&rotation, "rotation", "", "name of the rotation (default: all)")
	cmd.Flags().StringVar(&holidays, "holidays", "", "name of the calendar whose dates count as holidays")
	cmd.Flags().StringVar(&format, "format", "text", "text or csv")
	return cmd
}

func (c *cli) printLoads(loads []oncall.Load, format string) error {
	hours := func(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', 2, 64) }
	if format == "csv" {
		w := csv.NewWriter(c.out)
		if err := w.Write([]string{"person", "shifts", "hours", "night_hours", "weekend_hours", "holiday_hours"}); err != nil {
			return err
		}
		for _, l := range loads {
			if err := w.Write([]string{l.Person, strconv.Itoa(l.Shifts), hours(l.Total), hours(l.Night), hours(l.Weekend), hours(l.Holiday)}); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
	c.printf("%-12s %6s %9s %9s %9s %9s\n", "person", "shifts", "hours", "night", "weekend", "holiday")
	for _, l := range loads {
		c.printf("%-12s %6d %9s %9s %9s %9s\n", l.Person, l.Shifts, hours(l.Total), hours(l.Night), hours(l.Weekend), hours(l.Holiday))
	}
	return nil
}
