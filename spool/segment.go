package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"keepwatch/probe"
)

const (
	segmentPattern = "results-*.seg"
	segmentName    = "results-%012d.seg"
	posName        = "results.pos"
	posSize        = 20        // segment (8) | offset (8) | CRC-32C (4)
	scanChunk      = 256 << 10 // must hold the largest record
)

func (j *Journal) path(number int64) string {
	return filepath.Join(j.o.Dir, fmt.Sprintf(segmentName, number))
}

// load finds the segments and the remembered place, cuts off a torn end and
// counts what is pending.
func (j *Journal) load() error {
	j.damaged = map[probe.Mark]bool{}
	if err := j.findSegments(); err != nil {
		return err
	}
	if err := j.loadPos(); err != nil {
		return err
	}
	if n := len(j.segments); n == 0 || j.last().number < j.done.Segment {
		// The place is behind every file: never use a number again that is done.
		j.segments = append(j.segments, segment{number: j.done.Segment + 1})
	}
	f, err := os.OpenFile(j.path(j.last().number), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	j.file = f
	if err := j.cutTorn(); err != nil {
		return err
	}
	j.clampDone()
	j.pending, j.oldest, err = j.tally(j.done)
	return err
}

func (j *Journal) findSegments() error {
	names, err := filepath.Glob(filepath.Join(j.o.Dir, segmentPattern)) // sorted
	if err != nil {
		return fmt.Errorf("list the journal: %w", err)
	}
	for _, name := range names {
		var s segment
		if _, err := fmt.Sscanf(filepath.Base(name), segmentName, &s.number); err != nil {
			continue // not ours
		}
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("list the journal: %w", err)
		}
		s.size = info.Size()
		j.segments = append(j.segments, s)
	}
	return nil
}

// clampDone moves a place that lies in no file to the nearest one behind it: a
// loss of power may have taken the end of a file, or its last name.
func (j *Journal) clampDone() {
	for _, s := range j.segments {
		if s.number < j.done.Segment {
			continue
		}
		if s.number > j.done.Segment {
			j.done = probe.Mark{Segment: s.number}
		}
		j.done.Offset = min(j.done.Offset, s.size)
		return
	}
}

// cutTorn removes what stands behind the last whole record of the last segment.
func (j *Journal) cutTorn() error {
	last := j.last()
	end := int64(0)
	_, err := j.scan(*last, 0, func(_ []byte, to int64) bool {
		end = to
		return true
	})
	if err != nil {
		return err
	}
	if end == last.size {
		return nil
	}
	j.damage.TornBytes += last.size - end
	delete(j.damaged, probe.Mark{Segment: last.number, Offset: end})
	j.damage.Corrupt = len(j.damaged)
	if err := j.file.Truncate(end); err != nil {
		return fmt.Errorf("cut a torn record off the journal: %w", err)
	}
	last.size = end
	return nil
}

// walk visits the results from a place on until visit returns false, and returns
// the place behind the last one visited.
func (j *Journal) walk(from probe.Mark, visit func(probe.Result) bool) (probe.Mark, error) {
	mark := from
	for _, s := range j.segments {
		if s.number < mark.Segment {
			continue
		}
		if s.number > mark.Segment {
			mark = probe.Mark{Segment: s.number}
		}
		stopped := false
		end, err := j.scan(s, mark.Offset, func(body []byte, to int64) bool {
			r, err := decodeBody(body)
			if err != nil {
				j.noteDamage(probe.Mark{Segment: s.number, Offset: to})
				return true
			}
			stopped = !visit(r)
			return !stopped
		})
		if err != nil {
			return from, err
		}
		mark.Offset = end
		if stopped {
			break
		}
	}
	return mark, nil
}

// tally counts the results from a place on and tells the slot of the first.
func (j *Journal) tally(from probe.Mark) (count int, oldest time.Time, err error) {
	_, err = j.walk(from, func(r probe.Result) bool {
		if count == 0 {
			oldest = r.Slot
		}
		count++
		return true
	})
	return count, oldest, err
}

// count tells how many results lie between done and m, and the slot of the first behind m.
func (j *Journal) count(m probe.Mark) (passed int, oldest time.Time, err error) {
	if _, err = j.walk(m, func(r probe.Result) bool {
		oldest = r.Slot
		return false
	}); err != nil {
		return 0, oldest, err
	}
	if j.given.from == j.done && j.given.to == m {
		return j.given.count, oldest, nil
	}
	rest, _, err := j.tally(m)
	return j.pending - rest, oldest, err
}

func (j *Journal) noteDamage(at probe.Mark) {
	j.damaged[at] = true
	j.damage.Corrupt = len(j.damaged)
}

// scan visits the bodies of all sound records of a segment from an offset on,
// until visit returns false, and returns the offset behind the last record, or
// the segment's end. What is not a sound record is skipped and noted.
func (j *Journal) scan(s segment, from int64, visit func(body []byte, to int64) bool) (int64, error) {
	f, err := os.Open(j.path(s.number))
	if errors.Is(err, fs.ErrNotExist) && s.size == 0 {
		return 0, nil
	}
	if err != nil {
		return from, fmt.Errorf("read the journal: %w", err)
	}
	defer f.Close()
	r := io.NewSectionReader(f, from, s.size-from)
	w := window{r: r, at: from}
	for {
		if err := w.fill(); err != nil {
			return from, fmt.Errorf("read the journal: %w", err)
		}
		if len(w.b) == 0 {
			return s.size, nil
		}
		body, ok := recordAt(w.b)
		if !ok {
			j.noteDamage(probe.Mark{Segment: s.number, Offset: w.at})
			if err := w.resync(); err != nil {
				return from, fmt.Errorf("read the journal: %w", err)
			}
			continue
		}
		w.skip(recordHeader + len(body))
		if !visit(body, w.at) {
			return w.at, nil
		}
	}
}

// window is the part of a segment that is in memory.
type window struct {
	r   io.Reader
	at  int64  // offset of b in the segment
	b   []byte // what is not yet visited
	eof bool
}

func (w *window) skip(n int) { w.b, w.at = w.b[n:], w.at+int64(n) }

// fill makes sure that a whole record is in the window, if there is one.
func (w *window) fill() error {
	if w.eof || len(w.b) >= recordHeader+recordMaxBody {
		return nil
	}
	next := make([]byte, len(w.b)+scanChunk)
	n := copy(next, w.b)
	m, err := io.ReadFull(w.r, next[n:])
	w.b = next[:n+m]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		w.eof = true
		return nil
	}
	return err
}

// resync drops bytes until a sound record begins, or the segment ends.
func (w *window) resync() error {
	magic := binary.BigEndian.AppendUint32(nil, recordMagic)
	for first := true; ; first = false {
		if err := w.fill(); err != nil {
			return err
		}
		skipped := 0
		if first {
			skipped = 1
		}
		i := bytes.Index(w.b[min(skipped, len(w.b)):], magic)
		switch {
		case i < 0 && w.eof:
			w.skip(len(w.b))
			return nil
		case i < 0:
			w.skip(len(w.b) - len(magic) + 1) // the magic may be cut in two
			continue
		}
		w.skip(skipped + i)
		if err := w.fill(); err != nil {
			return err
		}
		if _, ok := recordAt(w.b); ok {
			return nil
		}
		w.skip(1)
	}
}

// rotate begins a new segment; durable says that the old one is still needed.
func (j *Journal) rotate(durable bool) error {
	number := j.last().number + 1
	f, err := os.OpenFile(j.path(number), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin a segment of the journal: %w", err)
	}
	if durable {
		err = j.file.Sync()
	}
	err = errors.Join(err, j.file.Close())
	j.file = f
	j.segments = append(j.segments, segment{number: number})
	if err != nil {
		return fmt.Errorf("finish a segment of the journal: %w", err)
	}
	return nil
}

func (j *Journal) loadPos() error {
	f, err := os.OpenFile(filepath.Join(j.o.Dir, posName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	j.pos = f
	var b [posSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("open the journal: %w", err)
	}
	if crc32.Checksum(b[:16], castagnoli) != binary.BigEndian.Uint32(b[16:]) {
		return nil // new, or torn: begin with the oldest; what is done is only repeated
	}
	j.done.Segment = int64(binary.BigEndian.Uint64(b[:]))   //nolint:gosec // written as int64
	j.done.Offset = int64(binary.BigEndian.Uint64(b[8:16])) //nolint:gosec // written as int64
	return nil
}

func (j *Journal) savePos() error {
	var b [posSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(j.done.Segment)) //nolint:gosec // never negative
	binary.BigEndian.PutUint64(b[8:], uint64(j.done.Offset)) //nolint:gosec // never negative
	binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	if _, err := j.pos.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("remember the place in the journal: %w", err)
	}
	return nil
}
