package main

import (
	"errors"
	"fmt"
	"net/mail"

	"github.com/spf13/cobra"

	"keepwatch/postgres"
	"keepwatch/reports"
)

// reportSendCommand sends a written report by hand.
func (c *cli) reportSendCommand() *cobra.Command {
	var week, to string
	var revision int
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
			if week == "" {
				return usageError{errors.New("report send needs --week: which week (keepwatch report list shows what was written)")}
			}
			w, err := reports.ParseWeek(week, f.Reports.TimeZone)
			if err != nil {
				return usageError{fmt.Errorf("--week: %w", err)}
			}
			if a, err := mail.ParseAddress(to); to != "" && (err != nil || a.Address != to) {
				return usageError{fmt.Errorf("--to: %q is not an e-mail address (write it like boss@example.com)", to)}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				r, err := writtenWeek(cmd.Context(), postgres.Reports{DB: db}, w, revision)
				if errors.Is(err, reports.ErrNotFound) {
					return fmt.Errorf("the report of %s was not written yet (keepwatch report list shows what was)", week)
				}
				if err != nil {
					return err
				}
				outcomes, err := sendReport(cmd.Context(), db, f, r, to)
				if err != nil {
					return err
				}
				failed := 0
				for _, o := range outcomes {
					again := ""
					if o.Before {
						again = ", again"
					}
					if o.Err != nil {
						failed++
						c.printf("%s: not sent: %v\n", o.Recipient, o.Err)
						continue
					}
					c.printf("%s: sent revision %d of %s%s\n", o.Recipient, r.Revision, r.Week, again)
				}
				if failed > 0 {
					return quietError{fmt.Errorf("%d of %d did not get it", failed, len(outcomes))}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&week, "week", "", "ISO week like 2026-W47")
	cmd.Flags().StringVar(&to, "to", "", "only to this address")
	cmd.Flags().IntVar(&revision, "revision", 0, "of the week (default: the newest)")
	return cmd
}
