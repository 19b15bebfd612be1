package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/alerting"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/web"
)

// deeds are the commands below `incidents` that change an incident.
func (c *cli) deeds() []*cobra.Command {
	return []*cobra.Command{
		c.showCommand(), c.ackCommand("ack"), c.deed(web.VerbUnack, "unack [ID]", "Give an acknowledged incident back: the escalation starts anew"),
		c.deed(web.VerbResolve, "resolve [ID]", "Close an incident by hand; while checks fail it stays down, but pages nobody"),
		c.noteCommand(), c.silenceOne(),
	}
}

// ackCommand stands at the top too: it is what is typed in the night.
func (c *cli) ackCommand(use string) *cobra.Command {
	return c.deed(web.VerbAck, use+" [ID]", "Acknowledge an incident: the escalation stops")
}

// deed is a command that does something to one incident. Without an ID it is the
// only open one.
func (c *cli) deed(verb web.Verb, use, short string) *cobra.Command {
	var by, text string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.act(cmd, verb, first(args), web.ActBody{By: by, Text: text})
		},
	}
	addBy(cmd, &by)
	cmd.Flags().StringVar(&text, "text", "", "a note for the timeline")
	return cmd
}

func (c *cli) noteCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "note ID TEXT", Short: "Write a line into the timeline of an open incident", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.act(cmd, web.VerbNote, args[0], web.ActBody{By: by, Text: strings.Join(args[1:], " ")})
		},
	}
	addBy(cmd, &by)
	return cmd
}

func (c *cli) silenceOne() *cobra.Command {
	var by, text, long string
	cmd := &cobra.Command{
		Use: "silence [ID] --for 2h", Short: "Page nobody about an incident's service for a while", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.act(cmd, web.VerbSilence, first(args), web.ActBody{By: by, Text: text, For: long})
		},
	}
	addBy(cmd, &by)
	cmd.Flags().StringVar(&text, "reason", "", "why; everybody can read it")
	cmd.Flags().StringVar(&long, "for", "1h", "how long, at most 168h")
	return cmd
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// act has the daemon do something and prints how the incident stands then.
func (c *cli) act(cmd *cobra.Command, verb web.Verb, id string, body web.ActBody) error {
	if body.By == "" {
		return usageError{errors.New("say who you are (--by NAME)")}
	}
	f, err := c.load(cmd)
	if err != nil {
		return err
	}
	r, err := c.remote(f)
	if err != nil {
		return err
	}
	if id == "" {
		if id, err = onlyOne(cmd.Context(), r, verb); err != nil {
			return err
		}
	}
	var got web.IncidentFacts
	if err := r.call(cmd.Context(), http.MethodPost, "/api/v1/incidents/"+url.PathEscape(id)+"/"+string(verb), body, &got); err != nil {
		return fmt.Errorf("%s %s: %w", verb, id, err)
	}
	c.printIncident(f, got, false)
	return nil
}

// onlyOne is the incident that is meant when no ID is given.
func onlyOne(ctx context.Context, r *remote, verb web.Verb) (string, error) {
	list, _, err := r.incidents(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, in := range list {
		if in.State == string(alerting.Resolved) || verb == web.VerbAck && in.State == string(alerting.Acknowledged) {
			continue
		}
		ids = append(ids, in.ID)
	}
	switch len(ids) {
	case 0:
		return "", errors.New("there is no open incident to " + string(verb))
	case 1:
		return ids[0], nil
	}
	return "", usageError{fmt.Errorf("%d incidents are open, say which: %s", len(ids), strings.Join(ids, ", "))}
}

func (c *cli) showCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one incident with its pages and its timeline", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := c.loadFor(cmd, format)
			if err != nil {
				return err
			}
			got, err := c.incident(cmd.Context(), f, args[0])
			if err != nil {
				return err
			}
			if format == "json" {
				return json.NewEncoder(c.out).Encode(got)
			}
			c.printIncident(f, got, true)
			return nil
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// incident asks the daemon, which knows open ones even without a database, and
// else the database.
func (c *cli) incident(ctx context.Context, f *config.File, id string) (web.IncidentFacts, error) {
	var got web.IncidentFacts
	r, err := c.remote(f)
	if err == nil {
		err = r.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(id), nil, &got)
	}
	if err == nil {
		return got, nil
	}
	err = c.withDatabase(ctx, f, func(db *postgres.DB) error {
		st, err := readIncident(ctx, postgres.Incidents{DB: db}, id)
		got = web.FactsOf(st, nil)
		return err
	})
	return got, err
}

// readIncident reads an incident with its pages and timeline.
func readIncident(ctx context.Context, store postgres.Incidents, id string) (st web.IncidentStatus, err error) {
	st.Incident, err = store.Get(ctx, id)
	if errors.Is(err, alerting.ErrNotFound) {
		return st, fmt.Errorf("no incident %q (keepwatch incidents lists them)", id)
	}
	if err != nil {
		return st, err
	}
	if st.Timeline, err = store.Timeline(ctx, id); err != nil {
		return st, err
	}
	st.Pages, err = store.Pages(ctx, id)
	return st, err
}

// printIncident prints an incident in lines; whole adds its timeline.
func (c *cli) printIncident(f *config.File, in web.IncidentFacts, whole bool) {
	zone := f.Reports.TimeZone
	if zone == nil {
		zone = time.UTC
	}
	c.printf("%s  %s  %s\n", in.ID, in.State, in.Summary)
	if in.Since != "" {
		line := "    since " + inZone(in.Since, zone)
		if in.AckBy != "" {
			line += ", acknowledged by " + in.AckBy + " at " + inZone(in.Acknowledged, zone)
		} else if in.Resolved == "" {
			line += ", nobody has acknowledged"
		}
		if in.Resolved != "" {
			line += ", resolved " + inZone(in.Resolved, zone)
		}
		c.printf("%s\n", line)
	}
	for _, p := range in.Pages {
		c.printf("    %s\n", pageLine(p))
	}
	if !whole {
		return
	}
	for _, e := range in.Timeline {
		who := e.Person
		if who != "" {
			who += ": "
		}
		c.printf("  %s  %-12s %s%s\n", inZone(e.At, zone), e.Kind, who, e.Text)
	}
}

// pageLine says what, to whom, through which channel, and how it stands.
func pageLine(p web.PageFacts) string {
	who := p.Person
	if who == "" {
		who = "on call"
	}
	return fmt.Sprintf("%s %s via %s: %s", p.Action, who, p.Channel, p.Status)
}

// inZone is an instant of the API for people.
func inZone(text string, zone *time.Location) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "–"
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// listOpen prints what the daemon holds open, while the database cannot be asked.
func (c *cli) listOpen(ctx context.Context, f *config.File, format string) error {
	r, err := c.remote(f)
	if err != nil {
		return err
	}
	list, trouble, err := r.incidents(ctx)
	if err != nil {
		return err
	}
	if trouble != "" {
		fmt.Fprintln(c.errOut, "warning: "+trouble+"; only open incidents are listed")
	}
	list = slices.DeleteFunc(list, func(in web.IncidentFacts) bool { return in.State == string(alerting.Resolved) })
	for _, in := range list {
		if format == "json" {
			if err := json.NewEncoder(c.out).Encode(lineOf(in)); err != nil {
				return err
			}
			continue
		}
		c.printIncident(f, in, false)
	}
	if len(list) == 0 && format == "text" {
		c.printf("no open incidents\n")
	}
	return nil
}

// lineOf is the line of `incidents --format json`.
func lineOf(in web.IncidentFacts) incidentLine {
	line := incidentLine{
		ID: in.ID, Service: in.Service, Opened: in.Opened, Acknowledged: in.Acknowledged, AckBy: in.AckBy,
		Resolved: in.Resolved, State: in.State, Checks: in.Checks, Pages: []string{},
	}
	for _, p := range in.Pages {
		line.Pages = append(line.Pages, pageLine(p))
	}
	return line
}
