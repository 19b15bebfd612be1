package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/alerting"
	"keepwatch/probe"
	"keepwatch/spool"
)

// childEnv makes the test binary a victim: its value says which, and where.
const childEnv = "KEEPWATCH_TEST_SPOOL_CHILD"

func TestMain(m *testing.M) {
	kind, dir, ok := strings.Cut(os.Getenv(childEnv), ":")
	if !ok {
		os.Exit(m.Run())
	}
	victims := map[string]func(string) error{"recorder": recordForEver, "outbox": applyForEver}
	if err := victims[kind](dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// awayStore is a database that is not there.
type awayStore struct{}

func (awayStore) Insert(context.Context, []probe.Result) error { return errors.New("away") }

// recordForEver prints the number of each result that Record has returned from.
func recordForEver(dir string) error {
	j, err := spool.OpenJournal(spool.JournalOptions{Dir: dir, SegmentBytes: 20_000})
	if err != nil {
		return err
	}
	rec := &probe.Recorder{Store: awayStore{}, Journal: j, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() { _ = rec.Run(ctx) }() // ends with the process
	for n := 0; ctx.Err() == nil; n++ {
		start := time.Now()
		rec.Record(result(n))
		// A Record that gave up waiting for the disk does not promise anything.
		for time.Since(start) > 200*time.Millisecond && rec.Pending() > 0 {
			if kept, _ := j.Pending(); kept > n {
				break
			}
			<-time.After(time.Millisecond)
		}
		if _, err := fmt.Println(n); err != nil { //nolint:forbidigo // the parent reads it
			return err
		}
	}
	return errors.New("nobody killed me")
}

func applyForEver(dir string) error {
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: filepath.Join(dir, "outbox")})
	if err != nil {
		return err
	}
	for n := range 100_000 {
		if err := o.Apply(context.Background(), change(n)); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil { //nolint:forbidigo // the parent reads it
			return err
		}
	}
	return errors.New("nobody killed me")
}

func change(n int) alerting.Change {
	id := fmt.Sprint("kw-", n)
	return alerting.Change{
		Incident: alerting.Incident{ID: id, Version: 1, State: alerting.Open, Opened: slot(n), Summary: strings.Repeat("x", 200)},
		Entries:  []alerting.Entry{{Incident: id, Seq: 1000, At: slot(n), Kind: "opened"}},
		Pages: []alerting.Page{{
			ID: id + "/1/1", Incident: id, DedupKey: id, Action: alerting.Trigger,
			State: alerting.Queued, Created: slot(n),
		}},
	}
}

// killAfter starts a victim, kills it with SIGKILL after it printed so many
// numbers, and returns the last one that it printed.
func killAfter(t *testing.T, kind, dir string, lines int) int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+kind+":"+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for in := bufio.NewScanner(out); in.Scan(); {
		if last, err = strconv.Atoi(in.Text()); err != nil {
			t.Fatal(err)
		}
		if lines--; lines == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		} // and read on: what stood in the pipe was said before the kill
	}
	if err := cmd.Wait(); err == nil || lines > 0 {
		t.Fatalf("the victim ended by itself: %v\n%s", err, stderr.String())
	}
	return last
}

// TestKilledRecorderLosesNothing: whatever Record returned from is there after a
// kill -9, once.
func TestKilledRecorderLosesNothing(t *testing.T) {
	t.Parallel()
	for _, lines := range []int{1, 10, 500, 3000} {
		t.Run(fmt.Sprint("after ", lines), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			last := killAfter(t, "recorder", dir, lines)
			j := openJournal(t, spool.JournalOptions{Dir: dir})
			got := take(t, j, 10_000_000)
			// One more than was said may have been written.
			if len(got) != last+1 && len(got) != last+2 {
				t.Fatalf("%d results came back, the victim recorded %d", len(got), last+1)
			}
			if diff := cmp.Diff(got, results(0, len(got))); diff != "" {
				t.Errorf("results (-got +want):\n%s", diff)
			}
			if d := j.Damage(); d.Corrupt != 0 {
				t.Errorf("damage %+v", d)
			}
		})
	}
}

func TestKilledOutboxLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	last := killAfter(t, "outbox", dir, 40)
	o := openOutbox(t, filepath.Join(dir, "outbox"))
	all, err := o.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != last+1 && len(all) != last+2 {
		t.Fatalf("%d incidents came back, the victim applied %d", len(all), last+1)
	}
	for n, got := range all {
		if diff := cmp.Diff(got, change(n)); diff != "" {
			t.Errorf("incident %d (-got +want):\n%s", n, diff)
		}
	}
}
