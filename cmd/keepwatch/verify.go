package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/reporting"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
)

// errDiffers makes the command exit with 1.
var errDiffers = errors.New("what is stored is not what the results say: keep the database as it is and look at what changed it")

// reportVerifyCommand compares what is stored with what the results say.
func (c *cli) reportVerifyCommand() *cobra.Command {
	var o reportFlags
	cmd := &cobra.Command{
		Use: "verify", Short: "Recompute the figures of a window from single results and compare", Args: cobra.NoArgs,
		Long: `Fold every day of a window from its single results, or from their archive, and compare
verdicts, spans of each location, facts and latencies with what is stored, to the millisecond. Prints
each difference and exits with 1 when there is one. Without a window it is the week before this one.
It only reads, and may run beside the daemon.`,
		Example: `  keepwatch report verify --week 2026-W47
  keepwatch report verify --from 2026-11-01 --to 2026-12-01`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			w, err := o.verified(f, time.Now())
			if err != nil {
				return usageError{err}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				return c.verify(cmd.Context(), db, f, w, o.service)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.week, "week", "", "ISO week like 2026-W47 (default: the one before this)")
	f.StringVar(&o.from, "from", "", "beginning of any window; with --to")
	f.StringVar(&o.to, "to", "", "its end, not included")
	f.StringVar(&o.service, "service", "", "only this service (default: all)")
	return cmd
}

// verified is the window to verify.
func (o *reportFlags) verified(f *config.File, now time.Time) (reports.Window, error) {
	if o.week == "" && o.from == "" && o.to == "" {
		o.week = reports.WeekBefore(now, f.Reports.TimeZone).String()
	}
	if o.service != "" {
		if err := knownService(f, o.service); err != nil {
			return reports.Window{}, fmt.Errorf("--service: %w", err)
		}
	}
	return o.window(f.Reports.TimeZone, now)
}

// verify prints what differs.
func (c *cli) verify(ctx context.Context, db *postgres.DB, f *config.File, w reports.Window, service string) error {
	store := postgres.Reports{DB: db}
	to := w.To
	if now := time.Now(); now.Before(to) {
		to = now // days to come do not wait to be folded
	}
	v, err := store.Verify(ctx, checksToVerify(f, service), w.From, to)
	if err != nil {
		return err
	}
	frozen, err := verifyWritten(ctx, db, f, w, service)
	if err != nil {
		return err
	}
	for _, d := range append(v.Differences, frozen...) {
		c.printf("%s\n", d)
	}
	n := len(v.Differences) + len(frozen)
	c.printf("%s: %d days of checks compared, %d not folded yet, %d differences\n", w.Title, v.Days, v.Waiting, n)
	if n > 0 {
		return errDiffers
	}
	return nil
}

// checksToVerify are those of a service, or all that the configuration names.
func checksToVerify(f *config.File, service string) []string {
	var checks []string
	for _, s := range f.ReportServices() {
		if s.Name != service {
			continue
		}
		checks = append(checks, s.Critical...)
		for _, g := range s.Redundant {
			checks = append(checks, g.Of...)
		}
	}
	for _, c := range f.Checks {
		if service == "" {
			checks = append(checks, c.Name)
		}
	}
	slices.Sort(checks)
	return slices.Compact(checks)
}

// verifyWritten makes a written week's report again and compares its figures.
func verifyWritten(ctx context.Context, db *postgres.DB, f *config.File, w reports.Window, service string) ([]string, error) {
	if w.Kind != reports.KindWeek {
		return nil, nil
	}
	store := postgres.Reports{DB: db}
	written, err := reporting.WrittenWeek(ctx, store, w.Week, 0)
	if errors.Is(err, reports.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	again, err := reports.MakeWindow(ctx, store, w, reporting.WholeSettings(f, db, version), time.Now())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range written.Services {
		i := slices.IndexFunc(again.Services, func(b reports.ServiceReport) bool { return b.Name == a.Name })
		if i < 0 || service != "" && service != a.Name {
			continue // it is not in the configuration any more
		}
		b := again.Services[i]
		got, want := [4]int64{a.GoodMs, a.BadMs, a.UnknownMs, a.ExcludedMs}, [4]int64{b.GoodMs, b.BadMs, b.UnknownMs, b.ExcludedMs}
		if got != want {
			out = append(out, fmt.Sprintf("%s %s: revision %d says good, bad, unknown and excluded ms are %v, the results say %v (the next revision will)",
				written.Week, a.Name, written.Revision, got, want))
		}
	}
	return out, nil
}
