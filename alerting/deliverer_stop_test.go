package alerting

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// slowClaim is a store whose claims take until somebody loses patience.
type slowClaim struct{ Memory }

func (s *slowClaim) Claim(ctx context.Context, _ time.Time, _ time.Duration, _ int) ([]Page, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestStopDoesNotBlameTheStore holds that a claim broken off by the end of the
// daemon's lead is no trouble of the store, while one that takes too long is.
func TestStopDoesNotBlameTheStore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stop time.Duration
		want int64
	}{
		"stopped in the middle of a claim": {time.Second, 0},
		"a claim that takes too long":      {lease/3 + time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &Deliverer{Store: &slowClaim{}, Log: slog.New(slog.DiscardHandler)}
				ctx, cancel := context.WithTimeout(t.Context(), tt.stop)
				defer cancel()
				if err := d.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if got := d.Stats().StoreErrors; got != tt.want {
					t.Errorf("got %d errors of the store, want %d", got, tt.want)
				}
			})
		})
	}
}
