package daemon

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"keepwatch/config"
	"keepwatch/traffic"
)

// visitors follows the access logs of the configuration in force.
type visitors struct {
	store traffic.Store
	file  func() *config.File
	log   *slog.Logger
}

// Run follows the logs until ctx ends; it returns nil. A reload that changes them
// ends and begins the following.
func (v *visitors) Run(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		logs := v.file().AccessLogs
		v.follow(ctx, logs, func() bool {
			select {
			case <-ctx.Done():
				return false
			case <-tick.C:
				return reflect.DeepEqual(v.file().AccessLogs, logs)
			}
		})
	}
	return nil
}

// follow runs a follower for each log for as long as same says that they are the same.
func (v *visitors) follow(ctx context.Context, logs []traffic.Config, same func() bool) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, c := range logs {
		if c.File == "" {
			continue
		}
		f := &traffic.Follower{Counter: traffic.Counter{Config: c}, Store: v.store, Log: v.log}
		wg.Go(func() { _ = f.Run(ctx) }) // it returns nil
	}
	for same() {
	}
	cancel()
	wg.Wait()
}
