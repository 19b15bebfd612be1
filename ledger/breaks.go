package ledger

import (
	"context"
	"time"
)

// Break is a moment at which the clock was moved.
type Break struct {
	From, To time.Time // what it showed before and after
	Why      string    // what the time that it jumped over is called
}

// now reads the clock. A break ends what the word of this process covers, and begins it
// anew: otherwise it would say that somebody looked in the time between. mu is held.
func (k *Keeper) now() time.Time {
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	at := now().UTC() // read before the breaks: a break that comes between is seen next time
	if k.Breaks == nil {
		return at
	}
	breaks := k.Breaks()
	if len(breaks) == k.heard {
		return at
	}
	for _, b := range breaks[k.heard:] {
		if !k.since.IsZero() {
			k.untold = append(k.untold, Lease{Agent: k.Agent, Since: k.since, Now: b.From, Locations: k.locations, Why: b.Why})
			k.since = b.To
		}
	}
	k.heard, k.committed = len(breaks), time.Time{}
	return now().UTC()
}

// tellBreaks stores the last words of the times before breaks.
func (k *Keeper) tellBreaks(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.untold) > 0 {
		if err := k.Store.Commit(ctx, k.untold[0], nil, nil); err != nil {
			return err
		}
		k.untold = k.untold[1:]
	}
	return nil
}
