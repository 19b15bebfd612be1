package intake

import (
	"context"
	"sync"
)

// keyed is a lock for each key. Its map must be made; safe for concurrent use.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{} // guarded by mu; closed when the key is let go
}

// lock waits until nobody holds the key or ctx is done.
func (k *keyed) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		busy, ok := k.held[key]
		if !ok {
			mine := make(chan struct{})
			k.held[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
