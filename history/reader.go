package history

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reader reads the entries of one file. One goroutine.
type Reader struct {
	s      *splitter
	o      Options
	clock  clock
	counts Counts
	format format
	cols   []int    // place of each of the format's columns in a record, -1: not there
	header []string // nil: the file has none
	held   bool     // the first record is an entry, to be returned first
	first  []string
	line   int
}

// format is one kind of file.
type format struct {
	name    string
	mark    string     // first column of a header
	columns []string   // that are understood
	needed  int        // so many of them must be there
	plain   [][]string // column orders of files without a header, by number of columns
	entry   func(r *Reader, f func(int) string, e *Entry) string
}

// NewJTL reads JMeter's results as CSV. Without a header the number of columns
// says which they are. The error is one of the whole file.
func NewJTL(src io.Reader, o Options) (*Reader, error) { return newReader(src, o, jtl()) }

// NewCSV reads the columns time, check, location, outcome, latency_ms, code and
// message; with a header in any order, and all but time and outcome may be missing.
func NewCSV(src io.Reader, o Options) (*Reader, error) { return newReader(src, o, plainCSV()) }

func newReader(src io.Reader, o Options, f format) (*Reader, error) {
	r := &Reader{s: newSplitter(src), o: o, format: f, clock: clock{zone: o.Zone, now: o.Now}}
	r.counts.Labels = map[string]struct{}{}
	start, err := r.s.r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read: %w", err)
	}
	switch {
	case len(start) == 0:
		return nil, errors.New("is empty")
	case string(start) == "\xef\xbb\xbf":
		_, _ = r.s.r.Discard(len(start)) // it was just seen
	case len(start) > 1 && (string(start[:2]) == "\xff\xfe" || string(start[:2]) == "\xfe\xff"):
		return nil, errors.New("is UTF-16 (save it as UTF-8)")
	case start[0] == '<':
		return nil, errors.New("is XML (have JMeter write CSV: jmeter.save.saveservice.output_format=csv)")
	case len(start) > 1 && string(start[:2]) == "\x1f\x8b":
		return nil, errors.New("is compressed (unpack it first)")
	}
	if err := r.learn(); err != nil {
		return nil, err
	}
	return r, nil
}

// learn looks at the first record: a header, or columns of a known order.
func (r *Reader) learn() error {
	r.s.comma = r.delimiter()
	fields, line, err := r.s.next()
	bad := (*LineError)(nil)
	switch {
	case errors.As(err, &bad):
		return fmt.Errorf("cannot be read: %w", err)
	case errors.Is(err, io.EOF):
		return errors.New("is empty")
	case err != nil:
		return fmt.Errorf("read: %w", err)
	}
	fields = slices.Clone(fields)
	r.s.want = len(fields)
	names := fields
	if strings.EqualFold(strings.TrimSpace(fields[0]), r.format.mark) || r.isHeader(fields) {
		r.header = fields
	} else {
		if names = r.plainNames(len(fields)); names == nil {
			return fmt.Errorf("has %s and no header that tells which they are (%s)", fieldsText(len(fields)), r.format.name)
		}
		r.held, r.first, r.line = true, fields, line
	}
	for i, want := range r.format.columns {
		at := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), want) })
		if at < 0 && i < r.format.needed {
			return fmt.Errorf("has no column %s (its columns: %s)", want, cut(strings.Join(names, ", ")))
		}
		r.cols = append(r.cols, at)
	}
	return nil
}

// isHeader reports a header whose first column is another one: it has the needed names.
func (r *Reader) isHeader(fields []string) bool {
	for _, want := range r.format.columns[:r.format.needed] {
		if !slices.ContainsFunc(fields, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), want) }) {
			return false
		}
	}
	return true
}

func (r *Reader) plainNames(n int) []string {
	for _, order := range r.format.plain {
		if len(order) == n {
			return order
		}
	}
	return nil
}

// delimiter is the sign between fields: that of comma, semicolon and tab which the
// first line has most of.
func (r *Reader) delimiter() byte {
	peek, _ := r.s.r.Peek(4 << 10) // less is fine: an error comes again when reading
	line, _, _ := strings.Cut(string(peek), "\n")
	best, most := byte(','), strings.Count(line, ",")
	for _, c := range []byte{';', '\t'} {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

func fieldsText(n int) string {
	if n == 1 {
		return "1 column"
	}
	return strconv.Itoa(n) + " columns"
}

// Counts returns what was seen so far.
func (r *Reader) Counts() Counts {
	r.counts.Zoneless = r.clock.zoneless
	return r.counts
}

// Next returns the next entry. The error is a *[LineError], after which reading goes
// on, io.EOF at the end, or one of the stream.
func (r *Reader) Next() (Entry, error) {
	for {
		fields, line, err := r.record()
		if err != nil {
			if bad := (*LineError)(nil); errors.As(err, &bad) {
				r.counts.Bad++
			} else if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read: %w", err)
			}
			return Entry{}, err
		}
		if r.header != nil && slices.Equal(fields, r.header) {
			continue // two logs were put together
		}
		e := Entry{Line: line, Check: r.o.Check, Location: r.o.Location}
		why := r.format.entry(r, func(i int) string {
			if at := r.cols[i]; at >= 0 {
				return fields[at]
			}
			return ""
		}, &e)
		switch {
		case why == otherLabel:
			r.counts.Other++
			continue
		case why != "":
			r.counts.Bad++
			return Entry{}, &LineError{line, why}
		}
		r.counts.Entries++
		return e, nil
	}
}

func (r *Reader) record() ([]string, int, error) {
	if r.held {
		r.held = false
		return r.first, r.line, nil
	}
	return r.s.next()
}

// millis reads a whole number of milliseconds; "" is 0.
func millis(text string) (time.Duration, bool) {
	if text = strings.TrimSpace(text); text == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, false
	}
	return time.Duration(n) * time.Millisecond, true
}
