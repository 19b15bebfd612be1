package guard

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScore(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		r    reading
		want Level // that the score would lead to
	}{
		"nothing":                             {reading{}, Normal},
		"half a queue":                        {reading{waiting: 8, places: 16}, Normal},
		"most of a queue":                     {reading{waiting: 11, places: 16}, Spare},
		"a full queue of renders":             {reading{waiting: 16, places: 16}, Challenged},
		"an overfull queue switches not off":  {reading{waiting: 160, places: 16}, Challenged},
		"a full house":                        {reading{open: connections}, Challenged},
		"timers late by a tenth of a second":  {reading{lag: 100 * time.Millisecond}, Spare},
		"timers late by a fifth of a second":  {reading{lag: 200 * time.Millisecond}, CachedOnly},
		"half a second for a connection":      {reading{wait: 500 * time.Millisecond}, Spare},
		"a second for a database connection":  {reading{wait: time.Second}, CachedOnly},
		"the worst counts, they do not add":   {reading{waiting: 8, places: 16, lag: 60 * time.Millisecond, open: 1800}, Normal},
		"renders without places are no load":  {reading{waiting: 5}, Normal},
		"a thousand visitors with keep-alive": {reading{open: 1000}, Normal},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			got := gauge{}.next(tt.r.score(), now).next(tt.r.score(), now.Add(upAfter)).level
			if got != tt.want {
				t.Errorf("score %.2f leads to %s, want %s", tt.r.score(), got, tt.want)
			}
		})
	}
}

func TestLevelHasHysteresis(t *testing.T) {
	t.Parallel()
	type step struct {
		after time.Duration
		score float64
		want  Level
	}
	tests := map[string][]step{
		"a short peak is none":          {{0, 2, Normal}, {time.Second, 2, Normal}, {time.Second, 0, Normal}, {time.Second, 2, Normal}, {time.Second, 2, Normal}},
		"a lasting peak is one":         {{0, 2, Normal}, {2 * time.Second, 2, CachedOnly}},
		"up to what lasts now":          {{0, 0.6, Normal}, {2 * time.Second, 0.8, Challenged}},
		"down slowly, a step a time":    {{0, 2, Normal}, {2 * time.Second, 2, CachedOnly}, {time.Second, 0, CachedOnly}, {9 * time.Second, 0, CachedOnly}, {time.Second, 0, Challenged}, {time.Second, 0, Challenged}, {10 * time.Second, 0, Spare}, {time.Second, 0, Spare}, {10 * time.Second, 0, Normal}},
		"just below is not below":       {{0, 0.5, Normal}, {2 * time.Second, 0.5, Spare}, {time.Minute, 0.4, Spare}, {time.Minute, 0.4, Spare}, {time.Second, 0.3, Spare}, {10 * time.Second, 0.3, Normal}},
		"a flutter keeps the level":     {{0, 0.5, Normal}, {2 * time.Second, 0.5, Spare}, {time.Second, 0, Spare}, {9 * time.Second, 0.5, Spare}, {time.Second, 0, Spare}, {9 * time.Second, 0, Spare}},
		"higher while already loaded":   {{0, 0.5, Normal}, {2 * time.Second, 0.5, Spare}, {time.Second, 1, Spare}, {2 * time.Second, 1, CachedOnly}},
		"rising forgets what was low":   {{0, 0.5, Normal}, {2 * time.Second, 0.5, Spare}, {time.Second, 0, Spare}, {9 * time.Second, 1, Spare}, {time.Second, 0, Spare}, {9 * time.Second, 0, Spare}},
		"falling forgets what was high": {{0, 1, Normal}, {time.Second, 0, Normal}, {time.Second, 1, Normal}, {time.Second, 1, Normal}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			var g gauge
			for i, s := range steps {
				now = now.Add(s.after)
				g = g.next(s.score, now)
				if g.level != s.want {
					t.Fatalf("step %d: %s, want %s", i, g.level, s.want)
				}
			}
		})
	}
}

// The loop reads its sources, reaches the level and comes back.
func TestRunFollowsTheLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waiting, slow, waited, waits atomic.Int64
		waiting.Store(16)
		g := newGuard(t, func(o *Options) {
			o.Sources = Sources{
				Renders: func() (int, int) { return int(waiting.Load()), 16 },
				Database: func() (time.Duration, int64) {
					return time.Duration(waited.Add(4 * slow.Load())), waits.Add(4)
				},
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }() // ends with cancel
		after := func(d time.Duration) string {
			time.Sleep(d)
			synctest.Wait()
			return g.Level().String()
		}
		got := []string{after(time.Second), after(2 * time.Second)}
		waiting.Store(0)
		slow.Store(int64(3 * time.Second))
		got = append(got, after(5*time.Second))
		slow.Store(0)
		got = append(got, after(5*time.Second), after(time.Minute))
		if diff := cmp.Diff(got, []string{"normal", "challenged", "cached_only", "cached_only", "normal"}); diff != "" {
			t.Errorf("levels (-got +want):\n%s", diff)
		}
		if s := g.Stats(); s.Score > 0.01 {
			t.Errorf("score %v at the end", s.Score)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
