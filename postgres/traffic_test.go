package postgres_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/reports"
	"keepwatch/traffic"
)

func TestTrafficCommit(t *testing.T) {
	t.Parallel()
	store, ctx := postgres.Traffic{DB: pgtest.New(t)}, t.Context()
	noon := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	minute := func(n int, good, valid int64) traffic.Minute {
		return traffic.Minute{At: noon.Add(time.Duration(n) * time.Minute), Good: good, Valid: valid, Invalid: 1, Skipped: 2}
	}
	first := traffic.Position{Version: 1, File: "1:2", Offset: 100, Print: []byte{1, 2}, PrintLen: 100}
	second := traffic.Position{Version: 2, File: "1:3"}
	for i, step := range []struct {
		minutes []traffic.Minute
		pos     traffic.Position
		want    error
	}{
		{[]traffic.Minute{minute(0, 5, 6), minute(1, 1, 1)}, first, nil},
		{[]traffic.Minute{minute(0, 5, 6)}, first, traffic.ErrMoved}, // somebody who knows no more
		{[]traffic.Minute{minute(1, 2, 3)}, second, nil},
		{nil, traffic.Position{Version: 4}, traffic.ErrMoved},
	} {
		if err := store.Commit(ctx, "front", step.minutes, step.pos); !errors.Is(err, step.want) {
			t.Errorf("commit %d: got %v, want %v", i, err, step.want)
		}
	}
	second.Print = []byte{}
	if got, err := store.Position(ctx, "front"); err != nil || !cmp.Equal(got, second) {
		t.Errorf("position: got %+v, %v; want %+v", got, err, second)
	}
	if got, err := store.Position(ctx, "other"); err != nil || !cmp.Equal(got, traffic.Position{}) {
		t.Errorf("position of another: got %+v, %v; want none", got, err)
	}
	got, err := store.Minutes(ctx, "front", noon, noon.Add(2*time.Minute))
	want := []reports.UserMinute{{At: noon, Good: 5, Valid: 6, Skipped: 2}, {At: noon.Add(time.Minute), Good: 3, Valid: 4, Skipped: 4}}
	if diff := cmp.Diff(got, want, cmp.Comparer(time.Time.Equal)); err != nil || diff != "" {
		t.Errorf("minutes: %v (-got +want):\n%s", err, diff)
	}
	for i, want := range []bool{true, false} {
		if got, err := store.ImportFile(ctx, "front", "a.gz", []byte("sum"), []traffic.Minute{minute(0, 1, 1)}, noon); err != nil || got != want {
			t.Errorf("import %d: got %v, %v; want %v", i, got, err, want)
		}
	}
	if got, err := store.Minutes(ctx, "front", noon, noon.Add(time.Minute)); err != nil || got[0].Valid != 7 {
		t.Errorf("after two imports of one file: got %+v, %v; want 7 valid", got, err)
	}
}

// TestTrafficSurvivesKills: a follower that is killed between any two turns, over a
// real database, counts each line once.
func TestTrafficSurvivesKills(t *testing.T) {
	t.Parallel()
	store := postgres.Traffic{DB: pgtest.New(t)}
	path := filepath.Join(t.TempDir(), "access.log")
	now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	lines := int64(0)
	write := func(n int) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range n {
			lines++
			if _, err := fmt.Fprintf(f, "127.0.0.1 - - [%s] \"GET /%d HTTP/1.1\" 200 5 \"-\" \"Mozilla\"\n", now.Format("02/Jan/2006:15:04:05 -0700"), lines); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 12 {
		write(1000)
		if i%4 == 3 {
			if err := os.Rename(path, fmt.Sprintf("%s.%d", path, 9-i/4)); err != nil {
				t.Fatal(err)
			}
			write(10)
		}
		f := &traffic.Follower{Counter: traffic.Counter{Config: traffic.Config{Name: "front", File: path}}, Store: store, Log: slog.New(slog.DiscardHandler)}
		f.Config.SetDefaults()
		for turn := range 6 { // then it is killed: what it holds is forgotten
			if _, err := f.Turn(t.Context(), time.Now().Add(time.Duration(turn)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := store.Minutes(t.Context(), "front", now, now.Add(time.Minute))
	if err != nil || len(got) != 1 || got[0].Valid != lines {
		t.Errorf("got %+v, %v; want %d lines", got, err, lines)
	}
}
