package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// auditEvery is how often the auditor looks whether something is overdue.
const auditEvery = 30 * time.Second

// auditor watches the watcher: it looks for what should have happened and has
// not, says so, and tells an outside dead-man's switch that all is well, but only
// while it is.
type auditor struct {
	leads    func() bool
	problems func(now time.Time) []string
	// deadman returns how to tell the outside and how often; nil while there is nobody to tell.
	deadman func() (ping func(context.Context) error, every time.Duration)
	log     *slog.Logger
	now     func() time.Time // nil means time.Now

	mu     sync.Mutex
	failed error     // guarded by mu: of the last ping
	since  time.Time // guarded by mu: when pings began to fail; zero while they do not
}

// Run audits until ctx ends. Only the leading daemon tells the outside: a stand-by
// whose leader hangs must not hide that.
func (a *auditor) Run(ctx context.Context) error {
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	var known []string
	var pinged time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := moment(a.now)
		found := a.problems(now)
		if !slices.Equal(found, known) {
			known = found
			a.say(ctx, found)
		}
		ping, every := a.deadman()
		if ping == nil || len(found) > 0 || !a.leads() || !pinged.IsZero() && time.Since(pinged) < every-auditEvery/2 {
			continue
		}
		pinged = time.Now()
		a.note(ctx, ping(ctx), now)
	}
}

func (a *auditor) say(ctx context.Context, found []string) {
	if len(found) == 0 {
		a.log.InfoContext(ctx, "nothing is overdue any more")
		return
	}
	a.log.ErrorContext(ctx, "the auditor found what should have happened by now", "problems", found)
}

func (a *auditor) note(ctx context.Context, err error, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.failed, a.since = nil, time.Time{}
	case a.since.IsZero():
		a.failed, a.since = err, now
		a.log.WarnContext(ctx, "dead-man's switch not told", "err", err)
	default:
		a.failed = err
	}
}

// trouble says what is wrong with the outside switch; "" when nothing is.
func (a *auditor) trouble() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil {
		return ""
	}
	return a.failed.Error() + ", since " + a.since.UTC().Format(time.RFC3339) + ": the outside will think that Keepwatch is dead"
}
