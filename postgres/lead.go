package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
)

// TryLead asks once to become the one leader called name among all that share
// the database. held false means that another session leads. While held, lost
// closes when the session that carries the lead is found dead (it is looked at
// once a second), and release, to be called once, gives the lead back. An error means that
// nobody could be asked. Safe for concurrent use.
func (db *DB) TryLead(ctx context.Context, name string) (lost <-chan struct{}, release func(), held bool, err error) {
	pooled, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, false, translateConnect(err)
	}
	held, err = tryLock(ctx, pooled.Conn(), leadKey(name))
	if err != nil || !held {
		pooled.Release()
		return nil, nil, false, translate(err)
	}
	// The session is the lead: it must not go back to the pool.
	conn := pooled.Hijack()
	if _, err := conn.Exec(ctx, sqlLeadSession); err != nil {
		closeSession(ctx, conn)
		return nil, nil, false, translate(fmt.Errorf("ask for the lead: %w", err))
	}
	watched := make(chan struct{})
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { // ends with release, or with the session
		defer close(watched)
		watchSession(watch, conn, leadKey(name))
	}()
	return watched, func() {
		stop()
		<-watched
	}, true, nil
}

const (
	leadPoll = time.Second     // how often a leader proves that its session lives
	giveWait = 2 * time.Second // for giving the lead back; a session that hangs is closed
)

// A leader whose machine vanished holds its lock until the server notices: with
// these, 6 s; with the usual settings of Linux, 2 hours. One that is frozen, while
// its machine goes on answering for it, would hold it for ever: the server ends a
// session that has not proven itself for 6 s.
const sqlLeadSession = `
SELECT set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '1', false),
	set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', '6s', false)`

func leadKey(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte("keepwatch lead " + name)) //nolint:gosec // a hash never fails
	return int64(h.Sum64())                   //nolint:gosec // all 64 bits are wanted, as whatever number
}

const sqlGiveLead = `
SELECT pg_advisory_unlock(@key)`

// watchSession looks at the session until it dies or ctx ends, then closes it,
// which gives the lead away.
func watchSession(ctx context.Context, conn *pgx.Conn, key int64) {
	defer closeSession(ctx, conn)
	tick := time.NewTicker(leadPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			giveLead(ctx, conn, key)
			return
		case <-tick.C:
		}
		if err := ping(ctx, conn); err != nil {
			return
		}
	}
}

// giveLead unlocks, and does not leave that to the end of the session: the server notices
// an end a moment later, and whoever asks in between would find the lead taken.
func giveLead(ctx context.Context, conn *pgx.Conn, key int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveWait)
	defer cancel()
	_, _ = conn.Exec(ctx, sqlGiveLead, pgx.NamedArgs{"key": key}) // a dead session has no lead
}

const sqlLastLead = `
SELECT pg_postmaster_start_time() AS up,
	COALESCE((SELECT holder FROM lead WHERE name = @name), '') AS holder`

// LastLead is who took a lead last, "" when nobody did, and when the server started, by
// its own clock. Safe for concurrent use.
func (db *DB) LastLead(ctx context.Context, name string) (holder string, up time.Time, err error) {
	if err := db.pool.QueryRow(ctx, sqlLastLead, pgx.NamedArgs{"name": name}).Scan(&up, &holder); err != nil {
		return "", time.Time{}, translate(fmt.Errorf("ask who led last: %w", err))
	}
	return holder, up, nil
}

const sqlNoteLead = `
INSERT INTO lead (name, holder, since)
VALUES (@name, @holder, @now)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, since = excluded.since`

// NoteLead remembers who has taken a lead. Safe for concurrent use.
func (db *DB) NoteLead(ctx context.Context, name, holder string, now time.Time) error {
	if _, err := db.pool.Exec(ctx, sqlNoteLead, pgx.NamedArgs{"name": name, "holder": holder, "now": now}); err != nil {
		return translate(fmt.Errorf("note who leads: %w", err))
	}
	return nil
}

func closeSession(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// ping is not broken off by the end of ctx: that would kill a session which can still
// give its lead back.
func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTimeout)
	defer cancel()
	return conn.Ping(ctx)
}
