package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/postgres"
)

// audited writes into the audit log what a command did in the database itself. by
// is who it is done for; the user of this machine is noted when that is another.
func (c *cli) audited(ctx context.Context, db *postgres.DB, what, by, object, detail string) error {
	if user := osUser(); user != "" && user != by {
		detail = joinDetail("typed by "+user, detail)
	}
	err := postgres.Audit{DB: db}.Add(ctx, postgres.AuditEntry{At: time.Now().UTC(), Who: by, What: what, Object: object, Detail: detail})
	if err != nil {
		return fmt.Errorf("it is done, but not in the audit log: %w", err)
	}
	return nil
}

func joinDetail(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

// auditLine is one line of `audit --format json`; the names are a promise.
type auditLine struct {
	At     string `json:"at"`
	Who    string `json:"who"`
	What   string `json:"what"`
	Object string `json:"object"`
	Detail string `json:"detail"`
}

func (c *cli) auditCommand() *cobra.Command {
	var format, since, object string
	var limit int
	cmd := &cobra.Command{
		Use: "audit", Short: "Who changed what: acknowledgements, notes, silences, overrides, pages by hand, corrections", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if err := checkLimit(limit, 100_000); err != nil {
				return err
			}
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			from, err := sinceOf(since, f.Reports.TimeZone)
			if err != nil {
				return usageError{fmt.Errorf("--since: %w", err)}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				list, err := postgres.Audit{DB: db}.List(cmd.Context(), object, from, limit)
				if err != nil {
					return err
				}
				return c.printAudit(list, format)
			})
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().StringVar(&since, "since", "720h", "how far back (24h), or since when (2026-11-01)")
	cmd.Flags().StringVar(&object, "object", "", "only of this incident, rotation, silence … (default: all)")
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at most")
	return cmd
}

func (c *cli) printAudit(list []postgres.AuditEntry, format string) error {
	for _, e := range list {
		if format == "text" {
			c.printf("%s  %-10s %-14s %s  %s\n", wording.Stamp(e.At), e.Who, e.What, e.Object, e.Detail)
			continue
		}
		if err := json.NewEncoder(c.out).Encode(auditLine{wording.Stamp(e.At), e.Who, e.What, e.Object, e.Detail}); err != nil {
			return err
		}
	}
	if len(list) == 0 && format == "text" {
		c.printf("nothing was changed\n")
	}
	return nil
}

// sinceOf reads "24h" or an instant.
func sinceOf(text string, zone *time.Location) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return time.Now().Add(-d).UTC(), nil
	}
	return parseInstant(text, zone)
}
