package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
)

// shiftLine is one line of `oncall who --format json`; the names are a promise.
type shiftLine struct {
	Rotation string `json:"rotation"`
	At       string `json:"at"`
	Person   string `json:"person"`
	From     string `json:"from"`
	To       string `json:"to"`
	Source   string `json:"source"`
}

func (c *cli) oncallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "oncall", Short: "Say who is on call: now, next, or at any time", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		c.oncallNow(), c.oncallNext(), c.oncallWho(),
		c.oncallValidate(), c.oncallPreview(), c.oncallCalendar(), c.oncallHours(), c.oncallDue(),
		c.oncallOverride(), c.oncallSwap(), c.oncallOverrides(),
	)
	return cmd
}

func (c *cli) oncallNow() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "now", Short: "Who is on call in every rotation now", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			now := time.Now().UTC()
			for _, s := range c.roster(cmd.Context(), f).At(now) {
				if err := c.printShift(f, s, now, format); err != nil {
					return err
				}
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	return cmd
}

func (c *cli) oncallNext() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "next", Short: "Who is on call next in every rotation, and from when", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			roster, now := c.roster(cmd.Context(), f), time.Now().UTC()
			for _, name := range roster.Names() {
				next, ok := roster.Rotations[name].Next(now)
				if !ok {
					next = oncall.Shift{Rotation: name, Source: oncall.FromNobody}
				}
				at := next.From
				if at.IsZero() {
					at = now
				}
				if err := c.printShift(f, next, at, format); err != nil {
					return err
				}
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	return cmd
}

func (c *cli) oncallWho() *cobra.Command {
	var format, rotation string
	var ats []string
	cmd := &cobra.Command{
		Use: "who --rotation R --at TIME [--at TIME …]", Short: "Who is on call at given times", Args: cobra.NoArgs,
		Long: `Who is on call at given times. TIME is RFC 3339 (2026-03-08T10:30:00Z), or a local time
of the rotation's zone (2026-03-08 02:30). No database is needed; when one answers, the
overrides that people made count too.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			names := f.Roster().Names()
			if rotation != "" {
				if !slices.Contains(names, rotation) {
					return fmt.Errorf("no rotation %q: the file has %s", rotation, strings.Join(names, ", "))
				}
				names = []string{rotation}
			}
			if len(ats) == 0 {
				ats = []string{time.Now().UTC().Format(time.RFC3339)}
			}
			return c.printWho(f, c.roster(cmd.Context(), f), names, ats, format)
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().StringVar(&rotation, "rotation", "", "name of the rotation (default: all)")
	cmd.Flags().StringArrayVar(&ats, "at", nil, "an instant; may be given several times (default: now)")
	return cmd
}

func (c *cli) printWho(f *config.File, roster oncall.Roster, names, ats []string, format string) error {
	for _, name := range names {
		for _, text := range ats {
			at, err := parseInstant(text, f.Rotations[name].TimeZone)
			if err != nil {
				return usageError{fmt.Errorf("--at: %w", err)}
			}
			if err := c.printShift(f, roster.OnCall(name, at), at, format); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cli) loadRotations(cmd *cobra.Command, format string) (*config.File, error) {
	f, err := c.loadFor(cmd, format)
	if err != nil {
		return nil, err
	}
	if len(f.Rotations) == 0 {
		return nil, errors.New("the configuration has no rotations; add one to its rotations block")
	}
	return f, nil
}

func (c *cli) printShift(f *config.File, s oncall.Shift, at time.Time, format string) error {
	if format == "json" {
		return json.NewEncoder(c.out).Encode(shiftLine{s.Rotation, wording.Stamp(at), s.Person, wording.Stamp(s.From), wording.Stamp(s.To), string(s.Source)})
	}
	who := "nobody"
	if s.Person != "" {
		who = s.Person
		if name := f.People[s.Person].Name; name != "" {
			who = name + " (" + s.Person + ")"
		}
	}
	zone := f.Rotations[s.Rotation].TimeZone
	if zone == nil {
		zone = time.UTC
	}
	c.printf("%-12s %-22s %s – %s  %s\n", s.Rotation, who, wording.LocalStamp(s.From, zone), wording.LocalStamp(s.To, zone), s.Source)
	return nil
}
