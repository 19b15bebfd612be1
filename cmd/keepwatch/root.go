package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"keepwatch/config"
	"keepwatch/site/render"
)

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "keepwatch",
		Short: "Runs a site, watches it, pages who is on call, and reports the week",
		Long: `Keepwatch runs a team's image site, watches it and any other site with synthetic
probes, keeps an honest record in Postgres, pages the person on call through
PagerDuty, and on Monday writes the report that says whether the week met its objective.

Start with:  keepwatch validate keepwatch.yaml
             keepwatch run`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs, // RunE knows better what to say of them
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	c.root = root
	root.SuggestionsMinimumDistance = 2
	config.AddFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see keepwatch %s --help)", err, cmd.Name())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		c.runCommand(), c.reloadCommand(), c.healthCommand(), c.demoCommand(),
		c.validateCommand(), c.schemaCommand(), c.probeCommand(),
		c.oncallCommand(), c.incidentsCommand(), c.ackCommand("ack"), c.silenceCommand(), c.pageCommand(), c.auditCommand(), c.reportCommand(), c.maintenanceCommand(), c.correctCommand(), c.siteCommand(),
		c.fakePagerDutyCommand(), c.importCommand(), c.simulateCommand(), c.versionCommand(),
	)
	for _, cmd := range root.Commands() {
		wrapArgs(cmd)
	}
	return root
}

func unknownCommand(cmd *cobra.Command, word string) error {
	hint := "see keepwatch --help"
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("unknown command %q (%s)", word, hint)}
}

// wrapArgs makes wrong arguments exit with 2, like wrong flags.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w (see keepwatch %s --help)", err, cmd.Name())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			c.printf("keepwatch %s, %s, %s/%s, renderer %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, render.Engine())
		},
	}
}

func (c *cli) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate [FILE]", Short: "Check a configuration file and say every mistake at once", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := cmd.Flags().Set("config", args[0]); err != nil {
					return usageError{err}
				}
			}
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			for _, w := range f.Warnings {
				fmt.Fprintln(c.errOut, "warning:", w.String())
			}
			c.printf("%s is good: %d checks, %d services, %d people\n", f.Path, len(f.Checks), len(f.Services), len(f.People))
			return nil
		},
	}
}

func (c *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration file, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = c.out.Write(b)
			return err
		},
	}
}
