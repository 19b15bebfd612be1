package postgres

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Connect makes a DB without asking the server, for a daemon that must start
// while its database is away. [DB.Ping] and [DB.Migrate] ask. Only a dsn that cannot be read is an error.
func Connect(ctx context.Context, dsn string, log *slog.Logger) (*DB, error) {
	cfg, err := poolConfig(dsn)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, translateConnect(err)
	}
	return &DB{pool: pool, log: log}, nil
}
