package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/ownprobe"
	"keepwatch/config"
	"keepwatch/history"
	"keepwatch/postgres"
	"keepwatch/probe"
)

// importFlags are what both kinds of probe logs can be told.
type importFlags struct {
	check, location, label, zone string
	skipBad, dryRun              bool
}

func (c *cli) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import", Short: "Bring in what others recorded: old probe logs and access logs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.importJTLCommand(), c.importCSVCommand(), c.importALBCommand())
	return cmd
}

func (c *cli) importJTLCommand() *cobra.Command {
	var o importFlags
	cmd := &cobra.Command{
		Use: "jtl FILE...", Short: "Import JMeter's results of a check from a location", Args: cobra.MinimumNArgs(1),
		Long: `Import results that JMeter wrote as CSV, with or without a header. Each line is an attempt; it
belongs to the slot that holds its time stamp, and the last attempt of a slot decides.
Importing twice is importing once. See docs/history.md.`,
		Example: "  keepwatch import jtl west-*.jtl --check front-page --location west",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.check == "" || o.location == "" {
				return usageError{errors.New("import jtl needs --check and --location: the files do not say what was looked at, and from where")}
			}
			return c.importProbes(cmd, args, o, history.NewJTL)
		},
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.label, "label", "", "only JMeter's samples of this label (default: all)")
	return cmd
}

func (c *cli) importCSVCommand() *cobra.Command {
	var o importFlags
	cmd := &cobra.Command{
		Use: "csv FILE...", Short: "Import probe results from plain CSV", Args: cobra.MinimumNArgs(1),
		Long: `Import probe results with the columns time, check, location, outcome (good, bad, unknown),
latency_ms, code and message. See docs/history.md.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.importProbes(cmd, args, o, history.NewCSV)
		},
	}
	o.add(cmd)
	return cmd
}

func (o *importFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.check, "check", "", "the check that the results are of")
	f.StringVar(&o.location, "location", "", "the location that they were made from")
	f.StringVar(&o.zone, "zone", "UTC", "IANA zone of times that name none, such as America/Los_Angeles")
	f.BoolVar(&o.skipBad, "skip-bad", false, "leave out lines that cannot be read; without it nothing is imported when there are any")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be imported, and change nothing")
}

// openReader makes a reader of one kind of log.
type openReader func(io.Reader, history.Options) (*history.Reader, error)

func (c *cli) importProbes(cmd *cobra.Command, paths []string, o importFlags, open openReader) error {
	f, err := c.load(cmd)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(o.zone)
	if err != nil || o.zone == "Local" {
		return usageError{fmt.Errorf("--zone: %q is no IANA zone (write it like America/Los_Angeles)", o.zone)}
	}
	logs := &probeLogs{
		open: open, out: c,
		o: history.Options{Zone: zone, Now: time.Now().UTC(), Check: o.check, Location: o.location, Label: o.label},
	}
	if logs.checks, err = importable(f); err != nil {
		return err
	}
	if why := logs.wrong(history.Series{Check: o.check, Location: o.location}); why != "" && (o.check != "" || o.location != "") {
		return fmt.Errorf("%s", why)
	}
	if err := logs.find(paths); err != nil {
		return err
	}
	if err := logs.look(o.skipBad); err != nil {
		return err
	}
	return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
		b := &bringing{logs: logs, store: &postgres.Results{DB: db}, db: db, dryRun: o.dryRun, zone: f.Reports.TimeZone, out: c}
		return b.all(cmd.Context())
	})
}

// importable are the checks that results may be of, as the history knows them.
func importable(f *config.File) (map[string]*probe.Check, error) {
	own, err := ownprobe.New(f, false)
	if err != nil {
		own = nil // nothing is asked here, so no key is needed
	}
	checks, err := f.ProbeChecks(own.Env(probe.Env{Beats: &probe.Beats{}}))
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*probe.Check, len(checks))
	for i := range checks {
		byName[checks[i].Name] = &checks[i]
	}
	return byName, nil
}

// wrong says why results of a series cannot count; "" when they can. Either name
// may be empty: then it is not known yet.
func (l *probeLogs) wrong(s history.Series) string {
	if s.Check == "" {
		return ""
	}
	check, ok := l.checks[s.Check]
	if !ok {
		var names []string
		for name := range l.checks {
			names = append(names, name)
		}
		slices.Sort(names)
		return fmt.Sprintf("there is no check %q (the file has %s)", s.Check, strings.Join(names[:min(len(names), 12)], ", "))
	}
	if s.Location != "" && !slices.Contains(check.Locations, s.Location) {
		return fmt.Sprintf("check %s does not look from %q but from %s: its results would not count (add the location to the check first)",
			check.Name, s.Location, strings.Join(check.Locations, ", "))
	}
	return ""
}
