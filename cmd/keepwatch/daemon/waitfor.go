package daemon

import (
	"context"
	"net"
	"time"

	"keepwatch/config"
)

// waitForAtMost bounds how long --wait-for-site keeps the probes back: after that a
// target that is still away is an outage like any other.
const waitForAtMost = 15 * time.Second

// probe runs the probes, with --wait-for-site once the site accepts connections:
// who starts both together must not begin with a page.
func (d *daemon) probe(ctx context.Context) error {
	if d.WaitFor && d.File.Site != nil {
		awaitAddress(ctx, config.Dialable(d.File.Site.Listen), waitForAtMost)
	}
	return d.runner.Run(ctx)
}

// awaitAddress returns when addr accepts a connection, after most, or with ctx.
func awaitAddress(ctx context.Context, addr string, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
