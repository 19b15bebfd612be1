package postgres

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"syscall"
	"time"
)

// Use connects to a database, brings its schema up to date and closes it after use.
func Use(ctx context.Context, dsn string, log *slog.Logger, use func(*DB) error) error {
	db, err := Open(ctx, dsn, log)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return use(db)
}

// UseServer starts the server of dir for as long as use takes.
func UseServer(ctx context.Context, dir string, log *slog.Logger, use func(*DB) error) error {
	server, err := StartServer(ctx, dir, log)
	if err != nil {
		return err
	}
	serverCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- server.Run(serverCtx) }() // ends with stop
	err = Use(ctx, server.DSN(), log, use)
	stop()
	if stopErr := <-done; err == nil {
		err = stopErr
	}
	return err
}

// UseRunning uses the server that runs in dir. One whose daemon was killed is still
// there for a moment and refuses everybody while it ends; then a server of our own follows.
func UseRunning(ctx context.Context, dir, dsn string, log *slog.Logger, use func(*DB) error) error {
	patience := time.Now().Add(10 * time.Second)
	for {
		begun := false
		err := Use(ctx, dsn, log, func(db *DB) error {
			begun = true
			return use(db)
		})
		switch {
		case err == nil, begun:
			return err
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
			return UseServer(ctx, dir, log, use) // it has gone
		case time.Now().After(patience), !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnreachable):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
