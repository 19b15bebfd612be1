package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

// Waits grows when more callers want connections than there are.
func TestWaitsForConnections(t *testing.T) {
	t.Parallel()
	photos := postgres.Photos{DB: pgtest.New(t)}
	_, before := photos.Waits()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := photos.Photo(ctx, 1); !errors.Is(err, gallery.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if waited, waits := photos.Waits(); waits <= before || waited <= 0 {
		t.Errorf("200 callers at once: %d waited, %v in all", waits-before, waited)
	}
}
