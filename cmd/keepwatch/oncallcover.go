package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/wording"
	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
)

// roster is who is on call by the file and, when a database can be asked, by the
// overrides that people made. What was not asked is said.
func (c *cli) roster(ctx context.Context, f *config.File) oncall.Roster {
	now := time.Now().UTC().Truncate(time.Minute) // not after the instant that the command goes on to ask about
	return f.Roster().With(c.covers(ctx, f), now)
}

// covers are the overrides that people made, as far as a database can be asked.
func (c *cli) covers(ctx context.Context, f *config.File) []oncall.Cover {
	var covers []oncall.Cover
	_, err := c.peek(ctx, f, func(ctx context.Context, db *postgres.DB) (err error) {
		covers, err = postgres.Covers{DB: db}.List(ctx, time.Now().Add(-oncall.CoversSince).UTC())
		return err
	})
	if err != nil {
		fmt.Fprintln(c.errOut, "warning: the database does not answer, so overrides that people made are not counted:", err)
	}
	return covers
}

// peek asks the database when one answers, and starts none for it; asked is false
// for a data_dir without a running daemon.
func (c *cli) peek(ctx context.Context, f *config.File, use func(context.Context, *postgres.DB) error) (asked bool, err error) {
	dsn := f.Database.URL.Reveal()
	if dsn == "" {
		found, running, err := postgres.Attach(filepath.Join(f.DataDir, "postgres")) //nolint:contextcheck // it looks at files and has a deadline of its own
		if err != nil || !running {
			return false, err
		}
		dsn = found
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err = postgres.Use(ctx, dsn, slog.New(slog.DiscardHandler), func(db *postgres.DB) error { return use(ctx, db) })
	return err == nil, err
}

func (c *cli) oncallOverride() *cobra.Command {
	var cover coverFlags
	cmd := &cobra.Command{
		Use: "override --rotation R --person P --from TIME --to TIME --by NAME", Short: "Put somebody else on call for a while", Args: cobra.NoArgs,
		Long: `Put somebody else on call for a while. TIME is RFC 3339, or a local time of the
rotation's zone. It is kept in the database with who and why, and wins over the file.
The running daemon follows within seconds. --person nobody leaves a hole on purpose.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, "text")
			if err != nil {
				return err
			}
			made, err := cover.read(f)
			if err != nil {
				return usageError{err}
			}
			return c.addCovers(cmd.Context(), f, "override", made)
		},
	}
	cover.add(cmd)
	return cmd
}

// coverFlags are what an override is made of.
type coverFlags struct{ rotation, person, from, to, by, reason string }

func (v *coverFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&v.rotation, "rotation", "", "name of the rotation")
	cmd.Flags().StringVar(&v.person, "person", "", "key of the person, or nobody")
	cmd.Flags().StringVar(&v.from, "from", "", "beginning")
	cmd.Flags().StringVar(&v.to, "to", "", "end, not included")
	addBy(cmd, &v.by)
	cmd.Flags().StringVar(&v.reason, "reason", "", "why; everybody can read it")
}

func (v *coverFlags) read(f *config.File) (oncall.Cover, error) {
	zone := f.Rotations[v.rotation].TimeZone
	made := oncall.Cover{Rotation: v.rotation, Person: v.person, By: v.by, Reason: v.reason, Created: time.Now().UTC()}
	switch v.person {
	case "":
		return made, errors.New("say who is to be on call (--person KEY, or --person nobody)")
	case "nobody":
		made.Person = ""
	}
	var err error
	if made.From, err = parseInstant(v.from, zone); err != nil {
		return made, fmt.Errorf("--from: %w", err)
	}
	if made.To, err = parseInstant(v.to, zone); err != nil {
		return made, fmt.Errorf("--to: %w", err)
	}
	return made, made.Validate(f.Roster())
}

// addCovers stores covers and tells what they change.
func (c *cli) addCovers(ctx context.Context, f *config.File, what string, covers ...oncall.Cover) error {
	return c.withDatabase(ctx, f, func(db *postgres.DB) error {
		ids, err := postgres.Covers{DB: db}.Add(ctx, covers...)
		if err != nil {
			return err
		}
		for i, v := range covers {
			v.ID = ids[i]
			c.printCover(f, v)
		}
		return c.audited(ctx, db, what, covers[0].By, covers[0].Rotation, coverDetail(covers))
	})
}

// coverDetail says what covers change, for the audit log.
func coverDetail(covers []oncall.Cover) string {
	var parts []string
	for _, v := range covers {
		parts = append(parts, fmt.Sprintf("%s from %s to %s", orNobody(v.Person), wording.Stamp(v.From), wording.Stamp(v.To)))
	}
	if reason := covers[0].Reason; reason != "" {
		parts = append(parts, reason)
	}
	return strings.Join(parts, "; ")
}

func (c *cli) printCover(f *config.File, v oncall.Cover) {
	zone := f.Rotations[v.Rotation].TimeZone
	if zone == nil {
		zone = time.UTC
	}
	state := ""
	if !v.Cancelled.IsZero() {
		state = "  cancelled " + wording.LocalStamp(v.Cancelled, zone)
	}
	if lacks := f.Roster().Lacks(v); lacks != "" && v.Cancelled.IsZero() {
		state = "  does not hold: the file has " + lacks
	}
	if v.Reason != "" {
		state += "  " + strconv.Quote(v.Reason)
	}
	c.printf("%-4d %-12s %-10s %s – %s  by %s%s\n", v.ID, v.Rotation, orNobody(v.Person), wording.LocalStamp(v.From, zone), wording.LocalStamp(v.To, zone), v.By, state)
}

func (c *cli) oncallSwap() *cobra.Command {
	var rotation, a, b, by, reason string
	cmd := &cobra.Command{
		Use: "swap --rotation R --at TIME --with TIME --by NAME", Short: "Let two people exchange shifts", Args: cobra.NoArgs,
		Long: `Let two people exchange shifts: whoever is on call at --at takes the whole shift that
holds --with, and the other way round. It is two overrides.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, "text")
			if err != nil {
				return err
			}
			zone := f.Rotations[rotation].TimeZone
			at, err := parseInstant(a, zone)
			if err != nil {
				return usageError{fmt.Errorf("--at: %w", err)}
			}
			with, err := parseInstant(b, zone)
			if err != nil {
				return usageError{fmt.Errorf("--with: %w", err)}
			}
			covers, err := c.roster(cmd.Context(), f).Swap(rotation, at, with)
			if err != nil {
				return err
			}
			for i := range covers {
				covers[i].By, covers[i].Reason, covers[i].Created = by, reason, time.Now().UTC()
				if err := covers[i].Validate(f.Roster()); err != nil {
					return err
				}
			}
			return c.addCovers(cmd.Context(), f, "swap", covers[:]...)
		},
	}
	cmd.Flags().StringVar(&rotation, "rotation", "", "name of the rotation")
	cmd.Flags().StringVar(&a, "at", "", "a time in the first shift")
	cmd.Flags().StringVar(&b, "with", "", "a time in the second shift")
	addBy(cmd, &by)
	cmd.Flags().StringVar(&reason, "reason", "", "why; everybody can read it")
	return cmd
}

// coverLine is one line of `oncall overrides --format json`; the names are a promise.
type coverLine struct {
	ID        int64  `json:"id"`
	Rotation  string `json:"rotation"`
	Person    string `json:"person"`
	From      string `json:"from"`
	To        string `json:"to"`
	By        string `json:"by"`
	Reason    string `json:"reason"`
	Created   string `json:"created"`
	Cancelled string `json:"cancelled"`
}

func (c *cli) oncallOverrides() *cobra.Command {
	var format string
	var cancel int64
	var by string
	cmd := &cobra.Command{
		Use: "overrides", Short: "List the overrides that people made, or cancel one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.loadRotations(cmd, format)
			if err != nil {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				store := postgres.Covers{DB: db}
				if cancel != 0 {
					if err := c.cancelCover(cmd.Context(), store, cancel, by); err != nil {
						return err
					}
					return c.audited(cmd.Context(), db, "override ended", by, strconv.FormatInt(cancel, 10), "")
				}
				covers, err := store.List(cmd.Context(), time.Now().Add(-oncall.CoversSince).UTC())
				if err != nil {
					return err
				}
				return c.printCovers(f, covers, format)
			})
		},
	}
	addFormat(cmd, &format)
	cmd.Flags().Int64Var(&cancel, "cancel", 0, "number of the override to cancel")
	addBy(cmd, &by)
	return cmd
}

func (c *cli) printCovers(f *config.File, covers []oncall.Cover, format string) error {
	for _, v := range covers {
		if format == "text" {
			c.printCover(f, v)
			continue
		}
		line := coverLine{v.ID, v.Rotation, v.Person, wording.Stamp(v.From), wording.Stamp(v.To), v.By, v.Reason, wording.Stamp(v.Created), wording.Stamp(v.Cancelled)}
		if err := json.NewEncoder(c.out).Encode(line); err != nil {
			return err
		}
	}
	if len(covers) == 0 && format == "text" {
		c.printf("no overrides but those of the file\n")
	}
	return nil
}

func (c *cli) cancelCover(ctx context.Context, store postgres.Covers, id int64, by string) error {
	if by == "" {
		return usageError{errors.New("say who makes the change (--by NAME)")}
	}
	done, err := store.Cancel(ctx, id, by, time.Now().UTC())
	if err != nil {
		return err
	}
	if !done {
		return fmt.Errorf("no override %d that still holds (keepwatch oncall overrides lists them)", id)
	}
	c.printf("override %d is cancelled from now on\n", id)
	return nil
}
