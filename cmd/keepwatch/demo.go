package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"keepwatch/cmd/keepwatch/standin"
)

// demoFile is the configuration of the story: the example's shape with intervals
// short enough for two minutes.
const demoFile = `version: 1
data_dir: %[1]s/data
console: {listen: "127.0.0.1:%[2]d"}
site: {listen: "127.0.0.1:%[3]d", originals: %[1]s/originals, cache: {dir: %[1]s/cache, size: 64MiB}}
locations: [west, central, east]
checks:
  - {name: front-page, every: 5s, timeout: 2s, http: {url: "http://127.0.0.1:%[3]d/", expect: {status: 200, body_contains: "<title>"}}}
services:
  - {name: image-site, objective: 95%%, critical: [front-page], escalation: site, confirm: 2, reopen: 0s}
people:
  ada: {name: Ada, email: ada@example.com}
  grace: {name: Grace, email: grace@example.com}
rotations:
  primary: {start: 2026-01-05, handoff: Monday 09:00, people: [ada]}
  secondary: {start: 2026-01-05, handoff: Monday 09:00, people: [grace]}
escalations:
  site: {levels: [{page: primary}, {page: secondary, after: 5m}]}
pagerduty: {routing_key: "${PAGERDUTY_ROUTING_KEY}", events_url: "${PAGERDUTY_EVENTS_URL}", webhook_secret: "${PAGERDUTY_WEBHOOK_SECRET}"}
reports: {time_zone: UTC}
`

func (c *cli) demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Tell a true two-minute story: outage, page, acknowledgement, recovery, report", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := &story{cli: c, start: time.Now(), keep: keep}
			return s.tell(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the story's directory (configuration, logs, database) behind")
	return cmd
}

// story is one demo: real processes on loopback, real timings.
type story struct {
	*cli
	start                  time.Time
	keep                   bool
	dir, config            string
	console, site, standIn int
	watch, web             *exec.Cmd
	incident               string
}

// tell runs the chapters in order and cleans up whatever happened.
func (s *story) tell(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	if err := s.prepare(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.stop(s.web), s.stop(s.watch))
		if s.keep || err != nil {
			s.printf("\nLogs and data are in %s\n", s.dir)
			return
		}
		err = os.RemoveAll(s.dir)
	}()
	for _, chapter := range []func(context.Context) error{s.up, s.calm, s.outage, s.page, s.acknowledge, s.linger, s.recover, s.settle, s.report} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) say(format string, args ...any) {
	s.printf("%6.1f s  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

func (s *story) prepare() (err error) {
	if s.dir, err = os.MkdirTemp("", "keepwatch-demo-"); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o711); err != nil { //nolint:gosec // the server's own user must pass through
		return err
	}
	for _, port := range []*int{&s.console, &s.site, &s.standIn} {
		ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // finds a free port and closes it at once
		if err != nil {
			return err
		}
		*port = ln.Addr().(*net.TCPAddr).Port
		if err := ln.Close(); err != nil {
			return err
		}
	}
	s.config = filepath.Join(s.dir, "keepwatch.yaml")
	return os.WriteFile(s.config, fmt.Appendf(nil, demoFile, s.dir, s.console, s.site), 0o600)
}

func (s *story) spawn(name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // below the story's own directory
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, append([]string{"run", "--quiet", "--config", s.config}, args...)...) //nolint:gosec,noctx // ourselves; stopped by stop
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return cmd, cmd.Start()
}

func (s *story) stop(cmd *exec.Cmd) error {
	if cmd == nil || cmd.ProcessState != nil {
		return nil
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("stop %s: %w", strings.Join(cmd.Args[2:], " "), err)
	}
	return nil
}

func (s *story) up(ctx context.Context) (err error) {
	s.say("Starting the watching daemon with its own Postgres and a PagerDuty stand-in, and the site as a process of its own.")
	if s.watch, err = s.spawn("watch", "--roles", "probe,watch", "--stand-in", fmt.Sprintf("127.0.0.1:%d", s.standIn)); err != nil {
		return err
	}
	if err := s.await(ctx, "the console to answer", func() bool { return s.status(ctx) != nil }); err != nil {
		return err
	}
	if s.web, err = s.spawn("site", "--roles", "site"); err != nil {
		return err
	}
	if err := s.await(ctx, "image-site to be up", func() bool { return s.state(ctx) == "up" }); err != nil {
		return err
	}
	s.say("image-site is up: three locations look every 5 s. Status page: http://127.0.0.1:%d", s.console)
	return nil
}

// calm, linger and settle let whole slots pass, so that the report has something to count.
func (s *story) calm(ctx context.Context) error {
	s.say("Twenty quiet seconds, so that the week has good slots to count.")
	return pause(ctx, 20*time.Second)
}

func (s *story) linger(ctx context.Context) error {
	s.say("The site stays down for half a minute; nobody is paged again.")
	return pause(ctx, 30*time.Second)
}

func (s *story) settle(ctx context.Context) error {
	s.say("Fifteen seconds for the last slots to be written down.")
	return pause(ctx, 15*time.Second)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (s *story) outage(ctx context.Context) error {
	s.say("OUTAGE: the site is killed (kill -9).")
	if err := s.web.Process.Kill(); err != nil {
		return err
	}
	_ = s.web.Wait()
	if err := s.await(ctx, "an incident", func() bool {
		st := s.status(ctx)
		if st == nil || len(st.Incidents) == 0 {
			return false
		}
		s.incident = st.Incidents[0].ID
		s.say("Incident %s: %s.", s.incident, st.Incidents[0].Summary)
		return true
	}); err != nil {
		return err
	}
	return nil
}

// received is a line of the stand-in's log, as far as the story needs it.
type received struct {
	Action   string `json:"action"`
	DedupKey string `json:"dedup_key"`
	Summary  string `json:"summary"`
	Status   int    `json:"status"`
	Did      string `json:"did"`
}

// page waits until PagerDuty's stand-in holds an open incident for our key.
func (s *story) page(ctx context.Context) error {
	return s.await(ctx, "the page", func() bool {
		for _, r := range s.log(ctx) {
			if r.Action == "trigger" && r.DedupKey == s.incident && r.Status == http.StatusAccepted {
				s.say("PAGE: PagerDuty's stand-in took it: %q (%s).", r.Summary, r.Did)
				return true
			}
		}
		return false
	})
}

func (s *story) acknowledge(ctx context.Context) error {
	s.say("Ada presses acknowledge at PagerDuty.")
	if err := s.post(ctx, fmt.Sprintf("http://127.0.0.1:%d/_ack?dedup_key=%s&by=Ada", s.standIn, s.incident)); err != nil {
		return err
	}
	return s.await(ctx, "the acknowledgement", func() bool {
		st := s.status(ctx)
		if st == nil || len(st.Incidents) == 0 || st.Incidents[0].State != "acknowledged" {
			return false
		}
		s.say("The signed webhook came back: acknowledged by %s, the escalation stops.", st.Incidents[0].AckBy)
		return true
	})
}

func (s *story) recover(ctx context.Context) (err error) {
	s.say("RECOVERY: the site is started again.")
	if s.web, err = s.spawn("site", "--roles", "site"); err != nil {
		return err
	}
	if err := s.await(ctx, "the incident to resolve", func() bool {
		st := s.status(ctx)
		return st != nil && len(st.Incidents) == 0 && s.state(ctx) == "up"
	}); err != nil {
		return err
	}
	s.say("image-site is up again.")
	return s.await(ctx, "the resolve at PagerDuty", func() bool {
		for _, r := range s.log(ctx) {
			if r.Action == "resolve" && r.DedupKey == s.incident && r.Status == http.StatusAccepted {
				s.say("RESOLVE: the stand-in closed it (%s).", r.Did)
				return true
			}
		}
		return false
	})
}

func (s *story) report(ctx context.Context) error {
	s.say("The incident and the week so far, from the database:\n")
	for _, args := range [][]string{{"incidents"}, {"report"}} {
		cmd := exec.CommandContext(ctx, s.watch.Path, append(args, "--config", s.config)...) //nolint:gosec // ourselves
		cmd.Env = append(os.Environ(), (&standin.Server{}).Environ()...)
		cmd.Stdout, cmd.Stderr = s.out, s.errOut
		s.printf("$ keepwatch %s\n", strings.Join(args, " "))
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("keepwatch %s: %w", args[0], err)
		}
		s.printf("\n")
	}
	s.say("That was all of it. Now: make run")
	return nil
}

// await polls until ok; the error names what did not come.
func (s *story) await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: see the logs in %s", what, s.dir)
		case <-tick.C:
		}
	}
	return nil
}

type demoStatus struct {
	Services []struct {
		State string `json:"state"`
	} `json:"services"`
	Incidents []struct {
		ID      string `json:"id"`
		State   string `json:"state"`
		Summary string `json:"summary"`
		AckBy   string `json:"ack_by"`
	} `json:"incidents"`
}

func (s *story) status(ctx context.Context) *demoStatus {
	body, err := s.get(ctx, fmt.Sprintf("http://127.0.0.1:%d/api/v1/status", s.console))
	var st demoStatus
	if err != nil || json.Unmarshal(body, &st) != nil {
		return nil
	}
	return &st
}

func (s *story) state(ctx context.Context) string {
	if st := s.status(ctx); st != nil && len(st.Services) > 0 {
		return st.Services[0].State
	}
	return ""
}

func (s *story) log(ctx context.Context) []received {
	body, err := s.get(ctx, fmt.Sprintf("http://127.0.0.1:%d/_log", s.standIn))
	if err != nil {
		return nil
	}
	var out []received
	for line := range bytes.Lines(body) {
		var r received
		if json.Unmarshal(line, &r) == nil {
			out = append(out, r)
		}
	}
	return out
}

func (s *story) get(ctx context.Context, url string) ([]byte, error) {
	return s.call(ctx, http.MethodGet, url)
}

func (s *story) post(ctx context.Context, url string) error {
	_, err := s.call(ctx, http.MethodPost, url)
	return err
}

func (s *story) call(ctx context.Context, method, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s: status %d", method, url, resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 16<<20))
}
