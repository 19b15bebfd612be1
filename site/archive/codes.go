package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"keepwatch/site/gallery"
)

// oldDigits is how many digits a code of the old site has at most.
const oldDigits = 8

// codeRow is a line of the table of codes.
type codeRow struct {
	gallery.Code

	tag  string
	line int
}

func codeColumns() []string { return []string{"code", "tag", "level", "max", "uses", "expires"} }

// readCodes reads the table of codes, if there is one, and adds its mistakes.
func readCodes(root *os.Root, mistakes *MistakesError) ([]codeRow, error) {
	f, err := root.Open(CodesTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the table of codes: %w", err)
	}
	defer f.Close()
	t, err := openTable(CodesTable, f, codeColumns(), []string{"code", "tag", "level"}, mistakes)
	if err != nil || t == nil {
		return nil, err
	}
	var out []codeRow
	lines := map[string]int{}
	err = t.each(mistakes, func(l line) error {
		c, ok := readCode(l, mistakes)
		if !ok {
			return nil
		}
		// Messages never repeat a code: they may be shown to more people than it.
		if first := lines[c.Code.Code]; first != 0 {
			mistakes.add(CodesTable, l.number, "the same code stands in line %d already", first)
			return nil
		}
		lines[c.Code.Code] = l.number
		out = append(out, c)
		return nil
	})
	return out, err
}

func readCode(l line, mistakes *MistakesError) (codeRow, bool) {
	ok := true
	wrong := func(column, message string) {
		ok = false
		mistakes.add(CodesTable, l.number, "%s: %s", column, message)
	}
	c := codeRow{line: l.number, Code: gallery.Code{Code: gallery.NormaliseCode(l.cells["code"])}}
	if c.Code.Code == "" {
		wrong("code", fmt.Sprintf("must be 1 to %d letters and digits; spaces and dashes do not count", gallery.MaxCode))
	}
	c.tag = strings.Join(strings.Fields(l.cells["tag"]), " ")
	if n := utf8.RuneCountInString(c.tag); n < 1 || n > gallery.MaxMedium {
		wrong("tag", fmt.Sprintf("must be the name of a tag, at most %d characters", gallery.MaxMedium))
	}
	switch strings.ToLower(l.cells["level"]) {
	case "1", "read":
		c.Level = gallery.Read
	case "2", "download":
		c.Level = gallery.Download
	case "3", "write", "4", "manage": // the old site's 4 means no more than 3
		c.Level = gallery.Write
	default:
		wrong("level", fmt.Sprintf("%q is none of read, download, write, manage or 1 to 4", shorten(l.cells["level"])))
	}
	for _, count := range []struct {
		name string
		to   *int64
	}{{"max", &c.MaxUses}, {"uses", &c.Uses}} {
		cell := l.cells[count.name]
		if cell == "" {
			continue
		}
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil || n < 0 {
			wrong(count.name, fmt.Sprintf("%q is no number of uses; write 0 or more", shorten(cell)))
		}
		*count.to = n
	}
	if cell := l.cells["expires"]; cell != "" {
		var err error
		if c.Expires, err = instant(cell); err != nil {
			wrong("expires", err.Error())
		}
	}
	return c, ok
}

// short reports whether a code is one that the old site made.
func short(code string) bool {
	return len(code) <= oldDigits && strings.Trim(code, "0123456789") == ""
}
