package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/reports"
	"keepwatch/simulate"
)

// simulationEnv tells a process that it is the inside of a simulation, and which
// database is its own.
const simulationEnv = "KEEPWATCH_SIMULATION_DATABASE"

// simulateFor bounds a simulation: five weeks take a minute or two.
const simulateFor = time.Hour

// simulation is one run of `keepwatch simulate`.
type simulation struct {
	*cli
	file   string // the scenario
	weeks  int
	format string
	out    string // directory; "" is the terminal

	scenario simulate.Scenario
	config   *config.File
}

func (c *cli) simulateCommand() *cobra.Command {
	s := &simulation{cli: c}
	cmd := &cobra.Command{
		Use: "simulate --scenario FILE", Short: "Live through the weeks of a scenario in minutes, and print their reports", Args: cobra.NoArgs,
		Long: `Runs the prober, the alerting engine, the ledger and the report writer of the daemon
through weeks of scripted outages, maintenance, absences of the monitor and changes of
the clock, over a Postgres of its own, in a compressed clock. Nothing is asked over
the network and nobody is paged. docs/simulate.md shows what a scenario can say.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.read(); err != nil {
				return err
			}
			if dsn := os.Getenv(simulationEnv); dsn != "" {
				return s.inside(dsn)
			}
			return s.run(cmd.Context())
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

// read reads the scenario and the configuration that it names.
func (s *simulation) read() error {
	switch {
	case s.file == "":
		return usageError{errors.New("--scenario is missing: name a scenario's file (docs/simulate.md shows one)")}
	case s.weeks < 1 || s.weeks > simulate.MaxWeeks:
		return usageError{fmt.Errorf("--weeks: %d is not between 1 and %d", s.weeks, simulate.MaxWeeks)}
	}
	if _, ok := config.Format(s.format); !ok {
		return usageError{fmt.Errorf("--format: there is no format %q (there are %s)", s.format, reportFormats())}
	}
	if err := config.LoadOther(s.file, &s.scenario, nil); err != nil {
		return err
	}
	path := s.scenario.Config
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(s.file), path)
	}
	f, err := config.Load(config.Options{Path: path})
	if err != nil {
		return err
	}
	s.config = f
	return config.LoadOther(s.file, &simulate.Scenario{}, func(report func(path, msg string)) {
		s.scenario.Names(s.known, report)
	})
}

// known lists the names of a kind in the configuration.
func (s *simulation) known(kind string) []string {
	var names []string
	switch kind {
	case "check":
		for _, c := range s.config.Checks {
			names = append(names, c.Name)
		}
	case "location":
		for _, l := range s.config.Locations {
			names = append(names, l.Name)
		}
	case "service":
		for _, v := range s.config.Services {
			names = append(names, v.Name)
		}
	}
	return names
}

// run starts a database, lets another process of this program live through the
// weeks, and prints the reports that it wrote.
func (s *simulation) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, simulateFor)
	defer cancel()
	dir, err := os.MkdirTemp("", "keepwatch-simulate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the server's own user must pass through
		return err
	}
	// Below errors the server says only that a life of the daemon was broken off.
	log := slog.New(slog.NewTextHandler(s.errOut, &slog.HandlerOptions{Level: slog.LevelError}))
	return s.withServer(ctx, filepath.Join(dir, "postgres"), log, func(db *postgres.DB) error {
		dsn, running, err := postgres.Attach(filepath.Join(dir, "postgres")) //nolint:contextcheck // it looks at files and has a deadline of its own
		if err != nil || !running {
			return fmt.Errorf("the simulation's database: %w", err)
		}
		began := time.Now()
		if err := s.live(ctx, dsn); err != nil {
			return err
		}
		fmt.Fprintf(s.errOut, "%d weeks in %s\n", s.weeks, time.Since(began).Round(time.Second))
		return s.print(ctx, postgres.Reports{DB: db})
	})
}

// live runs the inside of the simulation, a process of its own: the compressed
// clock belongs to the whole of it.
func (s *simulation) live(ctx context.Context, dsn string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "simulate", "--scenario", s.file, "--weeks", strconv.Itoa(s.weeks)) // #nosec G204 -- this very program
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), simulationEnv+"="+dsn)
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, s.errOut
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the simulation broke off (%w): %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// print prints the newest revision of each week, oldest first.
func (s *simulation) print(ctx context.Context, store postgres.Reports) error {
	format, _ := config.Format(s.format)
	saved, err := store.List(ctx, s.config.Reports.TimeZone.String(), s.weeks*10)
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
		r, err := store.Load(ctx, week, s.config.Reports.TimeZone.String(), 0)
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

func (s *simulation) write(format reports.Format, r reports.Report) error {
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
