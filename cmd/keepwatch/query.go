package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/web"
)

// incidentLine is one line of `incidents --format json`; the names are a promise.
type incidentLine struct {
	ID           string   `json:"id"`
	Service      string   `json:"service"`
	Opened       string   `json:"opened"`
	Acknowledged string   `json:"acknowledged"`
	AckBy        string   `json:"ack_by"`
	Resolved     string   `json:"resolved"`
	State        string   `json:"state"`
	Checks       []string `json:"checks"`
	Pages        []string `json:"pages"`
}

func (c *cli) incidentsCommand() *cobra.Command {
	var format string
	var limit int
	var open bool
	cmd := &cobra.Command{
		Use: "incidents", Short: "List incidents, newest first, with who acknowledged and how each page stands", Args: cobra.NoArgs,
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
			if open {
				if err := c.listOpen(cmd.Context(), f, format); err == nil {
					return nil
				}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				return c.listIncidents(cmd.Context(), f, postgres.Incidents{DB: db}, listing{limit, open, format})
			})
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most")
	cmd.Flags().BoolVar(&open, "open", false, "only open ones, as the daemon knows them, even while the database is away")
	cmd.AddCommand(c.postmortemCommand())
	cmd.AddCommand(c.deeds()...)
	return cmd
}

// postmortemCommand writes what is known of one incident, for people to finish.
func (c *cli) postmortemCommand() *cobra.Command {
	return &cobra.Command{
		Use: "postmortem ID", Short: "Write an incident's facts and timeline as Markdown", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				store, ctx := postgres.Incidents{DB: db}, cmd.Context()
				inc, err := store.Get(ctx, args[0])
				if errors.Is(err, alerting.ErrNotFound) {
					return fmt.Errorf("no incident %q (keepwatch incidents lists them)", args[0])
				}
				if err != nil {
					return err
				}
				entries, err := store.Timeline(ctx, inc.ID)
				if err != nil {
					return err
				}
				pages, err := store.Pages(ctx, inc.ID)
				if err != nil {
					return err
				}
				c.printf("%s", alerting.Postmortem(inc, entries, pages, f.Reports.TimeZone))
				return nil
			})
		},
	}
}

// listing is how incidents are listed.
type listing struct {
	limit  int
	open   bool // only open ones
	format string
}

func (c *cli) listIncidents(ctx context.Context, f *config.File, store postgres.Incidents, l listing) error {
	list, err := store.List(ctx, "", l.limit)
	if l.open {
		list, err = store.OpenIncidents(ctx)
	}
	if err != nil {
		return err
	}
	if len(list) == 0 && l.format == "text" {
		c.printf("no incidents\n")
	}
	for _, in := range list {
		pages, err := store.Pages(ctx, in.ID)
		if err != nil {
			return err
		}
		facts := web.FactsOf(web.IncidentStatus{Incident: in, Pages: pages}, f.Reports.TimeZone)
		if l.format == "json" {
			if err := json.NewEncoder(c.out).Encode(lineOf(facts)); err != nil {
				return err
			}
			continue
		}
		c.printIncident(f, facts, false)
	}
	return nil
}
