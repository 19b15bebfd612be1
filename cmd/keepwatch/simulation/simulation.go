// Package simulation owns the lives of the daemon's own parts in a scenario's weeks, over
// a Postgres of their own, in a compressed clock. What happens in those weeks is for
// simulate; what is printed of them is for the command.
package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/simulate"
)

// Env tells a process that it is the inside of a simulation, and which database is its
// own: the value is for [Simulation.Inside].
const Env = "KEEPWATCH_SIMULATION_DATABASE"

// within bounds a simulation: five weeks take a minute or two.
const within = time.Hour

// Simulation is one run of a scenario.
type Simulation struct {
	path    string // of the scenario
	weeks   int
	version string // of this program
	errOut  io.Writer

	scenario simulate.Scenario
	config   *config.File
}

// Read reads the scenario of path and the configuration that it names. Weeks are counted
// from the scenario's first; errOut is told what is not a report.
func Read(path string, weeks int, version string, errOut io.Writer) (*Simulation, error) {
	s := &Simulation{path: path, weeks: weeks, version: version, errOut: errOut}
	if err := config.LoadOther(path, &s.scenario, nil); err != nil {
		return nil, err
	}
	named := s.scenario.Config
	if !filepath.IsAbs(named) {
		named = filepath.Join(filepath.Dir(path), named)
	}
	f, err := config.Load(config.Options{Path: named})
	if err != nil {
		return nil, err
	}
	s.config = f
	err = config.LoadOther(path, &simulate.Scenario{}, func(report func(path, msg string)) {
		s.scenario.Names(s.known, report)
	})
	return s, err
}

// Zone is that of the reports.
func (s *Simulation) Zone() *time.Location { return s.config.Reports.TimeZone }

// known lists the names of a kind in the configuration.
func (s *Simulation) known(kind string) []string {
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

// Run starts a database, lets another process of this program live through the weeks,
// and shows the reports that it wrote.
func (s *Simulation) Run(ctx context.Context, show func(ctx context.Context, store postgres.Reports) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
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
	return postgres.UseServer(ctx, filepath.Join(dir, "postgres"), log, func(db *postgres.DB) error {
		dsn, running, err := postgres.Attach(filepath.Join(dir, "postgres")) //nolint:contextcheck // it looks at files and has a deadline of its own
		if err != nil || !running {
			return fmt.Errorf("the simulation's database: %w", err)
		}
		began := time.Now()
		if err := s.live(ctx, dsn); err != nil {
			return err
		}
		fmt.Fprintf(s.errOut, "%d weeks in %s\n", s.weeks, time.Since(began).Round(time.Second))
		return show(ctx, postgres.Reports{DB: db})
	})
}

// live runs the inside of the simulation, a process of its own: the compressed
// clock belongs to the whole of it.
func (s *Simulation) live(ctx context.Context, dsn string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "simulate", "--scenario", s.path, "--weeks", strconv.Itoa(s.weeks)) // #nosec G204 -- this very program
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), Env+"="+dsn)
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, s.errOut
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the simulation broke off (%w): %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
