package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/config"
)

// healthCommand asks a running daemon; it is the container's health check.
func (c *cli) healthCommand() *cobra.Command {
	var live bool
	cmd := &cobra.Command{
		Use: "health", Short: "Ask the running daemon how it is; exit 1 when it is not ready", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.load(cmd)
			if err != nil {
				return err
			}
			path := "/readyz"
			if live {
				path = "/healthz"
			}
			if f.Console != nil {
				if err := c.ask(cmd.Context(), "http://"+config.Dialable(f.Console.Listen)+path); err == nil || f.Site == nil || !errors.Is(err, errNoAnswer) {
					return err
				}
			}
			if f.Site == nil {
				return errNoAnswer
			}
			return c.ask(cmd.Context(), "http://"+config.Dialable(f.Site.Listen)+path)
		},
	}
	cmd.Flags().BoolVar(&live, "full", false, "print every line of /healthz instead of /readyz")
	return cmd
}

var errNoAnswer = errors.New("the daemon does not answer: is it running?")

func (c *cli) ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return fmt.Errorf("%w (%s)", errNoAnswer, url)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(c.out, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return quietError{fmt.Errorf("not well: status %d", resp.StatusCode)}
	}
	return nil
}
