package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/originals"
)

// bundle is an old site to import, and a new one.
type bundle struct {
	dir   string // of the old site
	db    postgres.Photos
	files originals.Store
}

func setup(t *testing.T) *bundle {
	t.Helper()
	files, err := originals.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &bundle{dir: t.TempDir(), db: postgres.Photos{DB: pgtest.New(t)}, files: files}
}

func (b *bundle) run(t *testing.T, change ...func(*archive.Import)) (archive.ImportReport, error) {
	t.Helper()
	i := archive.Import{Dir: b.dir, Store: b.db, Originals: b.files}
	for _, c := range change {
		c(&i)
	}
	return i.Run(t.Context())
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// picture draws a JPEG that only its seed looks like.
func picture(t *testing.T, seed int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: uint8(i*7 + seed*31)}.Y
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// old puts pictures where the old site had them.
func (b *bundle) old(t *testing.T, ids ...int) {
	t.Helper()
	for _, id := range ids {
		write(t, b.dir, fmt.Sprintf("%d/%d/%d.jpg", id%10, id/10%10, id), picture(t, id))
	}
}

// nothing fails the test when anything was stored.
func (b *bundle) nothing(t *testing.T) {
	t.Helper()
	if w, err := b.db.Welcome(t.Context()); err != nil || !w.Empty {
		t.Errorf("the database is not empty: %+v, %v", w, err)
	}
	if list, err := b.files.List(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Errorf("originals were stored: %v, %v", list, err)
	}
}

const fullTable = "\xEF\xBB\xBF" + `id,file_name,title,caption,taken,zone,camera,aperture,shutter,exposure,metering,flash,film,process,focal_length,rotation,watermark,lat,lon,alt,new,added,deleted,tags,people,location
1234,C:\photos\IMG_1.JPG,A title,"A caption, with ""quotes""
and two lines",2019-05-31 14:30:05,Europe/Berlin,PENTAX K-1,f/2.8,0.0063 s (1/160),Program,Spot,true,ISO 200,digital,50.0mm,90,(c) (year),52.5,-13.25,34,true,2019-06-01T10:00:00+02:00,,family;  holiday ;Family,Ada Lovelace;Grace Brewster Hopper,Earth/Germany/Berlin
7,,,,,,,,,,,,,,,,,,,,,,2020-01-01 00:00:00,family,,
30,,,,,,,,,,,,,,,,,,,,,,,holiday,Alan Turing,Earth/Germany
`

func TestImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.old(t, 1234, 7, 30, 55) // 55 has no row
	write(t, b.dir, "photos.csv", []byte(fullTable))
	write(t, b.dir, "codes.csv", []byte("code,tag,level,max,uses,expires\n12345678,family,4,,3,\n4711,holiday,read,5,5,\nabcd-efgh,family,download,0,0,2030-01-01\n123456789,family,1,,,\n"))
	report, err := b.run(t)
	want := archive.ImportReport{Photos: 3, Stored: 3, Codes: 4, NewCodes: 4, ShortCodes: 2, Unlisted: 1}
	if diff := cmp.Diff(report, want, cmpopts.IgnoreFields(want, "Bytes")); diff != "" || err != nil {
		t.Fatalf("report %v (-got +want):\n%s", err, diff)
	}
	data := picture(t, 1234)
	if wantBytes := int64(len(data) + len(picture(t, 7)) + len(picture(t, 30))); report.Bytes != wantBytes {
		t.Errorf("%d bytes, want %d", report.Bytes, wantBytes)
	}
	content, _, err := originals.Content(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	flash, lat, lon, alt := true, 52.5, -13.25, 34.0
	wantPhoto := gallery.Photo{
		ID: 1234, Content: content, FileName: "IMG_1.JPG", Bytes: int64(len(data)), Width: 40, Height: 30, Orientation: 1, Rotation: 90,
		Title: "A title", Caption: "A caption, with \"quotes\"\nand two lines", Taken: time.Date(2019, 5, 31, 14, 30, 5, 0, time.UTC), Zone: "Europe/Berlin",
		Shot: gallery.Shot{
			Camera: "PENTAX K-1", Aperture: "f/2.8", Shutter: "0.0063 s (1/160)", Exposure: "Program", Metering: "Spot", Film: "ISO 200",
			Process: "digital", FocalLength: "50.0mm", Flash: &flash,
		},
		Position: gallery.Position{Lat: &lat, Lon: &lon, Alt: &alt}, Watermark: "(c) (year)", Location: gallery.Ref{Name: "Berlin"}, New: true,
		Added: time.Date(2019, 6, 1, 8, 0, 0, 0, time.UTC), Tags: []gallery.Ref{{Name: "family"}, {Name: "holiday"}},
		People: []gallery.Person{{First: "Ada", Last: "Lovelace"}, {First: "Grace Brewster", Last: "Hopper"}},
	}
	ignoreIDs := cmp.FilterPath(func(p cmp.Path) bool {
		return len(p) > 2 && p.Last().String() == ".ID" // ids of tags, people and places are the new site's
	}, cmp.Ignore())
	got, err := b.db.Photo(t.Context(), 1234)
	byName := cmpopts.SortSlices(func(a, b gallery.Ref) bool { return a.Name < b.Name })
	if diff := cmp.Diff(got, wantPhoto, ignoreIDs, byName); diff != "" || err != nil {
		t.Errorf("photo %v (-got +want):\n%s", err, diff)
	}
	deleted, err := b.db.Photo(t.Context(), 7)
	if err != nil || !deleted.Deleted.Equal(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) || deleted.FileName != "7.jpg" || deleted.Location.ID != gallery.RootLocation {
		t.Errorf("photo 7: %+v, %v", deleted, err)
	}
	o, err := b.files.Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if stored, err := io.ReadAll(o); err != nil || !bytes.Equal(stored, data) {
		t.Errorf("the original is another file: %v", err)
	}
	b.redeem(t)
	b.again(t)
}

// redeem logs in with the codes of the old site, as people have them in their mail.
func (b *bundle) redeem(t *testing.T) {
	t.Helper()
	for code, level := range map[string]gallery.Level{"1234-5678": gallery.Write, "4711": gallery.None, "ABCDEFGH": gallery.Download} {
		grant, err := b.db.Redeem(t.Context(), gallery.Redemption{
			Code: gallery.NormaliseCode(code), Token: []byte(strings.Repeat(code, 32)[:32]), Now: time.Date(2029, 12, 31, 0, 0, 0, 0, time.UTC),
		})
		if grant.Level != level || (level == gallery.None) != errors.Is(err, gallery.ErrCode) {
			t.Errorf("code %s: level %d, %v; want level %d", code, grant.Level, err, level)
		}
	}
}

// again: importing twice is importing once, and does not undo what people changed.
func (b *bundle) again(t *testing.T) {
	t.Helper()
	before, err := b.db.Photo(t.Context(), 30)
	if err != nil {
		t.Fatal(err)
	}
	before.Caption, before.New = "changed here", false
	edit := gallery.Edit{IDs: []int64{30}}
	_, err = b.db.Edit(t.Context(), edit, func(gallery.EditFacts) ([]gallery.Plan, error) { return []gallery.Plan{{Photo: before}}, nil })
	if err != nil {
		t.Fatal(err)
	}
	report, err := b.run(t)
	want := archive.ImportReport{Photos: 3, Present: 3, Codes: 4, ShortCodes: 2, Unlisted: 1}
	if diff := cmp.Diff(report, want); diff != "" || err != nil {
		t.Errorf("second import %v (-got +want):\n%s", err, diff)
	}
	if after, err := b.db.Photo(t.Context(), 30); err != nil || after.Caption != "changed here" {
		t.Errorf("after the second import: %q, %v", after.Caption, err)
	}
	if list, err := b.files.List(t.Context(), "", 10); err != nil || len(list) != 3 {
		t.Errorf("%d originals, %v", len(list), err)
	}
	if clean, err := b.clean(t, 48*time.Hour, func(c *archive.Clean) { c.Deleted = 100 * 365 * 24 * time.Hour }); err != nil || clean.Files != 0 {
		t.Errorf("something was left to clean: %+v, %v", clean, err)
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.old(t, 1, 2)
	write(t, b.dir, "photos.csv", []byte("id,tags\n1,a\n2,a\n"))
	var steps []string
	report, err := b.run(t, func(i *archive.Import) {
		i.DryRun, i.Store, i.Originals = true, nil, nil
		i.Progress = func(step archive.Step, done, total int) { steps = append(steps, fmt.Sprint(step, done, total)) }
	})
	if diff := cmp.Diff(report, archive.ImportReport{Photos: 2}); diff != "" || err != nil {
		t.Errorf("report %v (-got +want):\n%s", err, diff)
	}
	if diff := cmp.Diff(steps, []string{"checking1 2", "checking2 2"}); diff != "" {
		t.Errorf("progress (-got +want):\n%s", diff)
	}
	b.nothing(t)
}

// failing is a store of originals that has no room for one content.
type failing struct {
	originals.Store

	content string
	err     error
}

func (f failing) Put(ctx context.Context, content string, r io.ReadSeeker) error {
	if content == f.content {
		return f.err
	}
	return f.Store.Put(ctx, content, r)
}

// An import that ended in the middle is simply run again.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.old(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	write(t, b.dir, "photos.csv", []byte("id,tags\n1,a\n2,a\n3,a\n4,a\n5,a\n6,a\n7,a\n8,a\n9,a\n10,a\n"))
	content, _, err := originals.Content(bytes.NewReader(picture(t, 6)))
	if err != nil {
		t.Fatal(err)
	}
	report, err := b.run(t, func(i *archive.Import) { i.Originals = failing{b.files, content, originals.ErrFull} })
	if !errors.Is(err, originals.ErrFull) || !strings.Contains(err.Error(), "photo 6 (photos.csv:7)") {
		t.Fatalf("got %v, want ErrFull of photo 6", err)
	}
	if _, err := b.db.Photo(t.Context(), 6); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("photo 6: %v, want ErrNotFound", err)
	}
	survey, err := b.db.Survey(t.Context(), gallery.Survey{StaleBefore: time.Now().Add(time.Hour)})
	if err != nil || survey.Stale != 0 {
		t.Errorf("%d notes of uploads were left, %v", survey.Stale, err)
	}
	first := report.Stored
	report, err = b.run(t)
	if err != nil || report.Stored != 10-first || report.Present != first {
		t.Errorf("second run %+v, %v; the first stored %d", report, err, first)
	}
}

// A table that somebody changes between checking and storing is not trusted.
func TestTableChangesMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.old(t, 1, 2)
	write(t, b.dir, "photos.csv", []byte("id,tags\n1,a\n2,a\n"))
	_, err := b.run(t, func(i *archive.Import) {
		i.Progress = func(step archive.Step, done, _ int) {
			if step == archive.Checking && done == 2 {
				write(t, b.dir, "photos.csv", []byte("id,tags\n1,a\n2,\n"))
			}
		}
	})
	if _, ok := errors.AsType[*archive.MistakesError](err); !ok {
		t.Errorf("got %v, want a MistakesError", err)
	}
}

// One picture under two numbers is one original and two photos.
func TestSamePictureTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	table := "id,tags\n"
	for id := 1; id <= 8; id++ {
		write(t, b.dir, fmt.Sprintf("%d/0/%d.jpg", id, id), picture(t, 1))
		table += strconv.Itoa(id) + ",a\n" //nolint:perfsprint // eight times
	}
	write(t, b.dir, "photos.csv", []byte(table))
	if report, err := b.run(t); err != nil || report.Stored != 8 {
		t.Errorf("got %+v, %v; want 8 stored", report, err)
	}
	if list, err := b.files.List(t.Context(), "", 10); err != nil || len(list) != 1 {
		t.Errorf("%d originals, %v; want 1", len(list), err)
	}
	survey, err := b.db.Survey(t.Context(), gallery.Survey{StaleBefore: time.Now().Add(time.Hour)})
	if err != nil || survey.Stale != 0 {
		t.Errorf("%d notes of uploads were left, %v", survey.Stale, err)
	}
}

func TestOccupied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.old(t, 1)
	write(t, b.dir, "photos.csv", []byte("id,tags\n1,a\n"))
	if _, err := b.run(t); err != nil {
		t.Fatal(err)
	}
	write(t, b.dir, "1/0/1.jpg", picture(t, 99))
	if _, err := b.run(t); !errors.Is(err, gallery.ErrOccupied) || !strings.Contains(err.Error(), "photo 1 (photos.csv:2)") {
		t.Errorf("got %v, want ErrOccupied of photo 1", err)
	}
	if list, err := b.files.List(t.Context(), "", 10); err != nil || len(list) != 1 {
		t.Errorf("%d originals, %v; the refused one was to go", len(list), err)
	}
}

// The table wins over the file, and says how a picture is turned in all.
func TestFileFillsGaps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// EXIF with orientation 6 and nothing else, behind the first marker.
	exif := []byte("\xFF\xE1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00")
	for _, id := range []int{1, 2} {
		data := picture(t, id)
		write(t, b.dir, fmt.Sprintf("%d/0/%d.jpg", id, id), append(append(append([]byte{}, data[:2]...), exif...), data[2:]...))
	}
	write(t, b.dir, "photos.csv", []byte("id,tags,camera,rotation,taken\n1,a,,,\n2,a,Table,180,2001-02-03 04:05:06\n"))
	_, err := b.run(t, func(i *archive.Import) {
		i.EXIF = func(context.Context, io.ReadSeeker) (gallery.FromFile, error) {
			return gallery.FromFile{
				Shot: gallery.Shot{Camera: "File", Film: "ISO 100"}, Orientation: 6, Taken: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
			}, nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	type facts struct {
		Camera, Film          string
		Orientation, Rotation int
		Year                  int
		FileName              string
	}
	for id, want := range map[int64]facts{1: {"File", "ISO 100", 6, 0, 1999, "1.jpg"}, 2: {"Table", "ISO 100", 1, 180, 2001, "2.jpg"}} {
		p, err := b.db.Photo(t.Context(), id)
		got := facts{p.Shot.Camera, p.Shot.Film, p.Orientation, p.Rotation, p.Taken.Year(), p.FileName}
		if diff := cmp.Diff(got, want); diff != "" || err != nil {
			t.Errorf("photo %d: %v (-got +want):\n%s", id, err, diff)
		}
	}
}
