package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// badDSN never repeats the address: it may hold a password.
const badDSN = `is not a Postgres address, or names a certificate that cannot be read: ` +
	`write it like "postgres://user:password@host:5432/database?sslmode=require"`

// What can go wrong; each text says what to do.
var (
	// ErrUnreachable means that nothing answered at the database's address.
	ErrUnreachable = errors.New("the database does not answer: start it, or correct database.url")
	// ErrAuth means that the database refused the user, the password or the name.
	ErrAuth = errors.New("the database refused the login: correct the user, password and database name in database.url")
	// ErrNewer means that a newer keepwatch has migrated the database.
	ErrNewer = errors.New("the database was written by a newer keepwatch: run the newer program")
	// ErrUnavailable means that the operation could not be done now and may be
	// tried again: no connection, shutting down, disk full, out of connections.
	ErrUnavailable = errors.New("the database is not available")
	// ErrNotFound means that the row asked for does not exist.
	ErrNotFound = errors.New("not found")

	errBadDSN = errors.New("database.url " + badDSN)
)

// translate turns errors of pgx into those above; nil stays nil, and an error
// that is already ours or the context's passes unchanged.
func translate(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{ErrUnavailable, ErrNotFound, ErrNewer, ErrUnreachable, ErrAuth} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		if transient(pgErr.Code) || noPartition(err) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if isNetwork(err) || errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// noPartition reports whether a table had no partition for a row: it was dropped by
// another process, or is so new that this session has not heard of it. Postgres gives
// it the code of a broken CHECK, but no constraint's name.
func noPartition(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "23514" && pgErr.ConstraintName == ""
}

// transient reports whether the same statement may succeed later.
// Codes: https://www.postgresql.org/docs/15/errcodes-appendix.html
func transient(code string) bool {
	switch {
	case len(code) != 5:
		return false
	case strings.HasPrefix(code, "08"), // connection exception
		strings.HasPrefix(code, "53"),  // insufficient resources: disk, memory, connections
		strings.HasPrefix(code, "57P"), // shutdown, crash, cannot connect now
		strings.HasPrefix(code, "58"),  // I/O error outside Postgres
		strings.HasPrefix(code, "28"),  // the login was refused (rotated password)
		strings.HasPrefix(code, "40"):  // serialisation, deadlock
		return true
	}
	switch code {
	case "57014", // statement timeout or cancel
		"55P03", // lock timeout
		"25006", // read-only: a standby after a failover
		"25P03", // idle transaction ended
		"3D000": // the database was dropped
		return true
	}
	return false
}

func isNetwork(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	// A closed pool is for the caller as good as no database: what it holds must
	// go elsewhere.
	for _, gone := range []error{puddle.ErrClosedPool, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return pgconn.SafeToRetry(err)
}

// translateConnect says in one sentence why a connection could not be made.
// The server's own words are kept, the password is in none of them.
func translateConnect(err error) error {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		if strings.HasPrefix(pgErr.Code, "28") || pgErr.Code == "3D000" || pgErr.Code == "42501" {
			return fmt.Errorf("%w (it says: %s)", ErrAuth, pgErr.Message)
		}
		return fmt.Errorf("%w (it says: %s)", ErrUnreachable, pgErr.Message)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrUnreachable, err)
}
