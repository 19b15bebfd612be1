package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/alerting/fakepd"
	"keepwatch/cmd/keepwatch/standin"
)

// fakeOptions are the files of the stand-in's command line.
type fakeOptions struct {
	fakepd.Options

	listen, logFile, schedule, account string
}

func (c *cli) fakePagerDutyCommand() *cobra.Command {
	var o fakeOptions
	cmd := &cobra.Command{
		Use: "fake-pagerduty", Short: "Serve a strict stand-in for PagerDuty, for tests and game days", Args: cobra.NoArgs,
		Long: `Serve a strict stand-in for PagerDuty: the Events API, the REST API as far as Keepwatch uses it,
and signed webhooks. It models who is rung, misbehaves on request, and writes down all it gets.

A schedule is a JSON list of what goes wrong and when:

  [{"at": "1m", "for": "10m", "fault": {"status": 503}},
   {"at": "15m", "for": "5m", "fault": {"hole": true, "processed": true, "probability": 0.3}},
   {"at": "20m", "fault": {"webhook_copies": 5, "webhook_forge": true}},
   {"at": "30m", "clear": true}]

At the end judge the log: keepwatch fake-pagerduty verify LOG`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.WebhookSecret = os.Getenv("PAGERDUTY_WEBHOOK_SECRET")
			if o.WebhookURL != "" && o.WebhookSecret == "" {
				return usageError{errors.New("--webhook needs a signing secret in PAGERDUTY_WEBHOOK_SECRET")}
			}
			if token := os.Getenv("PAGERDUTY_TOKEN"); token != "" {
				o.Tokens = []string{token}
			}
			return c.fakePagerDuty(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:9099", "address to serve on")
	cmd.Flags().StringVar(&o.logFile, "log", "", "also append every line of GET /_log to this file")
	cmd.Flags().StringSliceVar(&o.Keys, "key", nil, "accept only these routing keys (default: any well-formed one)")
	cmd.Flags().StringVar(&o.WebhookURL, "webhook", "", "send v3 webhooks to this address, signed with PAGERDUTY_WEBHOOK_SECRET")
	cmd.Flags().DurationVar(&o.AutoAck, "auto-ack", 0, "acknowledge each incident after this long, as a person would")
	cmd.Flags().StringVar(&o.schedule, "schedule", "", "JSON file of what goes wrong and when, from the start")
	cmd.Flags().StringVar(&o.account, "account", "", "JSON file of users, escalation policies and services, as GET /_account shows them")
	cmd.Flags().DurationVar(&o.Minute, "minute", time.Minute, "how long a minute of an escalation delay lasts")
	cmd.AddCommand(c.verifyCommand())
	return cmd
}

func (c *cli) fakePagerDuty(ctx context.Context, o fakeOptions) (err error) {
	var steps []fakepd.Step
	if o.schedule != "" {
		raw, err := os.ReadFile(o.schedule)
		if err == nil {
			steps, err = fakepd.ParseSchedule(raw)
		}
		if err != nil {
			return usageError{fmt.Errorf("--schedule %s: %w", o.schedule, err)}
		}
	}
	if o.account != "" {
		if o.Account, err = readAccount(o.account); err != nil {
			return usageError{fmt.Errorf("--account %s: %w", o.account, err)}
		}
	}
	if o.logFile != "" {
		file, err := os.OpenFile(o.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		o.Log = file
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w (choose another address)", o.listen, err)
	}
	server := fakepd.New(o.Options)
	defer server.Close()
	if steps != nil {
		if err := server.Schedule(steps); err != nil {
			return err
		}
	}
	c.printf("The PagerDuty stand-in listens on http://%s\n  set pagerduty.events_url (and api_url) to that address; open it in a browser to acknowledge and resolve\n  GET /_log: everything received   POST /_fault: misbehave   POST /_schedule: misbehave later   DELETE /_fault: behave again\n", ln.Addr())
	return standin.Serve(ctx, ln, server.Handler())
}

// readAccount reads an account and refuses one that contradicts itself.
func readAccount(path string) (*fakepd.Account, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	var a fakepd.Account
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	return &a, a.Check()
}

func (c *cli) verifyCommand() *cobra.Command {
	var expect string
	var open bool
	cmd := &cobra.Command{
		Use: "verify LOG", Short: "Judge a log of the stand-in: every episode triggered, opened once, closed", Args: cobra.ExactArgs(1),
		Long: `Judge a log of the stand-in. Every episode (one dedup key of a routing key) must have at least one
trigger, exactly one open period, and be closed at the end; nothing that was refused may be sent
again as it was; nothing may hold fields that PagerDuty does not know. The exit code is 1 when a
promise is broken, and the episode is named.`,
		RunE: func(_ *cobra.Command, args []string) error {
			want := fakepd.Want{StillOpen: open}
			if expect != "" {
				raw, err := os.ReadFile(expect) //nolint:gosec // the operator names the file
				if err != nil {
					return err
				}
				want.Keys = strings.Fields(string(raw))
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			rep, err := fakepd.Check(file, want)
			if err != nil {
				return err
			}
			printReport(c.out, rep)
			if len(rep.Problems) > 0 {
				return errors.New(strings.Join(rep.Problems, "\n"))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&expect, "expect", "", "file of dedup keys that must have rung, one a line")
	cmd.Flags().BoolVar(&open, "still-open", false, "episodes may be open at the end of the log")
	return cmd
}

// printReport prints the episodes, those with a problem first, and the sums.
func printReport(w io.Writer, rep fakepd.Report) {
	const most = 20
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "EPISODE\tTRIGGERS\tOPENED\tFIRST\tLAST\tVERDICT")
	shown := 0
	for _, bad := range []bool{true, false} {
		for _, e := range rep.Episodes {
			if (e.Problem != "") != bad || shown >= most {
				continue
			}
			shown++
			verdict := e.Problem
			if verdict == "" {
				verdict = "good"
			}
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\n", e.DedupKey, e.Triggers, e.Opened, e.First.Format(time.TimeOnly), e.Last.Format(time.TimeOnly), verdict)
		}
	}
	_ = t.Flush() // the writer tells when it cannot
	if n := len(rep.Episodes) - shown; n > 0 {
		fmt.Fprintf(w, "… and %d more\n", n)
	}
	s := rep.Summary
	fmt.Fprintf(w, "%d events, %d triggers, %d incidents; lost %d, doubled %d, left open %d\n", s.Events, s.Triggers, s.Incidents, rep.Lost, rep.Doubled, rep.LeftOpen)
}
