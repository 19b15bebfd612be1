package main

import (
	"errors"
	"fmt"
	"net/mail"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/reporting"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/reports/courier"
)

// sendFlags say which report goes to whom.
type sendFlags struct {
	week, to string
	revision int
}

// reportSendCommand sends a written report by hand.
func (c *cli) reportSendCommand() *cobra.Command {
	var o sendFlags
	cmd := &cobra.Command{
		Use: "send", Short: "Send a written week's report now, to everybody or to one address", Args: cobra.NoArgs,
		Long: `Send the report of a written week now: to the addresses of reports.to and to reports.webhooks, or with
--to to that address only. What was sent before is sent again. It is tried once; the outcome of each is printed,
and the exit status is 1 when one did not get it.`,
		Example: `  keepwatch report send --week 2026-W47
  keepwatch report send --week 2026-W47 --to boss@example.com`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			w, err := o.read(f)
			if err != nil {
				return usageError{err}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				r, err := reporting.WrittenWeek(cmd.Context(), postgres.Reports{DB: db}, w, o.revision)
				if errors.Is(err, reports.ErrNotFound) {
					return fmt.Errorf("the report of %s was not written yet (keepwatch report list shows what was)", o.week)
				}
				if err != nil {
					return err
				}
				outcomes, err := reporting.Send(cmd.Context(), db, f, r, o.to)
				if err != nil {
					return err
				}
				return c.printOutcomes(r, outcomes)
			})
		},
	}
	cmd.Flags().StringVar(&o.week, "week", "", "ISO week like 2026-W47")
	cmd.Flags().StringVar(&o.to, "to", "", "only to this address")
	cmd.Flags().IntVar(&o.revision, "revision", 0, "of the week (default: the newest)")
	return cmd
}

// read checks the flags and returns the week.
func (o sendFlags) read(f *config.File) (reports.Week, error) {
	if o.week == "" {
		return reports.Week{}, errors.New("report send needs --week: which week (keepwatch report list shows what was written)")
	}
	w, err := reports.ParseWeek(o.week, f.Reports.TimeZone)
	if err != nil {
		return w, fmt.Errorf("--week: %w", err)
	}
	if a, err := mail.ParseAddress(o.to); o.to != "" && (err != nil || a.Address != o.to) {
		return w, fmt.Errorf("--to: %q is not an e-mail address (write it like boss@example.com)", o.to)
	}
	return w, nil
}

// printOutcomes says of each recipient how it went; the error says that one did not get it.
func (c *cli) printOutcomes(r reports.Report, outcomes []courier.Outcome) error {
	failed := 0
	for _, o := range outcomes {
		switch {
		case o.Err != nil:
			failed++
			c.printf("%s: not sent: %v\n", o.Recipient, o.Err)
		case o.Before:
			c.printf("%s: sent revision %d of %s again\n", o.Recipient, r.Revision, r.Week)
		default:
			c.printf("%s: sent revision %d of %s\n", o.Recipient, r.Revision, r.Week)
		}
	}
	if failed > 0 {
		return quietError{fmt.Errorf("%d of %d did not get it", failed, len(outcomes))}
	}
	return nil
}
