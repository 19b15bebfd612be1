package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/reporting"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// reportFlags say which window, what of it, and how.
type reportFlags struct {
	week, day, month, quarter, last, from, to string
	service, format, out                      string
	revision                                  int
}

func (c *cli) reportCommand() *cobra.Command {
	var o reportFlags
	cmd := &cobra.Command{
		Use: "report", Short: "Print the report of a week, or of another window", Args: cobra.NoArgs,
		Long: `Print the report of a window in the zone of reports.time_zone. Without any it is the running
week so far. A week that was written on its Monday prints as it was written; --revision prints an older one.
--last is whole days that have ended. --from and --to are dates (their first instant), local times or
RFC 3339; the window ends before --to.`,
		Example: `  keepwatch report --week 2026-W47 --format html --out week.html
  keepwatch report --month 2026-11 --service image-site
  keepwatch report --from 2026-11-20 --to "2026-11-21 12:00"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			format, w, err := o.read(f, time.Now())
			if err != nil {
				return usageError{err}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				r, err := o.report(cmd.Context(), db, f, w)
				if err != nil {
					return err
				}
				return c.writeReport(r, format, o.out)
			})
		},
	}
	o.add(cmd)
	cmd.AddCommand(c.reportListCommand(), c.reportVerifyCommand(), c.reportNoteCommand(), c.reportSendCommand())
	return cmd
}

func (o *reportFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.week, "week", "", "ISO week like 2026-W47 (default: the running week)")
	f.StringVar(&o.day, "day", "", "a day like 2026-11-21")
	f.StringVar(&o.month, "month", "", "a month like 2026-11")
	f.StringVar(&o.quarter, "quarter", "", "a quarter like 2026-Q4")
	f.StringVar(&o.last, "last", "", "the last 7d, 28d or 30d")
	f.StringVar(&o.from, "from", "", "beginning of any window; with --to")
	f.StringVar(&o.to, "to", "", "its end, not included")
	f.StringVar(&o.service, "service", "", "only this service (default: all)")
	f.StringVar(&o.format, "format", "text", "one of "+strings.Join(formatNames(), ", "))
	f.StringVar(&o.out, "out", "", "write to this file instead")
	f.IntVar(&o.revision, "revision", 0, "of a written week (default: the newest)")
}

func formatNames() []string {
	var names []string
	for _, f := range config.Formats() {
		names = append(names, f.Name())
	}
	return names
}

// read turns the flags into a format and a window.
func (o *reportFlags) read(f *config.File, now time.Time) (reports.Format, reports.Window, error) {
	format, ok := config.Format(o.format)
	if !ok {
		return nil, reports.Window{}, fmt.Errorf("--format: %q is not a format (write one of %s)", o.format, strings.Join(formatNames(), ", "))
	}
	if o.service != "" {
		if err := knownService(f, o.service); err != nil {
			return nil, reports.Window{}, fmt.Errorf("--service: %w", err)
		}
	}
	w, err := o.window(f.Reports.TimeZone, now)
	if err != nil {
		return nil, w, err
	}
	if o.revision != 0 && o.week == "" {
		return nil, w, errors.New("--revision needs --week: only weeks are written")
	}
	if !w.From.Before(now) {
		return nil, w, fmt.Errorf("%s has not begun: it begins %s", w.Title, w.From.In(w.Zone).Format("Mon 2 Jan 2006 15:04 MST"))
	}
	return format, w, nil
}

// window is the one that the flags name.
func (o *reportFlags) window(zone *time.Location, now time.Time) (reports.Window, error) {
	if (o.from == "") != (o.to == "") {
		return reports.Window{}, errors.New("--from and --to go together")
	}
	var given []string
	for name, value := range map[string]string{
		"--week": o.week, "--day": o.day, "--month": o.month, "--quarter": o.quarter, "--last": o.last, "--from": o.from,
	} {
		if value != "" {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		slices.Sort(given)
		return reports.Window{}, fmt.Errorf("%s: a report is about one window", strings.Join(given, " and "))
	}
	var w reports.Window
	var err error
	switch {
	case o.week != "":
		var week reports.Week
		if week, err = reports.ParseWeek(o.week, zone); err == nil {
			w = week.Window()
		}
	case o.day != "":
		w, err = reports.ParseDay(o.day, zone)
	case o.month != "":
		w, err = reports.ParseMonth(o.month, zone)
	case o.quarter != "":
		w, err = reports.ParseQuarter(o.quarter, zone)
	case o.last != "":
		days, ok := map[string]int{"7d": 7, "28d": 28, "30d": 30}[o.last]
		if !ok {
			return w, fmt.Errorf("--last: %q is not a rolling window (write 7d, 28d or 30d)", o.last)
		}
		w, err = reports.Rolling(days, now, zone)
	case o.from != "":
		w, err = reports.Custom(o.from, o.to, zone)
	default:
		w = reports.WeekOf(now, zone).Window()
	}
	if err != nil && len(given) == 1 {
		err = fmt.Errorf("%s: %w", given[0], err)
	}
	return w, err
}

func knownService(f *config.File, name string) error {
	var names []string
	for _, s := range f.Services {
		if s.Name == name {
			return nil
		}
		names = append(names, s.Name)
	}
	if near := config.Nearest(name, names); near != "" {
		return fmt.Errorf("there is no service %q (did you mean %q?)", name, near)
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no service %q: the configuration has none", name)
	}
	return fmt.Errorf("there is no service %q (there are: %s)", name, strings.Join(names, ", "))
}

// report is the written one of a week, or what is recorded by now.
func (o *reportFlags) report(ctx context.Context, db *postgres.DB, f *config.File, w reports.Window) (reports.Report, error) {
	store := postgres.Reports{DB: db}
	var r reports.Report
	err := reports.ErrNotFound
	if o.week != "" {
		r, err = reporting.WrittenWeek(ctx, store, w.Week, o.revision)
	}
	switch {
	case errors.Is(err, reports.ErrNotFound) && o.revision != 0:
		return r, fmt.Errorf("week %s has no revision %d (keepwatch report list shows what was written)", o.week, o.revision)
	case errors.Is(err, reports.ErrNotFound):
		r, err = reports.MakeWindow(ctx, store, w, reporting.WholeSettings(f, db, version), time.Now())
	}
	if err != nil || o.service == "" {
		return r, err
	}
	return onlyService(r, o.service)
}

// onlyService leaves one service in a report. The facts' hash is that of the whole.
func onlyService(r reports.Report, name string) (reports.Report, error) {
	var names []string
	for _, s := range r.Services {
		if s.Name == name {
			r.Services = []reports.ServiceReport{s}
			return r, nil
		}
		names = append(names, s.Name)
	}
	return r, fmt.Errorf("no service %q in this report: it has %s", name, strings.Join(names, ", "))
}

// writeReport prints a report, or writes it to a file that is whole or not there.
func (c *cli) writeReport(r reports.Report, format reports.Format, path string) error {
	if path == "" {
		return format.Write(c.out, r)
	}
	return writeWhole(path, func(w io.Writer) error { return format.Write(w, r) })
}

func writeWhole(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it has another name by then
	if err = write(tmp); err == nil {
		err = tmp.Chmod(0o644)
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// savedLine is one line of `report list --format json`; the names are a promise.
type savedLine struct {
	Week     string `json:"week"`
	Zone     string `json:"zone"`
	Revision int    `json:"revision"`
	Written  string `json:"written"`
	Final    string `json:"final"`
}

func (c *cli) reportListCommand() *cobra.Command {
	var format string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the written reports, newest week first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if err := checkLimit(limit, 10_000); err != nil {
				return err
			}
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				saved, err := postgres.Reports{DB: db}.List(cmd.Context(), "", limit)
				if err != nil {
					return err
				}
				return c.listReports(saved, format)
			})
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most")
	return cmd
}

func (c *cli) listReports(saved []reports.Saved, format string) error {
	if len(saved) == 0 && format == "text" {
		c.printf("no reports: the first is written on the Monday after the first week that was watched\n")
	}
	for _, s := range saved {
		if format == "json" {
			if err := json.NewEncoder(c.out).Encode(savedLine{s.Week, s.Zone, s.Revision, wording.Stamp(s.Written), wording.Stamp(s.Final)}); err != nil {
				return err
			}
			continue
		}
		final := "not final"
		if !s.Final.IsZero() {
			final = "final since " + wording.Stamp(s.Final)
		}
		c.printf("%s  %s  revision %d  written %s  %s\n", s.Week, s.Zone, s.Revision, wording.Stamp(s.Written), final)
	}
	return nil
}

func (c *cli) reportNoteCommand() *cobra.Command {
	var week, by string
	cmd := &cobra.Command{
		Use: "note TEXT", Short: "Write the team's note into a written week's report", Args: cobra.ExactArgs(1),
		Long: `Write the team's note (Markdown) into the report of a written week, in the place of the one before.
It makes a new revision in which no figure differs. An empty text takes the note away.`,
		Example: `  keepwatch report note --week 2026-W47 "The outage of Wednesday was the new router; it has been replaced."`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			if week == "" || by == "" {
				return usageError{errors.New("report note needs --week and --by: which week, and who writes")}
			}
			w, err := reports.ParseWeek(week, f.Reports.TimeZone)
			if err != nil {
				return usageError{fmt.Errorf("--week: %w", err)}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				return c.noteWeek(cmd.Context(), db, w, args[0], by)
			})
		},
	}
	cmd.Flags().StringVar(&week, "week", "", "ISO week like 2026-W47")
	addBy(cmd, &by)
	return cmd
}

const noteMax = 20_000 // bytes: a report is read in minutes

func (c *cli) noteWeek(ctx context.Context, db *postgres.DB, w reports.Week, text, by string) error {
	if len(text) > noteMax {
		return usageError{fmt.Errorf("the note has %d bytes: a report takes %d", len(text), noteMax)}
	}
	store, now := postgres.Reports{DB: db}, time.Now().UTC()
	before, err := reporting.WrittenWeek(ctx, store, w, 0)
	if errors.Is(err, reports.ErrNotFound) {
		return fmt.Errorf("the report of %s was not written yet (keepwatch report list shows what was)", w)
	}
	if err != nil {
		return err
	}
	r := reports.Annotate(before, text, by, now)
	if err := store.Save(ctx, r, now); err != nil {
		return err
	}
	err = postgres.Audit{DB: db}.Add(ctx, postgres.AuditEntry{At: now, Who: by, What: "report", Object: r.Week, Detail: "note: " + text})
	if err != nil {
		return err
	}
	c.printf("%s has revision %d now\n", r.Week, r.Revision)
	return nil
}
