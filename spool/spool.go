// Package spool keeps on the local disk what Postgres has not yet taken: probe
// results in a [Journal], incidents and owed pages in an [Outbox].
//
// It knows files and nothing of Postgres; it decides nothing about incidents:
// the rules of an outbox are those of [alerting.Book].
package spool

import "errors"

// What can go wrong; each text says what to do.
var (
	// ErrFull means that a spool has reached its size.
	ErrFull = errors.New("the spool is full: bring the database back, or give the spool more room")
	// ErrLocked means that another process uses the spool.
	ErrLocked = errors.New("another keepwatch uses this spool: stop it, or give each its own data_dir")
	// ErrClosed means that the spool was closed.
	ErrClosed = errors.New("the spool is closed")
)
