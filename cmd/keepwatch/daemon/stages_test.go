package daemon

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diary notes the order in which things happened.
type diary struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (d *diary) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, s)
}

func (d *diary) part(name string, stopping time.Duration) part {
	return part{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(stopping)
		d.note(name)
		return nil
	}}
}

func TestStagesStopInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- runStages(ctx,
				[]part{d.part("postgres", time.Second)},
				[]part{d.part("recorder", time.Second), d.part("engine", 2*time.Second)},
				[]part{d.part("prober", 5*time.Second)})
		}()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
		if diff := cmp.Diff(d.lines, []string{"prober", "recorder", "engine", "postgres"}); diff != "" {
			t.Errorf("order of stopping (-got +want):\n%s", diff)
		}
	})
}

func TestStagesFail(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		name string
		run  func(context.Context) error
		want string
	}{
		{"a part fails", func(context.Context) error { return boom }, "site: boom"},
		{"a part ends by itself", func(context.Context) error { return nil }, "site ended by itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d diary
				err := runStages(t.Context(), []part{d.part("postgres", 0)}, []part{{"site", tt.run}, d.part("prober", 0)})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if diff := cmp.Diff(d.lines, []string{"prober", "postgres"}); diff != "" {
					t.Errorf("the others must be stopped in order (-got +want):\n%s", diff)
				}
			})
		})
	}
}
