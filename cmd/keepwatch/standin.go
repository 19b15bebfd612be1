package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/alerting/fakepd"
)

// standIn is the built-in PagerDuty of `keepwatch run --stand-in`. The zero
// value, without an address, is none.
type standIn struct {
	addr   string
	ln     net.Listener
	secret string
}

// newStandIn takes the address first, so that a taken port is said before anything starts.
func newStandIn(addr string) (*standIn, error) {
	if addr == "" {
		return &standIn{}, nil
	}
	ln, err := net.Listen("tcp", addr) //nolint:noctx // nothing to cancel: a loopback bind
	if err != nil {
		return nil, fmt.Errorf("--stand-in %s: %w (choose another address)", addr, err)
	}
	return &standIn{addr: ln.Addr().String(), ln: ln, secret: randomHex(16)}, nil
}

// standInKey is the routing key of the stand-in: well-formed, and nobody's.
const standInKey = "standin0standin0standin0standin0"

// environ points the configuration's variables at the stand-in. They come after the
// process's own, so with --stand-in nothing can reach the real PagerDuty.
func (s *standIn) environ() []string {
	if s.ln == nil {
		return nil
	}
	return []string{
		"PAGERDUTY_ROUTING_KEY=" + standInKey,
		"PAGERDUTY_EVENTS_URL=http://" + s.addr,
		"PAGERDUTY_WEBHOOK_SECRET=" + s.secret,
	}
}

// part serves the stand-in; its webhooks go to the console.
func (s *standIn) part(console string) part {
	return part{"pagerduty stand-in", func(ctx context.Context) error {
		server := fakepd.New(fakepd.Options{
			WebhookURL: console + "/v1/webhooks/pagerduty", WebhookSecret: s.secret,
		})
		defer server.Close()
		return serve(ctx, s.ln, server.Handler())
	}}
}

// serve serves until ctx ends.
func serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }() // ends with Shutdown or Close
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		if err := srv.Close(); err != nil {
			return err
		}
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (c *cli) fakePagerDutyCommand() *cobra.Command {
	var o fakepd.Options
	var listen, logFile string
	cmd := &cobra.Command{
		Use: "fake-pagerduty", Short: "Serve a strict stand-in for PagerDuty, for tests and game days", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.WebhookSecret = os.Getenv("PAGERDUTY_WEBHOOK_SECRET")
			if o.WebhookURL != "" && o.WebhookSecret == "" {
				return usageError{errors.New("--webhook needs a signing secret in PAGERDUTY_WEBHOOK_SECRET")}
			}
			return c.fakePagerDuty(cmd.Context(), o, listen, logFile)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9099", "address to serve on")
	cmd.Flags().StringVar(&logFile, "log", "", "also append every line of GET /_log to this file")
	cmd.Flags().StringSliceVar(&o.Keys, "key", nil, "accept only these routing keys (default: any well-formed one)")
	cmd.Flags().StringVar(&o.WebhookURL, "webhook", "", "send v3 webhooks to this address, signed with PAGERDUTY_WEBHOOK_SECRET")
	cmd.Flags().DurationVar(&o.AutoAck, "auto-ack", 0, "acknowledge each incident after this long, as a person would")
	cmd.AddCommand(c.verifyCommand())
	return cmd
}

func (c *cli) fakePagerDuty(ctx context.Context, o fakepd.Options, listen, logFile string) (err error) {
	if logFile != "" {
		file, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		o.Log = file
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w (choose another address)", listen, err)
	}
	server := fakepd.New(o)
	defer server.Close()
	c.printf("The PagerDuty stand-in listens on http://%s\n  set pagerduty.events_url to that address; open it in a browser to acknowledge and resolve\n  GET /_log: everything received   POST /_fault: misbehave   DELETE /_fault: behave again\n", ln.Addr())
	return serve(ctx, ln, server.Handler())
}

func (c *cli) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify LOG", Short: "Check a log of the stand-in: every episode triggered, opened once, closed", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			sum, err := fakepd.Verify(file)
			c.printf("%d events, %d triggers, %d incidents\n", sum.Events, sum.Triggers, sum.Incidents)
			return err
		},
	}
}
