package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// exclusionFlags are what an exclusion is made of.
type exclusionFlags struct{ service, from, to, reason, by, approver string }

func (o *exclusionFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.service, "service", "", "name of the service")
	f.StringVar(&o.from, "from", "", "beginning: a date, a local time of reports.time_zone, or RFC 3339")
	f.StringVar(&o.to, "to", "", "end, not included")
	f.StringVar(&o.reason, "reason", "", "why; it is a footnote of the report")
	addBy(cmd, &o.by)
}

// read makes the exclusion, declared at now.
func (o *exclusionFlags) read(f *config.File, kind string, now time.Time) (reports.Exclusion, error) {
	x := reports.Exclusion{
		Service: o.service, Kind: kind, DeclaredAt: now, Author: strings.TrimSpace(o.by), Approver: strings.TrimSpace(o.approver),
		Reason: strings.Join(strings.Fields(o.reason), " "),
	}
	for _, need := range []struct{ flag, value string }{
		{"--service", o.service}, {"--from", o.from}, {"--to", o.to}, {"--reason", x.Reason}, {"--by", x.Author},
	} {
		if need.value == "" {
			return x, errors.New(need.flag + " is missing")
		}
	}
	if err := knownService(f, o.service); err != nil {
		return x, fmt.Errorf("--service: %w", err)
	}
	w, err := reports.Custom(o.from, o.to, f.Reports.TimeZone)
	if err != nil {
		return x, err
	}
	x.From, x.To = w.From, w.To
	switch {
	case kind == reports.Planned && x.To.Sub(x.From) > 31*24*time.Hour:
		return x, errors.New("a maintenance window is at most 31 days long")
	case kind == reports.Correction && x.To.After(now):
		return x, errors.New("a correction is about time that is over: declare maintenance that is still to come with keepwatch maintenance add")
	case kind == reports.Correction && x.Approver == "":
		return x, errors.New("--approver is missing: a correction needs a second person")
	case kind == reports.Correction && strings.EqualFold(x.Approver, x.Author):
		return x, fmt.Errorf("%s cannot approve a correction of their own: --approver is a second person", x.Author)
	}
	return x, nil
}

func (c *cli) maintenanceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "maintenance", Short: "Declare planned maintenance before it begins", Args: cobra.NoArgs,
		Long: `Declare planned maintenance before it begins. It pages nobody, and it is left out of the
week's figures up to reports.max_maintenance; the report shows it in a footnote, beside what visitors
experienced. Probing goes on. What was declared after it began is left out of nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.declareCommand(reports.Planned), c.exclusionListCommand(reports.Planned), c.exclusionCancelCommand(reports.Planned))
	return cmd
}

func (c *cli) correctCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "correct", Short: "Leave time out of a week afterwards, approved by a second person", Args: cobra.NoArgs,
		Long: `Leave time out of a week's figures afterwards: what was declared too late, or what was no failure
of the service. A second person approves it. A report that was written gets a new revision that names it;
the one before is kept.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.declareCommand(reports.Correction), c.exclusionListCommand(reports.Correction), c.exclusionCancelCommand(reports.Correction))
	return cmd
}

func (c *cli) declareCommand(kind string) *cobra.Command {
	var o exclusionFlags
	short, example := "Declare a window", `  keepwatch maintenance add --service image-site --from "2026-12-05 22:00" --to "2026-12-06 02:00" --reason "new database"`
	if kind == reports.Correction {
		short = "Add a correction"
		example = `  keepwatch correct add --service image-site --from "2026-11-20 09:00" --to "2026-11-20 09:30" --reason "the probe's own network" --approver grace`
	}
	cmd := &cobra.Command{
		Use: "add", Short: short, Args: cobra.NoArgs, Example: example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			x, err := o.read(f, kind, time.Now().UTC())
			if err != nil {
				return usageError{err}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error { return c.declare(cmd.Context(), db, f, x) })
		},
	}
	o.add(cmd)
	if kind == reports.Correction {
		cmd.Flags().StringVar(&o.approver, "approver", "", "the second person who approves it")
	}
	return cmd
}

func (c *cli) declare(ctx context.Context, db *postgres.DB, f *config.File, x reports.Exclusion) error {
	id, err := postgres.Exclusions{DB: db}.Add(ctx, x)
	if err != nil {
		return err
	}
	zone := f.Reports.TimeZone
	c.printf("%s %d: %s, %s to %s\n", kindWord(x.Kind), id, x.Service, wording.LocalStamp(x.From, zone), wording.LocalStamp(x.To, zone))
	switch {
	case x.Kind == reports.Correction:
		c.printf("A report that was written gets its new revision within a minute, while the daemon runs.\n")
	case x.DeclaredAt.After(x.From):
		c.printf("It has begun already, so no figure leaves it out; keepwatch correct add can, with a second person.\n")
	default:
		return c.tellCeiling(ctx, db, f, x)
	}
	return nil
}

// tellCeiling says how much of a new window the week still takes.
func (c *cli) tellCeiling(ctx context.Context, db *postgres.DB, f *config.File, x reports.Exclusion) error {
	zone := f.Reports.TimeZone
	first, last := reports.WeekOf(x.From, zone), reports.WeekOf(x.To, zone)
	all, err := postgres.Exclusions{DB: db}.Touching(ctx, []string{x.Service}, first.From, last.To)
	if err != nil {
		return err
	}
	counted := reports.Counted(all, reports.Window{Zone: zone, From: x.From, To: x.To}, f.Reports.MaxMaintenance)
	if declared := x.To.Sub(x.From); counted < declared {
		c.printf("%s of its %s are left out of the figures: a week takes %s in all.\n", wording.Brief(counted), wording.Brief(declared), wording.Brief(f.Reports.MaxMaintenance))
	}
	return nil
}

// exclusionLine is one line of `maintenance list --format json`; the names are a promise.
type exclusionLine struct {
	ID        int64  `json:"id"`
	Service   string `json:"service"`
	Kind      string `json:"kind"`
	From      string `json:"from"`
	To        string `json:"to"`
	Declared  string `json:"declared"`
	By        string `json:"by"`
	Approver  string `json:"approver"`
	Reason    string `json:"reason"`
	Cancelled string `json:"cancelled"`
}

func (c *cli) exclusionListCommand(kind string) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "list", Short: "List what was declared in the last 100 days and is to come", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadFor(cmd, format)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				now := time.Now().UTC()
				all, err := postgres.Exclusions{DB: db}.Touching(cmd.Context(), nil, now.AddDate(0, 0, -100), now.AddDate(50, 0, 0))
				if err != nil {
					return err
				}
				return c.listExclusions(all, kind, format, f.Reports.TimeZone)
			})
		},
	}
	addFormat(cmd, &format)
	return cmd
}

func (c *cli) listExclusions(all []reports.Exclusion, kind, format string, zone *time.Location) error {
	none := true
	for _, x := range all {
		if x.Kind != kind {
			continue
		}
		none = false
		if format == "json" {
			err := json.NewEncoder(c.out).Encode(exclusionLine{
				x.ID, x.Service, x.Kind, wording.Stamp(x.From), wording.Stamp(x.To), wording.Stamp(x.DeclaredAt), x.Author, x.Approver, x.Reason, wording.Stamp(x.Cancelled),
			})
			if err != nil {
				return err
			}
			continue
		}
		line := fmt.Sprintf("%d  %s  %s to %s  by %s", x.ID, x.Service, wording.LocalStamp(x.From, zone), wording.LocalStamp(x.To, zone), x.Author)
		if x.Approver != "" {
			line += ", approved by " + x.Approver
		}
		if !x.Cancelled.IsZero() {
			line += ", cancelled " + wording.LocalStamp(x.Cancelled, zone)
		}
		c.printf("%s: %s\n", line, x.Reason)
	}
	if none && format == "text" {
		c.printf("nothing was declared\n")
	}
	return nil
}

func (c *cli) exclusionCancelCommand(kind string) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "cancel ID", Short: "Take one back: it counts again from now on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usageError{fmt.Errorf("%q is not the number of one (see list)", args[0])}
			}
			if by == "" {
				return usageError{errors.New("--by is missing")}
			}
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				return c.cancelExclusion(cmd.Context(), db, kind, id, by)
			})
		},
	}
	addBy(cmd, &by)
	return cmd
}

func (c *cli) cancelExclusion(ctx context.Context, db *postgres.DB, kind string, id int64, by string) error {
	store, now := postgres.Exclusions{DB: db}, time.Now().UTC()
	x, err := store.Get(ctx, id)
	switch {
	case errors.Is(err, postgres.ErrNoExclusion) || err == nil && (x.Kind != kind || !x.Cancelled.IsZero()):
		return fmt.Errorf("there is no %s %d to cancel", kindWord(kind), id)
	case err != nil:
		return err
	case kind == reports.Planned && !x.To.After(now):
		return fmt.Errorf("maintenance %d is over: its report leaves it out, as was announced", id)
	}
	if err := store.Cancel(ctx, id, by, now); err != nil {
		return err
	}
	c.printf("%s %d of %s is cancelled\n", kindWord(kind), id, x.Service)
	return nil
}

func kindWord(kind string) string {
	if kind == reports.Correction {
		return "correction"
	}
	return "maintenance"
}
