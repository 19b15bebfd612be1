package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/simulation"
	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/simulate"
)

// simulated is one command line of `keepwatch simulate`.
type simulated struct {
	*cli
	file   string // the scenario
	weeks  int
	format string
	out    string // directory; "" is the terminal
}

func (c *cli) simulateCommand() *cobra.Command {
	s := &simulated{cli: c}
	cmd := &cobra.Command{
		Use: "simulate --scenario FILE", Short: "Live through the weeks of a scenario in minutes, and print their reports", Args: cobra.NoArgs,
		Long: `Runs the prober, the alerting engine, the ledger and the report writer of the daemon
through weeks of scripted outages, maintenance, absences of the monitor and changes of
the clock, over a Postgres of its own, in a compressed clock. Nothing is asked over
the network and nobody is paged. docs/simulate.md shows what a scenario can say.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			weeks, err := simulation.Read(s.file, s.weeks, version, s.errOut)
			if err != nil {
				return err
			}
			if dsn := os.Getenv(simulation.Env); dsn != "" {
				return weeks.Inside(dsn)
			}
			return weeks.Run(cmd.Context(), func(ctx context.Context, store postgres.Reports) error {
				return s.print(ctx, store, weeks.Zone().String())
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.file, "scenario", "", "the scenario's file")
	flags.IntVar(&s.weeks, "weeks", 5, "how many weeks, from the scenario's first")
	flags.StringVar(&s.format, "format", "text", "how to print the reports: "+reportFormats())
	flags.StringVar(&s.out, "out", "", "write one file a week into this directory instead")
	return cmd
}

// reportFormats names the formats of a report.
func reportFormats() string {
	var names []string
	for _, f := range config.Formats() {
		names = append(names, f.Name())
	}
	return strings.Join(names, ", ")
}

// check refuses a wrong command line.
func (s *simulated) check() error {
	switch {
	case s.file == "":
		return usageError{errors.New("--scenario is missing: name a scenario's file (docs/simulate.md shows one)")}
	case s.weeks < 1 || s.weeks > simulate.MaxWeeks:
		return usageError{fmt.Errorf("--weeks: %d is not between 1 and %d", s.weeks, simulate.MaxWeeks)}
	}
	if _, ok := config.Format(s.format); !ok {
		return usageError{fmt.Errorf("--format: there is no format %q (there are %s)", s.format, reportFormats())}
	}
	return nil
}

// print prints the newest revision of each week, oldest first.
func (s *simulated) print(ctx context.Context, store postgres.Reports, zone string) error {
	format, _ := config.Format(s.format)
	saved, err := store.List(ctx, zone, s.weeks*10)
	if err != nil {
		return err
	}
	var weeks []string
	for _, one := range slices.Backward(saved) {
		if !slices.Contains(weeks, one.Week) {
			weeks = append(weeks, one.Week)
		}
	}
	for i, week := range weeks {
		r, err := store.Load(ctx, week, zone, 0)
		if err != nil {
			return err
		}
		if i > 0 && s.out == "" {
			s.printf("\n")
		}
		if err := s.write(format, r); err != nil {
			return err
		}
	}
	if len(weeks) != s.weeks {
		return fmt.Errorf("%d reports were written of %d weeks", len(weeks), s.weeks)
	}
	return nil
}

func (s *simulated) write(format reports.Format, r reports.Report) error {
	if s.out == "" {
		return format.Write(s.cli.out, r)
	}
	if err := os.MkdirAll(s.out, 0o750); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(s.out, r.Week+"."+format.Name())) // #nosec G304 -- the user names the directory
	if err != nil {
		return err
	}
	return errors.Join(format.Write(f, r), f.Close())
}
