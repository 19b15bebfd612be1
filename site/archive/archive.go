// Package archive brings photos in from the site that Keepwatch's replaces, and
// cleans up originals that nothing names any more.
//
// It owns the reading of that site's folders and tables (docs/import.md) and the
// order of steps of a clean-up. It knows no SQL, no HTTP and no terminal: what it
// did is in reports, progress is a function.
package archive

import (
	"errors"
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong in a table.
type Mistake struct {
	File    string // "photos.csv"
	Line    int    // from 1; 0 means the whole file
	Message string // one clear sentence
}

func (m Mistake) String() string {
	if m.Line == 0 {
		return m.File + ": " + m.Message
	}
	return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Message)
}

// maxMistakes is how many mistakes are worth reading at once.
const maxMistakes = 200

// MistakesError says all that is wrong in the tables, a line each. Nothing was stored.
type MistakesError struct {
	Mistakes []Mistake // in the order of files and lines, at most 200
	More     int       // how many there are besides
}

// Error implements error.
func (e *MistakesError) Error() string {
	lines := make([]string, 0, len(e.Mistakes)+1)
	for _, m := range e.Mistakes {
		lines = append(lines, m.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

func (e *MistakesError) add(file string, line int, format string, args ...any) {
	if len(e.Mistakes) == maxMistakes {
		e.More++
		return
	}
	e.Mistakes = append(e.Mistakes, Mistake{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// orNil returns nil when there is no mistake.
func (e *MistakesError) orNil() error {
	if len(e.Mistakes) == 0 {
		return nil
	}
	return e
}

// Broken is a picture that cannot be brought in.
type Broken struct {
	ID   int64
	Line int    // of photos.csv
	Why  string // for people
}

// BrokenError is returned when pictures are broken and were not to be skipped.
// Nothing was stored.
type BrokenError struct{ Broken []Broken }

// Error implements error.
func (e *BrokenError) Error() string {
	const shown = 20
	lines := []string{fmt.Sprintf("%d pictures cannot be brought in; mend them, or skip them:", len(e.Broken))}
	for _, b := range e.Broken[:min(len(e.Broken), shown)] {
		lines = append(lines, fmt.Sprintf("photo %d (%s:%d): %s", b.ID, PhotosTable, b.Line, b.Why))
	}
	if more := len(e.Broken) - shown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// ErrTooMany is returned by a clean-up that would remove so much that the database
// is probably not the one that belongs to these originals.
var ErrTooMany = errors.New("most originals are named by no photo: this looks like the wrong database; nothing was removed")
