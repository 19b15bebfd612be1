package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/postgres"
	"keepwatch/traffic"
)

func (c *cli) importALBCommand() *cobra.Command {
	var log string
	var skipBad, dryRun bool
	cmd := &cobra.Command{
		Use: "alb FILE...", Aliases: []string{"access"}, Short: "Import past access logs of real visitors, plain or gzip", Args: cobra.MinimumNArgs(1),
		Long: `Count the requests in past access logs by minute. --log names an entry of access_logs, whose
format, hosts and probe agents hold: ALB logs from S3, or old ones of nginx. A file that was
imported before is left out. See docs/history.md.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			conf, ok := f.AccessLog(log)
			if !ok {
				var names []string
				for _, l := range f.AccessLogs {
					names = append(names, l.Name)
				}
				return usageError{fmt.Errorf("--log: there is no access log %q (access_logs has: %s)", log, strings.Join(names, ", "))}
			}
			files, err := c.countLogs(conf, args, skipBad)
			if err != nil || dryRun {
				return err
			}
			return c.withDatabase(cmd.Context(), f, func(db *postgres.DB) error {
				return c.storeLogs(cmd.Context(), postgres.Traffic{DB: db}, log, files)
			})
		},
	}
	cmd.Flags().StringVar(&log, "log", "", "entry of access_logs that the files belong to")
	cmd.Flags().BoolVar(&skipBad, "skip-bad", false, "leave out lines that cannot be read; they are counted as such")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be imported, and change nothing")
	return cmd
}

// countedLog is one file, counted.
type countedLog struct {
	path    string
	sha     []byte
	minutes []traffic.Minute
}

// countLogs reads every file before anything is stored.
func (c *cli) countLogs(conf traffic.Config, paths []string, skipBad bool) ([]countedLog, error) {
	var files []countedLog
	var bad int64
	for _, path := range paths {
		file, skipped, err := countLog(conf, path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var good, valid, invalid int64
		for _, m := range file.minutes {
			good, valid, invalid = good+m.Good, valid+m.Valid, invalid+m.Invalid
		}
		c.printf("%s: %d minutes, %d of %d valid requests good, %d say nothing\n", path, len(file.minutes), good, valid, invalid)
		if len(skipped) > 0 {
			fmt.Fprintf(c.errOut, "%s: cannot read %d lines, the first is line %d\n", path, len(skipped), skipped[0])
		}
		bad += int64(len(skipped))
		files = append(files, file)
	}
	if bad > 0 && !skipBad {
		return nil, fmt.Errorf("nothing was imported: %d lines cannot be read (is the format right? --skip-bad leaves them out)", bad)
	}
	return files, nil
}

// countLog counts one file, and returns the numbers of the lines that cannot be read.
func countLog(conf traffic.Config, path string) (countedLog, []int, error) {
	src, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return countedLog{}, nil, errors.Unwrap(err)
	}
	defer src.Close()
	plain, err := unpacked(src)
	if err != nil {
		return countedLog{}, nil, err
	}
	sum := sha256.New()
	lines := bufio.NewScanner(io.TeeReader(plain, sum))
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	counter := traffic.Counter{Config: conf}
	var skipped []int
	for n, now := 1, time.Now(); lines.Scan(); n++ {
		if !counter.Add(lines.Bytes(), now) {
			skipped = append(skipped, n)
		}
	}
	if err := lines.Err(); err != nil {
		return countedLog{}, nil, err
	}
	return countedLog{path, sum.Sum(nil), counter.Take()}, skipped, nil
}

func (c *cli) storeLogs(ctx context.Context, store postgres.Traffic, log string, files []countedLog) error {
	for _, f := range files {
		fresh, err := store.ImportFile(ctx, log, f.path, f.sha, f.minutes, time.Now().UTC())
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		if !fresh {
			c.printf("%s: was imported before, left out\n", f.path)
		}
	}
	return nil
}
