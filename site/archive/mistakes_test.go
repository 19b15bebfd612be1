package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keepwatch/site/archive"
)

// The strict reading of tables: every mistake with its line, and nothing stored.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ photos, codes, want string }{
		"empty":            {"", "", `photos.csv:1: is empty; the first line must name the columns`},
		"unknown column":   {"id,tags,colour\n", "", `photos.csv:1: there is no column "colour"; the columns are id, file_name`},
		"column twice":     {"id,tags,ID\n", "", `photos.csv:1: names the column "id" twice`},
		"no id column":     {"tags\n", "", `photos.csv:1: the column "id" is missing`},
		"too few cells":    {"id,tags\n1\n", "", `photos.csv:2: has another number of cells`},
		"too many cells":   {"id,tags\n1,a\n2,b,c\n", "", `photos.csv:3: has another number of cells`},
		"quote":            {"id,tags\n1,\"a\n", "", `photos.csv:2: has a quotation mark that does not fit`},
		"not utf-8":        {"id,tags\n1,a\xff\n", "", `photos.csv:2: tags is longer than 65536 bytes or is not UTF-8`},
		"long cell":        {"id,tags,caption\n1,a," + strings.Repeat("x", 70_000) + "\n", "", `photos.csv:2: caption is longer than 65536 bytes`},
		"long caption":     {"id,tags,caption\n1,a," + strings.Repeat("é", 4001) + "\n", "", `photos.csv:2: caption: may have 4000 characters and has 4001`},
		"no number":        {"id,tags\nx,a\n", "", `photos.csv:2: id: "x" is no number of a photo`},
		"zero":             {"id,tags\n0,a\n", "", `photos.csv:2: id: "0" is no number of a photo`},
		"leading zero":     {"id,tags\n012,a\n", "", `photos.csv:2: id: "012" is no number of a photo`},
		"path as number":   {"id,tags\n../1,a\n", "", `photos.csv:2: id: "../1" is no number of a photo`},
		"huge number":      {"id,tags\n99999999999999999999,a\n", "", `photos.csv:2: id: "99999999999999999999" is no number`},
		"twice":            {"id,tags\n1,a\n2,a\n1,a\n", "", `photos.csv:4: photo 1 stands in line 2 already`},
		"no tag":           {"id,tags\n1, ; \n", "", `photos.csv:2: tags: there must be at least one`},
		"long tag":         {"id,tags\n1," + strings.Repeat("x", 65) + "\n", "", `photos.csv:2: tags: "` + strings.Repeat("x", 60) + `…" is longer than 64`},
		"date":             {"id,tags,taken\n1,a,31.5.2019\n", "", `photos.csv:2: taken: write a date and time like`},
		"turn":             {"id,tags,rotation\n1,a,45\n", "", `photos.csv:2: rotation: "45" is no turn`},
		"flash":            {"id,tags,flash\n1,a,maybe\n", "", `photos.csv:2: flash: "maybe" is neither true nor false`},
		"latitude":         {"id,tags,lat,lon\n1,a,91,0\n", "", `photos.csv:2: lat: "91" is no number from -90 to 90`},
		"not a number":     {"id,tags,lat,lon\n1,a,NaN,0\n", "", `photos.csv:2: lat: "NaN" is no number`},
		"half a position":  {"id,tags,lat,lon\n1,a,1,\n", "", `photos.csv:2: lat: lat and lon belong together`},
		"place":            {"id,tags,location\n1,a,Germany/Berlin\n", "", `photos.csv:2: location: "Germany/Berlin" does not begin with Earth`},
		"empty place":      {"id,tags,location\n1,a,Earth//Berlin\n", "", `photos.csv:2: location: "Earth//Berlin" has an empty part`},
		"line after lines": {"id,tags,caption\n1,a,\"x\ny\nz\"\n2,,\n", "", `photos.csv:5: tags: there must be at least one`},
		"code empty":       {"id,tags\n", "code,tag,level\n,a,1\n", `codes.csv:2: code: must be 1 to 64 letters and digits`},
		"code twice":       {"id,tags\n", "code,tag,level\n1234-OOOO,a,1\n12340000,a,1\n", `codes.csv:3: the same code stands in line 2 already`},
		"code level":       {"id,tags\n", "code,tag,level\n1,a,5\n", `codes.csv:2: level: "5" is none of read`},
		"code tag":         {"id,tags\n", "code,tag,level\n1,,1\n", `codes.csv:2: tag: must be the name of a tag`},
		"code max":         {"id,tags\n", "code,tag,level,max\n1,a,1,-1\n", `codes.csv:2: max: "-1" is no number of uses`},
		"code expires":     {"id,tags\n", "code,tag,level,expires\n1,a,1,soon\n", `codes.csv:2: expires: write a date and time like`},
		"goes on":          {"id,tags\n1\n2,\n", "", "photos.csv:2: has another number of cells than the first line has columns\nphotos.csv:3: tags"},
		"all at once":      {"id,tags\nx,a\n1,\n", "code,tag,level\n1,,1\n", "photos.csv:2: id: \"x\" is no number of a photo; write 1 or more, without leading zeros\nphotos.csv:3: tags: there must be at least one, or nobody may see the photo\ncodes.csv:2: tag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "photos.csv", []byte(tt.photos))
			if tt.codes != "" {
				write(t, dir, "codes.csv", []byte(tt.codes))
			}
			_, err := archive.Import{Dir: dir}.Run(t.Context()) // a store would be a nil pointer
			mistakes, ok := errors.AsType[*archive.MistakesError](err)
			if !ok || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			} else if n := strings.Count(tt.want, "\n") + 1; len(mistakes.Mistakes) != n {
				t.Errorf("%d mistakes, want %d:\n%v", len(mistakes.Mistakes), n, err)
			}
		})
	}
}

func TestManyMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "photos.csv", []byte("id,tags\n"+strings.Repeat("x,a\n", 1000)))
	_, err := archive.Import{Dir: dir}.Run(t.Context())
	if err == nil || !strings.HasSuffix(err.Error(), "\nand 800 more") {
		t.Errorf("got %.200v", err)
	}
}

func TestBrokenPictures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.old(t, 1, 9)
	write(t, b.dir, "3/0/3.jpg", []byte("<svg onload=alert(1)>"))
	write(t, b.dir, "4/0/4.jpg", picture(t, 4)[:100])
	write(t, b.dir, "outside.jpg", picture(t, 5))
	outside := t.TempDir()
	write(t, outside, "5.jpg", picture(t, 5))
	if err := errors.Join(
		os.MkdirAll(filepath.Join(b.dir, "5/0"), 0o700), os.Symlink(filepath.Join(outside, "5.jpg"), filepath.Join(b.dir, "5/0/5.jpg")),
		os.MkdirAll(filepath.Join(b.dir, "6/0/6.jpg"), 0o700),
		os.MkdirAll(filepath.Join(b.dir, "7/0"), 0o700), syscall.Mkfifo(filepath.Join(b.dir, "7/0/7.jpg"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	write(t, b.dir, "photos.csv", []byte("id,tags\n1,a\n2,a\n3,a\n4,a\n5,a\n6,a\n7,a\n9,a\n"))
	report, err := b.run(t)
	broken, ok := errors.AsType[*archive.BrokenError](err)
	if !ok {
		t.Fatalf("got %v, want a BrokenError", err)
	}
	for i, want := range []string{"there is no file 2/0/2.jpg", "", "", "the file cannot be opened: path escapes", "this is no file", "this is no file"} {
		if got := broken.Broken[i]; got.ID != int64(i+2) || got.Line != i+3 || !strings.HasPrefix(got.Why, want) || got.Why == "" {
			t.Errorf("broken %+v, want photo %d in line %d: %s", got, i+2, i+3, want)
		}
	}
	if len(broken.Broken) != 6 || len(report.Broken) != 6 || !strings.Contains(err.Error(), "photo 2 (photos.csv:3): there is no file") {
		t.Errorf("%d broken, message %v", len(broken.Broken), err)
	}
	b.nothing(t)

	report, err = b.run(t, func(i *archive.Import) { i.SkipBroken = true })
	if err != nil || report.Stored != 2 || len(report.Broken) != 6 {
		t.Errorf("with the broken ones left out: %+v, %v", report, err)
	}
	for id := range int64(10) {
		_, err := b.db.Photo(t.Context(), id)
		if there := err == nil; there != (id == 1 || id == 9) {
			t.Errorf("photo %d: %v", id, err)
		}
	}
}

func TestNoTable(t *testing.T) {
	t.Parallel()
	if _, err := (archive.Import{Dir: t.TempDir()}).Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the table is missing", err)
	}
	if _, err := (archive.Import{Dir: "/nowhere/at/all"}).Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the folder is missing", err)
	}
}

func FuzzTables(f *testing.F) {
	f.Add([]byte(fullTable), []byte("code,tag,level\n1,a,1\n"))
	f.Add([]byte("id,tags\n1,\"a\n"), []byte("code"))
	f.Add([]byte("id;tags\r\n1;a"), []byte("\xEF\xBB\xBFcode,tag,level,max,uses,expires\n1,a,1,9,9,2030"))
	f.Fuzz(func(t *testing.T, photos, codes []byte) {
		dir := t.TempDir()
		write(t, dir, "photos.csv", photos)
		write(t, dir, "codes.csv", codes)
		_, err := archive.Import{Dir: dir, DryRun: true, SkipBroken: true}.Run(t.Context())
		if mistakes, ok := errors.AsType[*archive.MistakesError](err); err != nil && (!ok || len(mistakes.Mistakes) == 0) {
			t.Errorf("%v", err)
		}
	})
}
