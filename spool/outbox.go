package spool

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"keepwatch/alerting"
)

// OutboxOptions says where an outbox lives.
type OutboxOptions struct {
	Path     string // of the file; its directory is made when it is missing
	MaxBytes int64  // of the file; 0 means 256 MiB, about 100,000 pages
}

const (
	outboxMaxBytes = 256 << 20
	outboxLockWait = time.Second
)

// Outbox is an [alerting.Reserve] in one file. Each step is one transaction,
// on the disk (fsync) before it returns. When the disk is full, read-only or
// [OutboxOptions.MaxBytes] is reached, the step fails and nothing has changed.
// Safe for concurrent use.
type Outbox struct {
	db   *bolt.DB
	book alerting.Book
}

var (
	_ alerting.Reserve = (*Outbox)(nil)
	_ alerting.Primary = (*Outbox)(nil)
)

// OpenOutbox opens or creates the file and reads what it holds. Errors:
// [ErrLocked], or what the file system says.
func OpenOutbox(o OutboxOptions) (*Outbox, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = outboxMaxBytes
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("make the spool's directory: %w", err)
	}
	db, err := bolt.Open(o.Path, 0o600, &bolt.Options{
		Timeout: outboxLockWait, MaxSize: int(o.MaxBytes), FreelistType: bolt.FreelistMapType,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: %w", o.Path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open the spool %s: %w (if it is damaged, move it away: the pages in it are lost then)", o.Path, err)
	}
	out := &Outbox{db: db}
	rows, err := out.read()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	out.book.Load(rows)
	out.book.Persist = out.persist
	return out, nil
}

// Close closes the file.
func (o *Outbox) Close() error {
	if err := o.db.Close(); err != nil {
		return fmt.Errorf("close the spool: %w", err)
	}
	return nil
}

// bucket names; each value is JSON.
func incidentBucket() []byte { return []byte("incident") }
func entryBucket() []byte    { return []byte("entry") }
func pageBucket() []byte     { return []byte("page") }

// Keys begin with the incident's ID and a NUL, so that forgetting an incident is
// deleting a prefix.
func prefix(incident string) []byte { return append([]byte(incident), 0) }

func entryKey(e alerting.Entry) []byte {
	return binary.BigEndian.AppendUint64(prefix(e.Incident), uint64(e.Seq)) //nolint:gosec // only a key
}

func pageKey(p alerting.Page) []byte { return append(prefix(p.Incident), p.ID...) }

// persist writes the rows of one step.
func (o *Outbox) persist(_ context.Context, rows alerting.Rows) error {
	err := o.db.Update(func(tx *bolt.Tx) error { return write(tx, rows) })
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("write the spool: %w", ErrFull)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return fmt.Errorf("write the spool: %w", ErrClosed)
	case err != nil:
		return fmt.Errorf("write the spool: %w", err)
	}
	return nil
}

func write(tx *bolt.Tx, rows alerting.Rows) error {
	for _, id := range rows.Forget {
		if err := forget(tx, prefix(id)); err != nil {
			return err
		}
	}
	for _, in := range rows.Incidents {
		if err := put(tx, incidentBucket(), prefix(in.ID), in); err != nil {
			return err
		}
	}
	for _, e := range rows.Entries {
		if err := put(tx, entryBucket(), entryKey(e), e); err != nil {
			return err
		}
	}
	for _, p := range rows.Pages {
		if err := put(tx, pageBucket(), pageKey(p), p); err != nil {
			return err
		}
	}
	return nil
}

func put[T any](tx *bolt.Tx, bucket, key []byte, row T) error {
	b, err := tx.CreateBucketIfNotExists(bucket)
	if err != nil {
		return err
	}
	value, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func forget(tx *bolt.Tx, prefix []byte) error {
	for _, name := range [][]byte{incidentBucket(), entryBucket(), pageBucket()} {
		b := tx.Bucket(name)
		if b == nil {
			continue
		}
		c := b.Cursor()
		for k, _ := c.Seek(prefix); len(k) >= len(prefix) && string(k[:len(prefix)]) == string(prefix); k, _ = c.Seek(prefix) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads the whole file.
func (o *Outbox) read() (alerting.Rows, error) {
	var rows alerting.Rows
	err := o.db.View(func(tx *bolt.Tx) error {
		return errors.Join(
			each(tx, incidentBucket(), &rows.Incidents),
			each(tx, entryBucket(), &rows.Entries),
			each(tx, pageBucket(), &rows.Pages),
		)
	})
	if err != nil {
		return rows, fmt.Errorf("read the spool: %w", err)
	}
	return rows, nil
}

func each[T any](tx *bolt.Tx, bucket []byte, rows *[]T) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	return b.ForEach(func(key, value []byte) error {
		var row T
		if err := json.Unmarshal(value, &row); err != nil {
			return fmt.Errorf("%s %q: %w", bucket, key, err)
		}
		*rows = append(*rows, row)
		return nil
	})
}

// Drain imports everything into to and forgets what was taken and has not
// changed meanwhile. It goes on after an incident that is not taken and returns
// the error. A crash at any point only repeats imports.
func (o *Outbox) Drain(ctx context.Context, to alerting.Importer) error {
	there, err := alerting.Copy(ctx, o.book.Snapshots(), to, map[string]int64{})
	return errors.Join(err, o.book.Forget(ctx, there))
}

// All implements [alerting.Reserve].
func (o *Outbox) All(ctx context.Context) ([]alerting.Change, error) { return o.book.All(ctx) }

// Reset implements [alerting.Reserve].
func (o *Outbox) Reset(ctx context.Context, cs []alerting.Change) error {
	return o.book.Reset(ctx, cs)
}

// Held counts the incidents and the unfinished pages that it holds.
func (o *Outbox) Held() (incidents, pages int) { return o.book.Held() }

// Apply implements [alerting.Store].
func (o *Outbox) Apply(ctx context.Context, c alerting.Change) error { return o.book.Apply(ctx, c) }

// OpenIncidents implements [alerting.Store].
func (o *Outbox) OpenIncidents(ctx context.Context) ([]alerting.Incident, error) {
	return o.book.OpenIncidents(ctx)
}

// Claim implements [alerting.Store].
func (o *Outbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]alerting.Page, error) {
	return o.book.Claim(ctx, now, lease, limit)
}

// Settle implements [alerting.Store].
func (o *Outbox) Settle(ctx context.Context, s alerting.Settlement) error {
	return o.book.Settle(ctx, s)
}

// Pages implements [alerting.Store].
func (o *Outbox) Pages(ctx context.Context, incident string) ([]alerting.Page, error) {
	return o.book.Pages(ctx, incident)
}

// Backlog implements [alerting.Store].
func (o *Outbox) Backlog(ctx context.Context) (alerting.Backlog, error) { return o.book.Backlog(ctx) }

// Timeline returns the entries of an incident that are held here, by Seq.
func (o *Outbox) Timeline(ctx context.Context, incident string) ([]alerting.Entry, error) {
	return o.book.Timeline(ctx, incident)
}

// Import implements [alerting.Importer].
func (o *Outbox) Import(ctx context.Context, c alerting.Change) error { return o.book.Import(ctx, c) }

// Unfinished implements [alerting.Transfer].
func (o *Outbox) Unfinished(ctx context.Context) ([]alerting.Change, error) {
	return o.book.Unfinished(ctx)
}
