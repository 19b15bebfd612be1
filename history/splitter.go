package history

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

const (
	maxLine  = 1 << 20 // bytes of one line
	maxJoin  = 200     // lines that one quoted field may span
	readSize = 256 << 10
)

// splitter cuts a stream into records of delimited fields (RFC 4180, with LF or
// CRLF). A quote that is never closed spoils its own line only: the lines behind it
// are read as records of their own, which encoding/csv cannot do.
type splitter struct {
	r     *bufio.Reader
	comma byte
	want  int // fields of a record; 0: any

	line    int      // number of the last line taken
	pending []string // lines read ahead, oldest first
	eof     error    // why no more lines come
	fields  []string // reused
}

func newSplitter(r io.Reader) *splitter {
	return &splitter{r: bufio.NewReaderSize(r, readSize), comma: ','}
}

// errLong stands for a line that is longer than maxLine.
var errLong = errors.New("longer than a mebibyte")

// take returns the next line without its end; io.EOF after the last.
func (s *splitter) take() (string, error) {
	if len(s.pending) > 0 {
		line := s.pending[0]
		s.pending = s.pending[1:]
		s.line++
		return line, nil
	}
	if s.eof != nil {
		return "", s.eof
	}
	b, err := s.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return s.takeLong(b)
	}
	if err != nil {
		s.eof = err
		if len(b) == 0 {
			return "", err
		}
	}
	s.line++
	return string(trimEnd(b)), nil
}

// takeLong goes on with a line that did not fit into the buffer.
func (s *splitter) takeLong(first []byte) (string, error) {
	all := bytes.Clone(first)
	for {
		b, err := s.r.ReadSlice('\n')
		if len(all) <= maxLine {
			all = append(all, b...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			s.eof = err
		}
		s.line++
		if len(all) > maxLine {
			return "", errLong
		}
		return string(trimEnd(all)), nil
	}
}

func trimEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// next returns the fields of the next record and the number of its first line.
// The fields are good until the next call. Empty lines are passed over. The error is
// a *LineError, or that of the stream; io.EOF at its end.
func (s *splitter) next() ([]string, int, error) {
	line, err := s.take()
	for err == nil && line == "" {
		line, err = s.take()
	}
	first := s.line
	switch {
	case errors.Is(err, errLong):
		return nil, first, &LineError{first, "is longer than a mebibyte"}
	case err != nil:
		return nil, first, err
	case strings.IndexByte(line, '"') < 0:
		s.fields = s.fields[:0]
		for {
			i := strings.IndexByte(line, s.comma)
			if i < 0 {
				break
			}
			s.fields = append(s.fields, line[:i])
			line = line[i+1:]
		}
		s.fields = append(s.fields, line)
		return s.counted(first, nil)
	}
	return s.quoted(line, first)
}

// quoted reads a record that has a quote in its first line.
func (s *splitter) quoted(line string, first int) ([]string, int, error) {
	text, more := line, []string(nil)
	for {
		why := s.parse(text)
		if why == "" {
			return s.counted(first, more)
		}
		if why != unclosed {
			return s.condemn(first, more, why)
		}
		next, err := s.take()
		if err != nil || len(more) == maxJoin || len(text)+len(next) > maxLine {
			if err == nil {
				more = append(more, next)
			}
			return s.condemn(first, more, unclosed)
		}
		more = append(more, next)
		text += "\n" + next
	}
}

// counted checks the number of fields. A record over several lines that has another
// one was hardly meant: its first line alone is bad.
func (s *splitter) counted(first int, more []string) ([]string, int, error) {
	if s.want == 0 || len(s.fields) == s.want {
		return s.fields, first, nil
	}
	return s.condemn(first, more, "has "+fieldsText(len(s.fields))+", and "+fieldsText(s.want)+" are expected")
}

// condemn declares the first line bad and gives the others back.
func (s *splitter) condemn(first int, more []string, why string) ([]string, int, error) {
	if len(more) > 0 {
		s.pending = append(slices.Clip(more), s.pending...)
		s.line -= len(more)
	}
	return nil, first, &LineError{first, why}
}

const (
	unclosed = "has a quote that is never closed"
	stray    = "has a quote in the middle of a field"
)

// parse cuts one record into s.fields; it says why it cannot.
func (s *splitter) parse(text string) string {
	s.fields = s.fields[:0]
	for {
		if !strings.HasPrefix(text, `"`) {
			i := strings.IndexByte(text, s.comma)
			field := text
			if i >= 0 {
				field = text[:i]
			}
			if strings.IndexByte(field, '"') >= 0 {
				return stray
			}
			s.fields = append(s.fields, field)
			if i < 0 {
				return ""
			}
			text = text[i+1:]
			continue
		}
		end := closing(text)
		if end < 0 {
			return unclosed
		}
		s.fields = append(s.fields, strings.ReplaceAll(text[1:end], `""`, `"`))
		text = text[end+1:]
		if text == "" {
			return ""
		}
		if text[0] != s.comma {
			return stray
		}
		text = text[1:]
	}
}

// closing finds the quote that closes the one at the beginning; -1 when there is none.
func closing(text string) int {
	for i := 1; i < len(text); i++ {
		j := strings.IndexByte(text[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return i
	}
	return -1
}
