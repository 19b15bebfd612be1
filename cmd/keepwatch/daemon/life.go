// Package daemon owns the wiring by hand of all parts that run together in `keepwatch run`:
// what each is made of, in which order they start and stop, and what people see of them.
// It knows no command line; what is worth a unit test by itself lives in what it wires.
package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopWithin is the promise of SIGTERM; what has not ended by then is abandoned.
const stopWithin = 9500 * time.Millisecond

// Run is the life of the daemon, until ctx ends or a part fails. SIGHUP makes it read its
// configuration anew. A part that does not stop when it shall ends the process.
func Run(ctx context.Context, o Options) error {
	d, err := newDaemon(ctx, o)
	if err != nil {
		return err
	}
	if o.Greeting != nil {
		d.greet(ctx, o.Greeting)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	d.hup = hup
	stopped := make(chan struct{})
	defer close(stopped)
	go abandonAfter(ctx, stopped, o.Log) // ends with stopped
	err = d.run(ctx)
	o.Log.Info("stopped", "err", err)
	return err
}

// abandonAfter keeps the promise that SIGTERM ends the process: what hangs is
// left behind, said so, and counts as a failure.
func abandonAfter(ctx context.Context, stopped <-chan struct{}, log *slog.Logger) {
	select {
	case <-stopped:
		return
	case <-ctx.Done():
	}
	select {
	case <-stopped:
	case <-time.After(stopWithin):
		log.Error("a part did not stop in time and was abandoned")
		os.Exit(1)
	}
}
