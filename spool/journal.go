package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"keepwatch/probe"
)

// JournalOptions says where a journal lives and how large it may grow.
type JournalOptions struct {
	Dir          string // made when it is missing
	MaxBytes     int64  // of all segments together; 0 means 1 GiB, about 8 million results
	SegmentBytes int64  // 0 means 16 MiB
}

const (
	journalMaxBytes = 1 << 30
	segmentBytes    = 16 << 20
	// drainedBytes is how large the last segment may be before it is replaced by
	// a fresh one as soon as everything in it is done.
	drainedBytes = 1 << 20
)

// Journal is a [probe.Journal] in segment files. Append is one write to the
// page cache: what it wrote survives a kill of the process; Sync makes it survive
// a loss of power.
//
// When the segments reach MaxBytes, Append refuses with [ErrFull] and counts:
// what was kept stays an unbroken record of the outage's beginning, and the slots
// that are missing from then on show as unknown in the ledger. Dropping the
// oldest instead would be as many lost results, and a hole where somebody was
// already told that all was kept.
//
// A last record that a crash cut off is removed when the journal is opened; a
// damaged one in the middle is skipped; both are counted in [Damage]. Safe for
// concurrent use by one process.
type Journal struct {
	o    JournalOptions
	lock *os.File

	// mu guards what follows.
	mu       sync.Mutex
	segments []segment // oldest first; the last one is written
	file     *os.File  // the last segment
	pos      *os.File  // where done is remembered
	done     probe.Mark
	pending  int
	oldest   time.Time // slot of the first record after done; zero when pending is 0
	damage   Damage
	given    given
	damaged  map[probe.Mark]bool // places counted in damage
	dirty    bool                // written since the last Sync
	buf      []byte
	closed   bool
}

// given is what the last Next returned, so that Done need not count it again.
type given struct {
	from, to probe.Mark
	count    int
}

// segment is one file.
type segment struct {
	number, size int64
}

// Damage is what was found broken, and what was refused, since the journal was opened.
type Damage struct {
	TornBytes int64 // cut off behind the last whole record
	Corrupt   int   // stretches in the middle that were skipped: results were lost there
	Refused   int64 // results refused because the journal was full
}

var _ probe.Journal = (*Journal)(nil)

// OpenJournal opens or creates a journal and counts what it holds. Errors:
// [ErrLocked], or what the file system says.
func OpenJournal(o JournalOptions) (*Journal, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = journalMaxBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = min(segmentBytes, max(o.MaxBytes/4, 1))
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	j := &Journal{o: o}
	err := j.takeLock()
	if err == nil {
		err = j.load()
	}
	if err != nil {
		return nil, errors.Join(err, j.closeFiles())
	}
	return j, nil
}

func (j *Journal) takeLock() error {
	f, err := os.OpenFile(filepath.Join(j.o.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	j.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("open the journal in %s: %w", j.o.Dir, ErrLocked)
	}
	return nil
}

// Append implements [probe.Journal]. Errors: [ErrFull], [ErrClosed], or what the
// file system says; in each case none of rs is kept.
func (j *Journal) Append(rs []probe.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	if len(rs) == 0 {
		return nil
	}
	buf := j.buf[:0]
	for _, r := range rs {
		if buf = appendRecord(buf, r); buf == nil {
			return fmt.Errorf("append to the journal: a result of %s is larger than %d bytes", r.Check, recordMaxBody)
		}
	}
	j.buf = buf
	if j.size()+int64(len(buf)) > j.o.MaxBytes {
		j.damage.Refused += int64(len(rs))
		return fmt.Errorf("append to the journal: %w", ErrFull)
	}
	if last := j.last(); last.size > 0 && last.size+int64(len(buf)) > j.o.SegmentBytes {
		if err := j.rotate(true); err != nil {
			return err
		}
	}
	if err := j.write(buf); err != nil {
		return err
	}
	if j.pending == 0 {
		j.oldest = rs[0].Slot
	}
	j.pending += len(rs)
	return nil
}

// write adds buf to the last segment, whole or not at all.
func (j *Journal) write(buf []byte) error {
	last := j.last()
	if _, err := j.file.WriteAt(buf, last.size); err != nil {
		// What was written of it must not stand before the next record. Should
		// this fail too, the next write at the same place covers it.
		return errors.Join(fmt.Errorf("append to the journal: %w", err), j.file.Truncate(last.size))
	}
	last.size += int64(len(buf))
	j.dirty = true
	return nil
}

func (j *Journal) last() *segment { return &j.segments[len(j.segments)-1] }

func (j *Journal) size() int64 {
	var sum int64
	for _, s := range j.segments {
		sum += s.size
	}
	return sum
}

// Next implements [probe.Journal].
func (j *Journal) Next(limit int) ([]probe.Result, probe.Mark, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, probe.Mark{}, ErrClosed
	}
	var rs []probe.Result
	if limit <= 0 {
		return nil, j.done, nil
	}
	mark, err := j.walk(j.done, func(r probe.Result) bool {
		rs = append(rs, r)
		return len(rs) < limit
	})
	if err != nil {
		return nil, probe.Mark{}, err
	}
	j.given = given{from: j.done, to: mark, count: len(rs)}
	return rs, mark, nil
}

// Done implements [probe.Journal]. Losing the remembered place in a crash only
// repeats results, which the store takes once.
func (j *Journal) Done(m probe.Mark) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	if !before(j.done, m) {
		return nil
	}
	passed, oldest, err := j.count(m)
	if err != nil {
		return err
	}
	j.done, j.pending, j.oldest = m, j.pending-passed, oldest
	if err := j.savePos(); err != nil {
		return err
	}
	return j.dropDone()
}

func before(a, b probe.Mark) bool {
	return a.Segment < b.Segment || a.Segment == b.Segment && a.Offset < b.Offset
}

// dropDone removes whole segments that are done, and replaces the last one when
// it is done and large.
func (j *Journal) dropDone() error {
	if last := j.last(); j.done.Segment == last.number && j.done.Offset >= last.size && last.size > min(drainedBytes, j.o.SegmentBytes/2) {
		if err := j.rotate(false); err != nil { // nothing in it is needed any more
			return err
		}
		j.done = probe.Mark{Segment: j.last().number}
		if err := j.savePos(); err != nil {
			return err
		}
	}
	for len(j.segments) > 1 && j.segments[0].number < j.done.Segment {
		if err := os.Remove(j.path(j.segments[0].number)); err != nil {
			return fmt.Errorf("drop a segment of the journal: %w", err)
		}
		j.segments = j.segments[1:]
	}
	return nil
}

// Pending implements [probe.Journal].
func (j *Journal) Pending() (count int, oldest time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pending, j.oldest
}

// Damage tells what was broken or refused so far.
func (j *Journal) Damage() Damage {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.damage
}

// Sync implements [probe.Journal].
func (j *Journal) Sync() error {
	j.mu.Lock()
	file, dirty, closed := j.file, j.dirty, j.closed
	j.dirty = false
	j.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if !dirty {
		return nil
	}
	// Outside the lock: a slow disk must not hold up Append. A segment that was
	// replaced meanwhile was synced then.
	if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		j.mu.Lock()
		j.dirty = true
		j.mu.Unlock()
		return fmt.Errorf("sync the journal: %w", err)
	}
	return nil
}

// Close syncs and closes. Closing twice is closing once.
func (j *Journal) Close() error {
	err := j.Sync()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	return errors.Join(err, j.closeFiles())
}

func (j *Journal) closeFiles() error {
	var errs []error
	for _, f := range []*os.File{j.file, j.pos, j.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
