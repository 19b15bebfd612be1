package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/datadir"
	"keepwatch/config"
	"keepwatch/postgres"
)

// usageError is a wrong command line.
type usageError struct{ error }

// quietError is a failure that was printed already.
type quietError struct{ error }

// cli is what every command needs of the outside.
type cli struct {
	out, errOut io.Writer
	root        *cobra.Command
}

// load reads the configuration with the flags that the user gave.
func (c *cli) load(cmd *cobra.Command, environ ...string) (*config.File, error) {
	return config.Load(config.Options{Flags: cmd.Flags(), Environ: append(os.Environ(), environ...)})
}

// loadFor reads the configuration for a command whose answer has a format: a wrong
// format is said first.
func (c *cli) loadFor(cmd *cobra.Command, format string) (*config.File, error) {
	if err := checkFormat(format); err != nil {
		return nil, err
	}
	return c.load(cmd)
}

// printf writes a part of a command's answer.
func (c *cli) printf(format string, args ...any) {
	fmt.Fprintf(c.out, format, args...)
}

// withDatabase opens the database for one command: the given one, the running
// daemon's own, or, while no daemon runs, its server started for the moment.
func (c *cli) withDatabase(ctx context.Context, f *config.File, use func(*postgres.DB) error) error {
	log := slog.New(slog.NewTextHandler(c.errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if dsn := f.Database.URL.Reveal(); dsn != "" {
		return postgres.Use(ctx, dsn, log, use)
	}
	dir := filepath.Join(f.DataDir, "postgres")
	dsn, running, err := postgres.Attach(dir) //nolint:contextcheck // it looks at files and has a deadline of its own
	if err != nil {
		return err
	}
	if running {
		return postgres.UseRunning(ctx, dir, dsn, log, use)
	}
	if err := datadir.Make(f.DataDir); err != nil {
		return err
	}
	return postgres.UseServer(ctx, dir, log, use)
}

func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "text, or json: one object a line")
}

func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return usageError{fmt.Errorf("--format: %q is neither text nor json", format)}
	}
	return nil
}

func checkLimit(limit, most int) error {
	if limit < 1 || limit > most {
		return usageError{fmt.Errorf("--limit: %d is not between 1 and %d", limit, most)}
	}
	return nil
}

// parseInstant reads RFC 3339, or a local time of the zone. A local time that a
// change of the clocks skips or doubles is refused: guessing would be a lie.
func parseInstant(text string, zone *time.Location) (time.Time, error) {
	if text == "now" {
		return time.Now().UTC().Truncate(time.Second), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if zone == nil {
		zone = time.UTC
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		t, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		if t.Format(layout) != text {
			return t, fmt.Errorf("%q does not exist in %s: the clocks skip it (give an RFC 3339 time)", text, zone)
		}
		for _, d := range []time.Duration{-2 * time.Hour, -time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour} {
			if t.Add(d).Format(layout) == text && layout != "2006-01-02" {
				return t, fmt.Errorf("%q happens twice in %s: the clocks are set back (give an RFC 3339 time)", text, zone)
			}
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time (write 2026-03-08T10:30:00Z, or 2026-03-08 02:30 in the rotation's zone)", text)
}

// addBy adds who makes a change; a user of the machine needs not type it.
func addBy(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", osUser(), "who makes this change")
}

// osUser is who types; "" for root, which is nobody in particular.
func osUser() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil && u.Username != "root" {
		return u.Username
	}
	return ""
}
