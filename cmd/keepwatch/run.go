package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
)

// stopWithin is the promise of SIGTERM; what has not ended by then is abandoned.
const stopWithin = 9500 * time.Millisecond

// roles are the parts that a process runs.
type roles struct{ site, probe, watch bool }

func parseRoles(s string) (roles, error) {
	var r roles
	for word := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(word) {
		case "site":
			r.site = true
		case "probe":
			r.probe = true
		case "watch":
			r.watch = true
		default:
			return r, usageError{fmt.Errorf("--roles: unknown role %q (the roles are site, probe and watch)", word)}
		}
	}
	if r.probe != r.watch {
		return r, usageError{errors.New("--roles: probe and watch still run in one process: name both or neither")}
	}
	return r, nil
}

type runOptions struct {
	roles   string
	standIn string
	waitFor bool
	level   slog.Level
	quiet   bool
}

func (c *cli) runCommand() *cobra.Command {
	var o runOptions
	level := "info"
	cmd := &cobra.Command{
		Use: "run", Short: "Run the daemon: site, probes, pages, console and reports", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.level.UnmarshalText([]byte(level)); err != nil {
				return usageError{fmt.Errorf("--log-level: %q is none of debug, info, warn, error", level)}
			}
			return c.run(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.roles, "roles", "site,probe,watch", "parts to run, separated by commas: site; probe,watch")
	cmd.Flags().StringVar(&o.standIn, "stand-in", "", "also serve the built-in PagerDuty stand-in on this address, and page only it")
	cmd.Flags().BoolVar(&o.waitFor, "wait-for-site", false, "keep the probes back until the site, a process beside this one, accepts connections; 15 s at most")
	cmd.Flags().StringVar(&level, "log-level", level, "debug, info, warn or error")
	cmd.Flags().BoolVar(&o.quiet, "quiet", false, "do not print the greeting")
	return cmd
}

// run is the life of the daemon.
func (c *cli) run(cmd *cobra.Command, o runOptions) error {
	ctx := cmd.Context()
	which, err := parseRoles(o.roles)
	if err != nil {
		return err
	}
	stand, err := newStandIn(o.standIn)
	if err != nil {
		return err
	}
	f, err := c.load(cmd, stand.environ()...)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(c.errOut, &slog.HandlerOptions{Level: o.level}))
	for _, w := range f.Warnings {
		log.WarnContext(ctx, "configuration warning", "at", w.String())
	}
	d, err := newDaemon(ctx, daemonOptions{
		file: f, roles: which, log: log, standIn: stand, waitFor: o.waitFor,
		reload: func() (*config.File, error) { return c.load(cmd, stand.environ()...) },
	})
	if err != nil {
		return err
	}
	if !o.quiet {
		d.greet(ctx, c.out)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	d.hup = hup
	stopped := make(chan struct{})
	defer close(stopped)
	go abandonAfter(ctx, stopped, log) // ends with stopped
	err = d.run(ctx)
	log.Info("stopped", "err", err)
	return err
}

// abandonAfter keeps the promise that SIGTERM ends the process: what hangs is
// left behind, said so, and counts as a failure.
func abandonAfter(ctx context.Context, stopped <-chan struct{}, log *slog.Logger) {
	select {
	case <-stopped:
		return
	case <-ctx.Done():
	}
	select {
	case <-stopped:
	case <-time.After(stopWithin):
		log.Error("a part did not stop in time and was abandoned")
		os.Exit(1)
	}
}

// names of the locks in data_dir: the site may run beside the watching process.
func (r roles) lockName() string {
	if r.watch {
		return "watch"
	}
	return "site"
}

func (r roles) String() string {
	var s []string
	for name, on := range map[string]bool{"site": r.site, "probe": r.probe, "watch": r.watch} {
		if on {
			s = append(s, name)
		}
	}
	slices.Sort(s)
	return strings.Join(s, ",")
}
