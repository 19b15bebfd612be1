package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"keepwatch/config"
	"keepwatch/oncall"
	"keepwatch/postgres"
)

// coversEvery is how soon the daemon follows an override that somebody made.
const coversEvery = 5 * time.Second

// covers keeps the overrides that people made, as last read. While the database
// is away the last ones known go on holding.
type covers struct {
	list    func(ctx context.Context, since time.Time) ([]oncall.Cover, error)
	changed func() // called after each change
	log     *slog.Logger
	now     func() time.Time               // nil means time.Now
	known   atomic.Pointer[[]oncall.Cover] // nil until they were read once
}

func newCovers(db *postgres.DB, changed func(), log *slog.Logger) *covers {
	return &covers{list: postgres.Covers{DB: db}.List, changed: changed, log: log}
}

// roster is the file's with the overrides in force.
func (c *covers) roster(f *config.File) oncall.Roster {
	known := c.known.Load()
	if known == nil {
		return f.Roster()
	}
	return f.Roster().With(*known, moment(c.now).UTC())
}

// void are the overrides that the file takes no more.
func (c *covers) void(f *config.File) []oncall.Cover {
	known := c.known.Load()
	if known == nil {
		return nil
	}
	return f.Roster().Void(*known, moment(c.now).UTC())
}

// holding returns the override that somebody made which holds in a rotation at t;
// of several the one that wins.
func (c *covers) holding(rotation string, t time.Time) (oncall.Cover, bool) {
	known := c.known.Load()
	if known == nil {
		return oncall.Cover{}, false
	}
	var found oncall.Cover
	for _, v := range *known {
		if v.Rotation == rotation && v.Holds(t) && v.ID > found.ID {
			found = v
		}
	}
	return found, found.ID != 0
}

// Run reads the overrides again and again until ctx ends.
func (c *covers) Run(ctx context.Context) error {
	tick := time.NewTicker(coversEvery)
	defer tick.Stop()
	for {
		c.read(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *covers) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, coversEvery)
	defer cancel()
	now, err := c.list(ctx, moment(c.now).Add(-oncall.CoversSince).UTC())
	if err != nil {
		return // the database says itself that it is away; what is known holds
	}
	before := c.known.Swap(&now)
	if before == nil && len(now) == 0 || before != nil && slices.Equal(*before, now) {
		return
	}
	c.log.InfoContext(ctx, "overrides read", "count", len(now))
	c.changed()
}
