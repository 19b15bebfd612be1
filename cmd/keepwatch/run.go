package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/daemon"
	"keepwatch/cmd/keepwatch/standin"
	"keepwatch/config"
)

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

// run is the life of the daemon: it ends with the signal that ends the command.
func (c *cli) run(cmd *cobra.Command, o runOptions) error {
	ctx := cmd.Context()
	which, err := daemon.ParseRoles(o.roles)
	if err != nil {
		return usageError{err}
	}
	stand, err := standin.Open(o.standIn)
	if err != nil {
		return err
	}
	f, err := c.load(cmd, stand.Environ()...)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(c.errOut, &slog.HandlerOptions{Level: o.level}))
	for _, w := range f.Warnings {
		log.WarnContext(ctx, "configuration warning", "at", w.String())
	}
	greeting := c.out
	if o.quiet {
		greeting = nil // nobody is greeted
	}
	return daemon.Run(ctx, daemon.Options{
		File: f, Roles: which, Log: log, StandIn: stand, WaitFor: o.waitFor, Version: version, Greeting: greeting,
		Reload: func() (*config.File, error) { return c.load(cmd, stand.Environ()...) },
	})
}
