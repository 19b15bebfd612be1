package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/alerting"
	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/postgres"
)

func (c *cli) silenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "silence", Short: "Page nobody about something for a while: add, list or end silences", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.silenceAdd(), c.silenceList(), c.silenceEnd())
	return cmd
}

func (c *cli) silenceAdd() *cobra.Command {
	var s alerting.Silence
	var long time.Duration
	var from, to string
	cmd := &cobra.Command{
		Use: "add --service S --for 2h --reason WHY", Short: "Make a silence: incidents are recorded, but page nobody", Args: cobra.NoArgs,
		Long: `Make a silence. Incidents are opened and recorded all the same, but page nobody; those
that are still open when it ends page then. A name may hold * for any letters. The running daemon follows within seconds.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			if err := readSilence(f, &s, from, to, long); err != nil {
				return usageError{err}
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				made, err := postgres.Silences{DB: db}.Add(cmd.Context(), s)
				if err != nil {
					return err
				}
				c.printSilence(f, made)
				return c.audited(cmd.Context(), db, "silence", made.By, made.ID,
					fmt.Sprintf("%s from %s to %s: %s", aim(made), wording.Stamp(made.From), wording.Stamp(made.To), made.Reason))
			})
		},
	}
	cmd.Flags().StringVar(&s.Service, "service", "", "name of the service")
	cmd.Flags().StringVar(&s.Check, "check", "", "name of the check, or of the alarm")
	cmd.Flags().StringVar(&s.Location, "location", "", "name of the location")
	cmd.Flags().StringVar(&s.Reason, "reason", "", "why; everybody can read it")
	cmd.Flags().DurationVar(&long, "for", 0, "how long from its beginning")
	cmd.Flags().StringVar(&from, "from", "now", "beginning: RFC 3339, or a local time of reports.time_zone")
	cmd.Flags().StringVar(&to, "to", "", "end, not included, instead of --for")
	addBy(cmd, &s.By)
	return cmd
}

// readSilence checks what a silence is made of.
func readSilence(f *config.File, s *alerting.Silence, from, to string, long time.Duration) (err error) {
	s.Created = time.Now().UTC()
	if s.From, err = parseInstant(from, f.Reports.TimeZone); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	s.To = s.From.Add(long)
	if to != "" {
		if s.To, err = parseInstant(to, f.Reports.TimeZone); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
	}
	known := map[string]bool{}
	for _, v := range f.Services {
		known["service "+v.Name] = true
	}
	for _, v := range f.Checks {
		known["check "+v.Name] = true
	}
	for _, v := range f.Locations {
		known["location "+v.Name] = true
	}
	unknown := func(kind, name string) bool {
		return name != "" && !strings.Contains(name, "*") && !known[kind+" "+name]
	}
	switch {
	case s.By == "":
		return errors.New("say who you are (--by NAME)")
	case s.Reason == "":
		return errors.New("say why (--reason WHY): somebody will wonder")
	case s.Service == "" && s.Check == "" && s.Location == "":
		return errors.New("say what is to be silent (--service, --check, --location)")
	case !s.From.Before(s.To):
		return errors.New("say how long (--for 2h, or --to TIME after its beginning)")
	case s.To.Sub(s.From) > 31*24*time.Hour:
		return errors.New("a silence of more than 31 days hides an outage for good: use a maintenance window in the file")
	case unknown("service", s.Service):
		return fmt.Errorf("no service %q in the file", s.Service)
	case unknown("location", s.Location):
		return fmt.Errorf("no location %q in the file", s.Location)
	}
	return nil // a check may be the name of an alarm
}

// aim says what a silence is about.
func aim(s alerting.Silence) string {
	var parts []string
	for _, p := range []struct{ kind, name string }{{"service", s.Service}, {"check", s.Check}, {"location", s.Location}} {
		if p.name != "" {
			parts = append(parts, p.kind+" "+p.name)
		}
	}
	return strings.Join(parts, ", ")
}

func (c *cli) printSilence(f *config.File, s alerting.Silence) {
	zone := f.Reports.TimeZone
	if zone == nil {
		zone = time.UTC
	}
	ended := ""
	if !s.Ended.IsZero() {
		ended = fmt.Sprintf("  ended %s by %s", wording.LocalStamp(s.Ended, zone), s.EndedBy)
	}
	c.printf("%-5s %-24s %s – %s  by %s: %s%s\n", s.ID, aim(s), wording.LocalStamp(s.From, zone), wording.LocalStamp(s.To, zone), s.By, s.Reason, ended)
}

// silenceLine is one line of `silence list --format json`; the names are a promise.
type silenceLine struct {
	ID       string `json:"id"`
	Service  string `json:"service"`
	Check    string `json:"check"`
	Location string `json:"location"`
	From     string `json:"from"`
	To       string `json:"to"`
	By       string `json:"by"`
	Reason   string `json:"reason"`
	Ended    string `json:"ended"`
	EndedBy  string `json:"ended_by"`
}

func (c *cli) silenceList() *cobra.Command {
	var format string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List silences that hold or will hold", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadFor(cmd, format)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				since := time.Now()
				if all {
					since = since.AddDate(-1, 0, 0)
				}
				list, err := postgres.Silences{DB: db}.List(cmd.Context(), since)
				if err != nil {
					return err
				}
				return c.printSilences(f, list, all, format)
			})
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().BoolVar(&all, "all", false, "those of the last year too")
	return cmd
}

func (c *cli) printSilences(f *config.File, list []alerting.Silence, all bool, format string) error {
	shown := 0
	for _, s := range list {
		if !all && !s.Ended.IsZero() {
			continue
		}
		shown++
		if format == "text" {
			c.printSilence(f, s)
			continue
		}
		line := silenceLine{s.ID, s.Service, s.Check, s.Location, wording.Stamp(s.From), wording.Stamp(s.To), s.By, s.Reason, wording.Stamp(s.Ended), s.EndedBy}
		if err := json.NewEncoder(c.out).Encode(line); err != nil {
			return err
		}
	}
	if shown == 0 && format == "text" {
		c.printf("no silences\n")
	}
	return nil
}

func (c *cli) silenceEnd() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "end ID", Short: "End a silence now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if by == "" {
				return usageError{errors.New("say who you are (--by NAME)")}
			}
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				done, err := postgres.Silences{DB: db}.End(cmd.Context(), args[0], by, time.Now().UTC())
				if err != nil {
					return err
				}
				if !done {
					return fmt.Errorf("no silence %q that still holds (keepwatch silence list)", args[0])
				}
				c.printf("silence %s has ended\n", args[0])
				return c.audited(cmd.Context(), db, "silence ended", by, args[0], "")
			})
		},
	}
	addBy(cmd, &by)
	return cmd
}
