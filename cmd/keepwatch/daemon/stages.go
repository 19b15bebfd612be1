package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// part is one long-lived piece of the daemon. run blocks until its context
// ends and returns nil then; an error, or an end that nobody asked for, stops the daemon.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// runStages runs all parts of all stages at once. When ctx ends, or a part
// fails, the last stage is stopped first, and each stage before it only after it
// has ended: producers stop before those who write their results down, those
// before the database.
func runStages(ctx context.Context, stages ...[]part) error {
	root, cancelRoot := context.WithCancel(ctx)
	defer cancelRoot()
	var mu sync.Mutex
	var failures []error // guarded by mu
	fail := func(err error) {
		mu.Lock()
		failures = append(failures, err)
		mu.Unlock()
		cancelRoot()
	}
	groups := make([]*sync.WaitGroup, len(stages))
	cancels := make([]context.CancelFunc, len(stages))
	for i, parts := range stages {
		stageCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		groups[i], cancels[i] = &sync.WaitGroup{}, cancel
		for _, p := range parts {
			groups[i].Go(func() {
				if err := p.run(stageCtx); err != nil {
					fail(fmt.Errorf("%s: %w", p.name, err))
				} else if stageCtx.Err() == nil {
					fail(fmt.Errorf("%s ended by itself", p.name))
				}
			})
		}
	}
	<-root.Done()
	for i := range slices.Backward(stages) {
		cancels[i]()
		groups[i].Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(failures...)
}
