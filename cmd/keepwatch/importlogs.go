package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"keepwatch/history"
	"keepwatch/probe"
)

// listedBad is how many bad lines of a file are printed.
const listedBad = 20

// probeLogs are the files of one import. They are read twice: first to find every
// bad line before anything is stored, then to store.
type probeLogs struct {
	open   openReader
	o      history.Options
	checks map[string]*probe.Check
	out    *cli
	files  []logFile
	survey history.Survey
	known  map[history.Series]string // what is wrong with a series, once found out
}

// logFile is one file. What is appended later than the first look does not count.
type logFile struct {
	path  string
	size  int64
	first time.Time // of its first entry
}

// find opens each file once, and puts them in order of time.
func (l *probeLogs) find(paths []string) error {
	l.survey, l.known = history.Survey{}, map[history.Series]string{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file: it is read twice, so it cannot be a pipe or a directory", path)
		}
		file := logFile{path: path, size: info.Size()}
		stop := errors.New("seen")
		err = l.read(file, func(e history.Entry) error {
			file.first = e.Time
			return stop
		}, func(*history.LineError) {})
		if err != nil && !errors.Is(err, stop) {
			return err
		}
		l.files = append(l.files, file)
	}
	slices.SortStableFunc(l.files, func(a, b logFile) int { return a.first.Compare(b.first) })
	return nil
}

// read passes on the entries and the bad lines of one file.
func (l *probeLogs) read(file logFile, take func(history.Entry) error, bad func(*history.LineError)) error {
	_, err := l.readCounting(file, take, bad)
	return err
}

func (l *probeLogs) readCounting(file logFile, take func(history.Entry) error, bad func(*history.LineError)) (history.Counts, error) {
	src, err := os.Open(file.path)
	if err != nil {
		return history.Counts{}, err
	}
	defer src.Close()
	plain, err := unpacked(io.NewSectionReader(src, 0, file.size))
	if err != nil {
		return history.Counts{}, fmt.Errorf("%s: %w", file.path, err)
	}
	r, err := l.open(plain, l.o)
	if err != nil {
		return history.Counts{}, fmt.Errorf("%s %w", file.path, err)
	}
	for {
		e, err := r.Next()
		line := (*history.LineError)(nil)
		switch {
		case errors.Is(err, io.EOF):
			return r.Counts(), nil
		case errors.As(err, &line):
			bad(line)
			continue
		case err != nil:
			return r.Counts(), fmt.Errorf("%s: %w", file.path, err)
		}
		s := history.Series{Check: e.Check, Location: e.Location}
		why, seen := l.known[s]
		if !seen {
			why = l.wrong(s)
			l.known[history.Series{Check: strings.Clone(s.Check), Location: strings.Clone(s.Location)}] = why
		}
		if why != "" {
			bad(&history.LineError{Line: e.Line, Why: why})
			continue
		}
		if err := take(e); err != nil {
			return r.Counts(), err
		}
	}
}

// unpacked looks through gzip.
func unpacked(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	if start, _ := b.Peek(2); string(start) != "\x1f\x8b" { // what cannot be read is said when reading
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, err
	}
	return z, nil
}

// look reads everything once and says what is wrong. Without skipBad one bad line
// stops the import.
func (l *probeLogs) look(skipBad bool) error {
	bad, lines := 0, 0
	for _, file := range l.files {
		here := 0
		counts, err := l.readCounting(file, func(e history.Entry) error {
			l.survey.Add(e)
			return nil
		}, func(b *history.LineError) {
			if here++; here <= listedBad {
				fmt.Fprintf(l.out.errOut, "%s:%d: %s\n", file.path, b.Line, b.Why)
			}
		})
		if err != nil {
			return err
		}
		if here > listedBad {
			fmt.Fprintf(l.out.errOut, "%s: and %d more bad lines\n", file.path, here-listedBad)
		}
		bad, lines = bad+here, lines+counts.Entries+counts.Bad
		l.note(file, counts)
	}
	switch {
	case bad > 0 && !skipBad:
		return fmt.Errorf("nothing was imported: %d of %d lines cannot be used (mend them, or leave them out with --skip-bad)", bad, lines)
	case len(l.survey) == 0:
		return errors.New("nothing was imported: there are no results in what was given")
	case bad > 0:
		l.out.printf("%d of %d lines left out\n", bad, lines)
	}
	return nil
}

// note says what people may not have meant.
func (l *probeLogs) note(file logFile, c history.Counts) {
	if c.Zoneless && l.o.Zone == time.UTC {
		l.out.printf("%s: its times name no zone and are taken as UTC (--zone changes that)\n", file.path)
	}
	if c.Other > 0 {
		l.out.printf("%s: %d samples of other labels left out\n", file.path, c.Other)
	}
	if len(c.Labels) > 1 && l.o.Label == "" {
		labels := slices.Sorted(maps.Keys(c.Labels))
		l.out.printf("%s: all its labels count as attempts of the check: %s (--label takes one of them)\n", file.path, strings.Join(labels, ", "))
	}
}
