package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"keepwatch/config"
	"keepwatch/postgres"
	"keepwatch/probe"
)

// database is the Postgres that this process writes to: its own child, or the
// one of database.url. It keeps the schema, the partitions and the history of
// checks in order while the daemon runs.
type database struct {
	db      *postgres.DB
	server  *postgres.Server // nil when somebody else runs the server
	log     *slog.Logger
	beats   *probe.Beats
	results *postgres.Results
	now     func() time.Time
	keep    atomic.Int64 // how long single results are kept, as a time.Duration

	mu      sync.Mutex
	ready   bool          // guarded by mu: migrated, and answered at the last look
	problem string        // guarded by mu: why not, for health
	pending []checkChange // guarded by mu: check history not yet written, oldest first
	latency time.Duration // guarded by mu: of the last look at the server's clock
	offset  time.Duration // guarded by mu: how far that clock is ahead of ours
}

// checkChange is a configuration that came into force at an instant.
type checkChange struct {
	at     time.Time
	checks []probe.Check
}

// openDatabase starts or finds the server. An address that does not answer is not
// an error: the daemon starts without it, says so, and goes on trying. Wrong
// credentials and a schema of a newer program are errors that nobody should wait out.
func openDatabase(ctx context.Context, f *config.File, ownServer bool, log *slog.Logger) (*database, error) {
	d := &database{log: log, beats: &probe.Beats{}, now: time.Now, problem: "starting"}
	dsn := f.Database.URL.Reveal()
	dir := filepath.Join(f.DataDir, "postgres")
	switch {
	case dsn != "":
	case ownServer:
		server, err := postgres.StartServer(ctx, dir, log)
		if err != nil {
			return nil, err
		}
		d.server, dsn = server, server.DSN()
	default:
		found, running, err := postgres.Attach(dir) //nolint:contextcheck // it looks at files and has a deadline of its own
		if err != nil {
			return nil, err
		}
		if !running {
			return nil, fmt.Errorf("no database: nothing runs on data_dir %s (start the daemon with the roles probe,watch first, or set database.url)", f.DataDir)
		}
		dsn = found
	}
	db, err := postgres.Connect(ctx, dsn, log)
	if err != nil {
		return nil, d.abandon(ctx, err)
	}
	d.db, d.results = db, &postgres.Results{DB: db}
	d.keep.Store(int64(f.Ledger.KeepRaw))
	if err := d.check(ctx); errors.Is(err, postgres.ErrAuth) || errors.Is(err, postgres.ErrNewer) {
		db.Close()
		return nil, d.abandon(ctx, err)
	}
	return d, nil
}

// keepRaw is how long single results are kept.
func (d *database) keepRaw() time.Duration { return time.Duration(d.keep.Load()) }

// abandon stops a server that was started for nothing.
func (d *database) abandon(ctx context.Context, err error) error {
	if d.server == nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel()
	return errors.Join(err, d.server.Run(ctx))
}

// Run keeps the database in order until ctx ends. Nothing here is urgent for a
// page: the spool holds what the database does not take.
func (d *database) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var maintained, compared time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.check(ctx); err != nil || ctx.Err() != nil {
			continue
		}
		if compared.IsZero() || time.Since(compared) >= time.Minute {
			d.compareClocks(ctx)
			compared = time.Now()
		}
		if !maintained.IsZero() && time.Since(maintained) < time.Hour {
			continue
		}
		created, dropped, err := d.results.MaintainPartitions(ctx, d.now().UTC(), int(d.keepRaw()/(24*time.Hour)))
		if err != nil {
			d.log.WarnContext(ctx, "maintain partitions", "err", err)
			continue
		}
		if created+dropped > 0 {
			d.log.InfoContext(ctx, "partitions maintained", "created", created, "dropped", dropped)
		}
		maintained = time.Now()
	}
}

// check asks whether the database answers, brings its schema up to date after an
// absence, and writes the history of checks that it has not yet.
func (d *database) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := d.bring(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.ready
	d.ready, d.problem = err == nil, ""
	if err != nil {
		d.problem = err.Error()
		if was {
			d.log.WarnContext(ctx, "database away; results and pages go to the spool", "err", err)
		}
	} else if !was {
		d.log.InfoContext(ctx, "database ready")
	}
	return err
}

func (d *database) bring(ctx context.Context) error {
	d.mu.Lock()
	ready, pending := d.ready, slices.Clone(d.pending)
	d.mu.Unlock()
	if ready && len(pending) == 0 {
		return d.db.Ping(ctx)
	}
	if err := d.db.Migrate(ctx); err != nil {
		return err
	}
	if !ready {
		beats, err := d.results.Beats(ctx)
		if err != nil {
			return err
		}
		for check, at := range beats {
			d.beats.Beat(check, at)
		}
	}
	for _, change := range pending {
		if err := d.results.SyncChecks(ctx, change.at, change.checks); err != nil {
			return err
		}
		d.written(change.at)
	}
	return nil
}

// written drops what stands in the history now; twice is once.
func (d *database) written(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending = slices.DeleteFunc(d.pending, func(c checkChange) bool { return c.at.Equal(at) })
}

// sync asks for the history of checks to be written: checks are in force from at
// on. Reloads during an absence wait in line, so that each counts for its own time.
func (d *database) sync(ctx context.Context, at time.Time, checks []probe.Check) {
	d.mu.Lock()
	d.pending = append(d.pending, checkChange{at, checks})
	d.mu.Unlock()
	if err := d.check(ctx); err != nil {
		d.log.WarnContext(ctx, "history of checks not yet written", "err", err)
	}
}

// state returns whether the database answers, and why not.
func (d *database) state() (ready bool, problem string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ready, d.problem
}

// compareClocks compares the server's clock with the one that this process goes by:
// stored instants are compared with that after a restart, so a difference makes timers
// early or late.
func (d *database) compareClocks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	start := time.Now()
	offset, err := d.db.ClockOffset(ctx, d.now)
	if err != nil {
		return // the next look at the database says what is wrong
	}
	d.mu.Lock()
	d.latency, d.offset = time.Since(start), offset
	d.mu.Unlock()
}

// clock returns how long the server took to tell its time, and how far ahead it is.
func (d *database) clock() (latency, offset time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.latency, d.offset
}
