package archive

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"keepwatch/site/gallery"
)

// maxCell is the longest cell, in bytes: more than any text of ours, and what a
// forgotten quotation mark costs at most is one clear message.
const maxCell = 64 << 10

// table reads a CSV file (RFC 4180, UTF-8) whose first line names its columns.
type table struct {
	file    string
	reader  *csv.Reader
	columns []string // of each cell
}

// cell says where a text stands.
type line struct {
	number int
	cells  map[string]string // by column, without space at the ends; "" where there is none
}

// openTable reads the first line. known are the columns that there may be, needed
// those that there must be. It returns nil when the rest cannot be read.
func openTable(file string, r io.Reader, known, needed []string, mistakes *MistakesError) (*table, error) {
	in := bufio.NewReader(r)
	if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\xEF\xBB\xBF")) {
		_, _ = in.Discard(3) // it was there a moment ago
	}
	t := &table{file: file, reader: csv.NewReader(in)}
	header, err := t.reader.Read()
	if errors.Is(err, io.EOF) {
		mistakes.add(file, 1, "is empty; the first line must name the columns, such as %s", strings.Join(known, ","))
		return nil, nil
	}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		mistakes.add(file, parse.Line, "%s", parseMessage(parse))
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	before := len(mistakes.Mistakes)
	for _, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case slices.Contains(t.columns, name):
			mistakes.add(file, 1, "names the column %q twice", name)
		case !slices.Contains(known, name):
			mistakes.add(file, 1, "there is no column %q; the columns are %s", shorten(name), strings.Join(known, ", "))
		}
		t.columns = append(t.columns, name)
	}
	for _, name := range needed {
		if !slices.Contains(t.columns, name) {
			mistakes.add(file, 1, "the column %q is missing", name)
		}
	}
	if len(mistakes.Mistakes) > before {
		return nil, nil
	}
	return t, nil
}

// each calls do for each line that has as many cells as there are columns.
func (t *table) each(mistakes *MistakesError, do func(line) error) error {
	for {
		record, err := t.reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			mistakes.add(t.file, parse.Line, "%s", parseMessage(parse))
			if errors.Is(err, csv.ErrFieldCount) {
				continue
			}
			return nil // where the next line begins is a guess
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", t.file, err)
		}
		number, _ := t.reader.FieldPos(0)
		l := line{number: number, cells: make(map[string]string, len(record))}
		ok := true
		for i, text := range record {
			if len(text) > maxCell || !utf8.ValidString(text) {
				at, _ := t.reader.FieldPos(i)
				mistakes.add(t.file, at, "%s is longer than %d bytes or is not UTF-8", t.columns[i], maxCell)
				ok = false
			}
			l.cells[t.columns[i]] = gallery.Clean(text)
		}
		if !ok {
			continue
		}
		if err := do(l); err != nil {
			return err
		}
	}
}

func parseMessage(err *csv.ParseError) string {
	switch {
	case errors.Is(err.Err, csv.ErrFieldCount):
		return "has another number of cells than the first line has columns"
	case errors.Is(err.Err, csv.ErrQuote), errors.Is(err.Err, csv.ErrBareQuote):
		return `has a quotation mark that does not fit; write the whole cell in quotation marks and "" for one inside`
	}
	return "cannot be read: " + err.Err.Error()
}

// shorten cuts what came from outside and is repeated in a message.
func shorten(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
