package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
)

// leadPoll is how often a standby asks for the lead and a leader proves that
// its session lives; a takeover needs two of them at most.
const leadPoll = time.Second

// errLeadLost is why run's context ended.
var errLeadLost = errors.New("the lead is lost: the database session ended")

// Lead returns a function that runs run while this process is the one leader
// called name among all that share the database, and otherwise asks once a
// second to become it. When the database session that carries the lead dies,
// run's context is cancelled (cause: the lead is lost) and, after run has
// returned, it asks again, until ctx ends. An error of run under a live lead
// ends the function; nil from it too. While the database is away nobody is
// elected: what must go on then must not depend on the lead alone.
func (db *DB) Lead(name string, run func(context.Context) error) func(context.Context) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte("keepwatch lead " + name)) // a hash never fails
	key := int64(h.Sum64())                          //nolint:gosec // all 64 bits are wanted, as whatever number
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			done, err := db.leadOnce(ctx, name, key, run)
			if done {
				return err
			}
			if err != nil && ctx.Err() == nil {
				db.log.Warn("not leading", "lead", name, "err", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(leadPoll):
			}
		}
		return ctx.Err()
	}
}

// A leader whose machine vanished holds its lock until the server notices: with
// these, 6 s; with the usual settings of Linux, 2 hours.
const sqlLeadSession = `
SELECT set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '1', false),
	set_config('tcp_keepalives_count', '3', false)`

// leadOnce leads for as long as one session lives. Done means that run came to
// its own end under a live lead, or ctx ended.
func (db *DB) leadOnce(ctx context.Context, name string, key int64, run func(context.Context) error) (done bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return false, translateConnect(err)
	}
	defer func() { // closing the session gives the lead away
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, sqlLeadSession); err != nil {
		return false, translate(fmt.Errorf("ask for the lead: %w", err))
	}
	if err := lockSession(ctx, conn, key, leadPoll); err != nil {
		return false, translate(fmt.Errorf("ask for the lead: %w", err))
	}
	db.log.Info("leading", "lead", name)

	runCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	finished := make(chan error, 1)
	go func() { finished <- run(runCtx) }() // waited for below, always
	for {
		select {
		case err := <-finished:
			return true, err
		case <-ctx.Done():
			return true, <-finished
		case <-time.After(leadPoll):
		}
		if err := ping(ctx, conn); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("%w: %w", errLeadLost, err))
			if err := <-finished; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errLeadLost) {
				return false, fmt.Errorf("%w; what was led ended with: %w", errLeadLost, err)
			}
			return false, errLeadLost
		}
	}
}

func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	return conn.Ping(ctx)
}
