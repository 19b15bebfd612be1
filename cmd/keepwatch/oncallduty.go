package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/oncall/calendar"
	"keepwatch/postgres"
	"keepwatch/web"
)

func (c *cli) oncallCalendar() *cobra.Command {
	var rotation, person string
	var days int
	var address bool
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
			if address {
				return c.printFeedURL(f, rotation, person)
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
	cmd.Flags().BoolVar(&address, "url", false, "print the secret address that calendar programs subscribe to")
	return cmd
}

// printFeedURL prints the address of a rotation's or a person's calendar.
func (c *cli) printFeedURL(f *config.File, rotation, person string) error {
	if f.Console == nil {
		return errors.New("calendars are served by the console: add a console block")
	}
	kind, name := "person", person
	if person == "" {
		kind, name = "rotation", rotation
	}
	if name == "" || rotation != "" && person != "" {
		return usageError{errors.New("--url: say whose calendar (--person KEY or --rotation NAME)")}
	}
	path := filepath.Join(f.DataDir, "secret.key")
	key, err := os.ReadFile(path) //nolint:gosec // below the operator's own data_dir
	if err != nil {
		return fmt.Errorf("the address is made with the daemon's key: %w (start the daemon once, and run this as its user)", err)
	}
	c.printf("%s\n", web.Signer{Key: key}.FeedURL(f.Console.PublicURL, kind, name))
	return nil
}

func (c *cli) oncallHours() *cobra.Command {
	var which, rotation, holidays, format string
	cmd := &cobra.Command{
		Use: "hours --month 2026-10", Short: "Add up a month: hours, nights, weekends, holidays, pages, interrupted sleep", Args: cobra.NoArgs,
		Long: `Add up who was on call in a month, as file and overrides say: hours, nights (22:00 to 06:00),
weekends and holidays, each in the person's own zone. A Sunday's night counts as both. Pages are
those that were accepted for a person, mail left out; several of one incident within a minute are
one interruption, and one between 22:00 and 07:00 where the person lives counts as asleep.`,
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
			first, err := time.Parse("2006-01", which)
			if err != nil {
				return usageError{fmt.Errorf("--month: %q is no month (write it like 2026-10)", which)}
			}
			zone := f.Rotations[names[0]].TimeZone
			from := oncall.LocalTime{Date: oncall.Date{Year: first.Year(), Month: first.Month(), Day: 1}}.In(zone)
			next := first.AddDate(0, 1, 0)
			to := oncall.LocalTime{Date: oncall.Date{Year: next.Year(), Month: next.Month(), Day: 1}}.In(zone)
			roster := c.roster(cmd.Context(), f)
			counted, known, err := c.interruptions(cmd.Context(), f, roster, from, to)
			if err != nil {
				return err
			}
			return c.printLoads(monthOf(roster.Loads(names, from, to, f.Holidays[holidays]), counted), known, format)
		},
	}
	cmd.Flags().StringVar(&which, "month", time.Now().UTC().Format("2006-01"), "the month, in the zone of the first rotation")
	cmd.Flags().StringVar(&rotation, "rotation", "", "name of the rotation (default: all)")
	cmd.Flags().StringVar(&holidays, "holidays", "", "name of the calendar whose dates count as holidays")
	cmd.Flags().StringVar(&format, "format", "text", "text or csv")
	return cmd
}

// interruptions counts the pages of everybody over [from, to), mail left out; known is
// false while no database could be asked.
func (c *cli) interruptions(ctx context.Context, f *config.File, roster oncall.Roster, from, to time.Time) (counted []oncall.Interruptions, known bool, err error) {
	_, mails := f.FallbackNames()
	known, err = c.peek(ctx, f, func(ctx context.Context, db *postgres.DB) error {
		rings, err := postgres.Incidents{DB: db}.Rings(ctx, from, to, mails)
		counted = roster.Interruptions(rings)
		return err
	})
	return counted, known, err
}

// month is what one person did in a month.
type month struct {
	oncall.Load
	oncall.Interruptions
}

// monthOf joins time on call and interruptions, also of people who were paged out of turn.
func monthOf(loads []oncall.Load, counted []oncall.Interruptions) []month {
	byPerson := map[string]*month{}
	for _, l := range loads {
		byPerson[l.Person] = &month{Load: l}
	}
	for _, i := range counted {
		if byPerson[i.Person] == nil {
			byPerson[i.Person] = &month{Load: oncall.Load{Person: i.Person}}
		}
		byPerson[i.Person].Interruptions = i
	}
	out := make([]month, 0, len(byPerson))
	for _, name := range slices.Sorted(maps.Keys(byPerson)) {
		out = append(out, *byPerson[name])
	}
	return out
}

// printLoads prints the months of people. What is not known is not 0.
func (c *cli) printLoads(months []month, known bool, format string) error {
	hours := func(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', 2, 64) }
	count := func(n int) string {
		switch {
		case known:
			return strconv.Itoa(n)
		case format == "csv":
			return ""
		}
		return "–"
	}
	row := func(m month) []string {
		return []string{
			m.Load.Person, strconv.Itoa(m.Shifts), hours(m.Total), hours(m.Night), hours(m.Weekend), hours(m.Holiday),
			count(m.Pages), count(m.Times), count(m.Asleep),
		}
	}
	if format == "csv" {
		w := csv.NewWriter(c.out)
		rows := [][]string{{"person", "shifts", "hours", "night_hours", "weekend_hours", "holiday_hours", "pages", "interruptions", "sleep_interruptions"}}
		for _, m := range months {
			rows = append(rows, row(m))
		}
		return w.WriteAll(rows)
	}
	const layout = "%-12s %6s %9s %9s %9s %9s %6s %12s %7s\n"
	c.printf(layout, "person", "shifts", "hours", "night", "weekend", "holiday", "pages", "interrupted", "asleep")
	for _, m := range months {
		r := row(m)
		c.printf(layout, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
	}
	if !known {
		c.printf("pages are not known: no database answers (start the daemon, or set database.url)\n")
	}
	return nil
}

// dueWeeks is how far back fairness looks.
const dueWeeks = 12

// dueLine is one line of `oncall due --format json`; the names are a promise.
type dueLine struct {
	Rotation string  `json:"rotation"`
	Person   string  `json:"person"`
	Hours    float64 `json:"hours"`
	Weeks    int     `json:"weeks"`
}

func (c *cli) oncallDue() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "due", Short: "Who should be next by fairness: the one with the least time on call lately", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			roster, to := c.roster(cmd.Context(), f), time.Now().UTC()
			from := to.AddDate(0, 0, -7*dueWeeks)
			for _, name := range roster.Names() {
				line := dueLine{Rotation: name, Person: roster.Due(name, from, to), Weeks: dueWeeks}
				for _, l := range roster.Loads([]string{name}, from, to, nil) {
					if l.Person == line.Person {
						line.Hours = l.Total.Hours()
					}
				}
				if err := c.printDue(f, line, format); err != nil {
					return err
				}
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	return cmd
}

func (c *cli) printDue(f *config.File, line dueLine, format string) error {
	if format == "json" {
		return json.NewEncoder(c.out).Encode(line)
	}
	who := orNobody(line.Person)
	if n := f.People[line.Person].Name; n != "" {
		who = n + " (" + line.Person + ")"
	}
	c.printf("%-12s %-22s on call for %.0f h in the last %d weeks, less than anybody else there\n", line.Rotation, who, line.Hours, line.Weeks)
	return nil
}
