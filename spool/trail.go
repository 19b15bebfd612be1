package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Trail keeps what people did until the database has it: any texts, in their order, in
// the file of an [Outbox], which is open for as long. Safe for concurrent use.
type Trail struct{ db *bolt.DB }

// Trail returns the trail in the same file.
func (o *Outbox) Trail() *Trail { return &Trail{db: o.db} }

func trailBucket() []byte { return []byte("trail") }

// Keep adds texts, all or none; they are on the disk (fsync) when it returns. Errors:
// [ErrFull], [ErrClosed], or what the file system says.
func (t *Trail) Keep(texts ...[]byte) error {
	return trailError(t.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(trailBucket())
		if err != nil {
			return err
		}
		for _, text := range texts {
			n, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := b.Put(binary.BigEndian.AppendUint64(nil, n), text); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Oldest returns the first texts, at most limit, and a mark for [Trail.Taken]; none when
// nothing is kept.
func (t *Trail) Oldest(limit int) (texts [][]byte, mark uint64, err error) {
	err = t.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(trailBucket())
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil && len(texts) < limit; k, v = c.Next() {
			texts, mark = append(texts, bytes.Clone(v)), binary.BigEndian.Uint64(k)
		}
		return nil
	})
	return texts, mark, trailError(err)
}

// Taken forgets all texts up to a mark: the database has them.
func (t *Trail) Taken(mark uint64) error {
	return trailError(t.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(trailBucket())
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, _ := c.First(); k != nil && binary.BigEndian.Uint64(k) <= mark; k, _ = c.First() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	}))
}

func trailError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		err = ErrFull
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		err = ErrClosed
	case err == nil:
		return nil
	}
	return fmt.Errorf("the trail of the spool: %w", err)
}
