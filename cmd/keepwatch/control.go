package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/datadir"
)

// reloadCommand checks the file, signals the daemon, and tells what became of it.
func (c *cli) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Make the running daemon read its configuration anew", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			pid, err := datadir.RunningPID(f.DataDir, "watch")
			if err != nil {
				return err
			}
			if pid == 0 {
				return fmt.Errorf("no daemon runs on data_dir %s: start it with keepwatch run", f.DataDir)
			}
			if f.Console == nil {
				return signalDaemon(pid)
			}
			url := f.ConsoleURL() + "/metrics"
			before, err := reloadCount(cmd.Context(), url)
			if err != nil {
				return err
			}
			if err := signalDaemon(pid); err != nil {
				return err
			}
			if err := c.awaitReload(cmd.Context(), url, before); err != nil {
				return err
			}
			return c.sayLater(cmd.Context(), f.ConsoleURL()+"/healthz")
		},
	}
}

func signalDaemon(pid int) error {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(syscall.SIGHUP)
	}
	if err != nil {
		return fmt.Errorf("signal the daemon (pid %d): %w", pid, err)
	}
	return nil
}

func (c *cli) awaitReload(ctx context.Context, url, before string) error {
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return errors.New("the daemon was signalled but has not answered within 10 s: see its log")
		case <-tick.C:
		}
		now, err := reloadCount(ctx, url)
		if err != nil || now == before {
			continue
		}
		if strings.Contains(now, "_successful 1") {
			c.printf("reloaded\n")
			return nil
		}
		return errors.New("the daemon refused the file, the old configuration stays in force: see keepwatch health --full and its log")
	}
}

// sayLater prints what waits for a restart, as the daemon's health says it.
func (c *cli) sayLater(ctx context.Context, url string) error {
	body, err := fetch(ctx, url)
	if err != nil {
		return err
	}
	for line := range strings.Lines(body) {
		if _, keys, ok := strings.Cut(line, "in force only after a restart: "); ok {
			c.printf("in force only after a restart: %s", keys)
		}
	}
	return nil
}

// reloadCount returns the lines of /metrics that change with each reload.
func reloadCount(ctx context.Context, url string) (string, error) {
	body, err := fetch(ctx, url)
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "keepwatch_config_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ""), nil
}

// fetch returns what the console answers, whatever its status.
func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return "", fmt.Errorf("%w (%s)", errNoAnswer, url)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return string(body), err
}
