package site

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keeper is a store that notes what upkeep asks of it.
type keeper struct {
	*memStore

	mu     sync.Mutex // guards the rest
	purged map[string][]time.Duration
	tokens []time.Duration
	err    error
}

func (k *keeper) note(tag string, before time.Time) (int64, []string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.purged[tag] = append(k.purged[tag], time.Since(before))
	return 0, nil, k.err
}

func (k *keeper) Purge(_ context.Context, before, _ time.Time, _ string, _ int) (int64, []string, error) {
	return k.note("", before)
}

func (k *keeper) PurgeTag(_ context.Context, tag string, before, _ time.Time, _ string, _ int) (int64, []string, error) {
	return k.note(tag, before)
}

func (k *keeper) Stale(context.Context, string, time.Time, time.Time, int) ([]string, error) {
	return nil, nil
}

func (k *keeper) DropTokens(_ context.Context, before time.Time) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens = append(k.tokens, time.Since(before))
	return 0, nil
}

func TestUpkeep(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{memStore: b.store, purged: map[string][]time.Duration{}}
		s := &Site{store: k, originals: b.originals, cfg: b.cfg, log: b.log, ProbeTag: "probe"}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.upkeep(ctx) })
		time.Sleep(24 * time.Hour)
		k.mu.Lock()
		all, ours, tokens := k.purged[""], k.purged["probe"], k.tokens
		k.err = errors.New("the database is away")
		k.mu.Unlock()
		if n := len(all); n < 96 || n > 288 || len(ours) != n || len(tokens) != n {
			t.Errorf("in a day: %d, %d and %d rounds, want one each 5 to 15 minutes", len(all), len(ours), len(tokens))
		}
		for i := range all {
			if all[i] != 30*day || ours[i] != keepProbes || tokens[i] != keepTokens {
				t.Fatalf("round %d: removes what is older than %v, %v, %v", i, all[i], ours[i], tokens[i])
			}
		}
		time.Sleep(time.Hour) // failing ends nothing
		stop()
		wg.Wait()
		if n := len(k.purged[""]); n < len(all)+3 {
			t.Errorf("after failures: %d rounds more, want it to go on", n-len(all))
		}
	})
}
