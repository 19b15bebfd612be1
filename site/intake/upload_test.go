package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/render"
)

func TestUploadJPEG(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake", "family")
	data := intake.CameraJPEG(t, 64, 48)
	before := time.Now().Add(-time.Second)
	got := s.stored(b, upload{`C:\Users\ada\IMG_1.JPG`, data})
	lat, lon, alt, flash := -33.857033333333334, 151.21111111111111, -12.5, true
	want := gallery.Photo{
		ID: got.ID, Content: content(data), FileName: "IMG_1.JPG", Bytes: int64(len(data)), Width: 64, Height: 48, Orientation: 6,
		Taken: time.Date(2019, 7, 14, 18, 30, 5, 0, time.UTC), Zone: "+02:00", New: true,
		Shot: gallery.Shot{
			Camera: "Canon EOS 80D", Aperture: "f/2.8", Shutter: "0.0063 s (1/160)", Film: "ISO 200", Process: "baseline",
			Exposure: "-0.33 EV, aperture priority, auto bracket", Metering: "pattern",
			FocalLength: "50.0mm (35mm equivalent 75mm)", Flash: &flash,
		},
		Position: gallery.Position{Lat: &lat, Lon: &lon, Alt: &alt},
		Location: gallery.Ref{ID: gallery.RootLocation, Name: "Earth"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(gallery.Photo{}, "Added", "Tags", "People"), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(b.Fields.Tags, got.TagIDs()); diff != "" || got.Added.Before(before) {
		t.Errorf("added %v, tags: %s", got.Added, diff)
	}
	if original, err := os.ReadFile(files(t, s.filesDir)[0]); err != nil || !bytes.Equal(original, data) {
		t.Errorf("the original is not what was sent: %v", err)
	}
	if len(s.prepared) != 1 || s.prepared[0].ID != got.ID || s.prepared[0].Content != got.Content {
		t.Errorf("prepared %+v", s.prepared)
	}
	s.settled(1)
}

func TestUploadOtherKinds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	for name, c := range map[string]struct {
		data []byte
		w, h int
	}{
		"a.png": {intake.PNGOf(t, 31, 17, 0), 31, 17}, "a.webp": {intake.TinyWebP(), 1, 1},
		"": {intake.JPEGOf(t, 9, 5, 0), 9, 5},
	} {
		got := s.stored(b, upload{name, c.data})
		if got.Width != c.w || got.Height != c.h || got.Orientation != 1 || !got.Taken.IsZero() || got.FileName == "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	s.settled(3)
}

// What people say wins over what the file says, for every file of the batch.
func TestUploadOverrides(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	b.Fields.Taken = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	b.Fields.Zone, b.Fields.Camera, b.Fields.Film, b.Fields.Process = "Europe/Berlin", "Box", "HP5", "D-76"
	b.Fields.Watermark, b.Fields.NewLocation = "(c) ada", "Lake side"
	report, err := s.receive(b, upload{"a.jpg", intake.CameraJPEG(t, 20, 10)}, upload{"b.png", intake.PNGOf(t, 20, 10, 3)})
	if err != nil || len(report.IDs()) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	var places []int64
	for _, id := range report.IDs() {
		p, err := s.Photo(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Taken.Equal(b.Fields.Taken) || p.Zone != "Europe/Berlin" || p.Shot.Camera != "Box" || p.Shot.Film != "HP5" ||
			p.Shot.Process != "D-76" || p.Watermark != "(c) ada" || p.Location.Name != "Lake side" {
			t.Errorf("got %+v", p)
		}
		places = append(places, p.Location.ID)
	}
	for _, p := range s.prepared {
		if p.Location.Name != "Lake side" || p.Watermark == "" {
			t.Errorf("prepared %+v, whose text would lack the place", p)
		}
	}
	if places[0] != places[1] || len(s.prepared) != 2 {
		t.Errorf("one place was made twice: %v", places)
	}
	b.Fields.Location, b.Fields.NewLocation = places[0], ""
	if p := s.stored(b, upload{"c.png", intake.PNGOf(t, 20, 10, 4)}); p.Location.ID != places[0] {
		t.Errorf("got place %+v", p.Location)
	}
	b.Fields.Location = 999
	_, err = s.receive(b, upload{"d.png", intake.PNGOf(t, 20, 10, 5)})
	if _, ok := errors.AsType[gallery.InputError](err); !ok {
		t.Errorf("a place that does not exist: got %v", err)
	}
	s.settled(3)
}

func TestUploadZIP(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := intake.JPEGOf(t, 30, 20, 1), intake.PNGOf(t, 30, 20, 2)
	report, err := s.receive(s.batch("lake"), upload{"holiday.zip", intake.ZIPOf(t,
		intake.Packed{Name: "2019/a.jpg", Data: one}, intake.Packed{Name: "readme.txt", Data: []byte("x")},
		intake.Packed{Name: "../../etc/passwd.jpg", Data: []byte("root:x:0:0")}, intake.Packed{Name: "__MACOSX/._a.jpg", Data: one},
		intake.Packed{Name: "2020/b.png", Data: two}, intake.Packed{Name: "copy of a.jpg", Data: one},
	)}, upload{"notes.pdf", []byte("%PDF-1.7 and more than sixteen bytes")})
	if err != nil {
		t.Fatal(err)
	}
	want := []intake.Result{
		{File: "a.jpg", State: intake.Stored},
		{File: "passwd.jpg", State: intake.Refused, Why: intake.ErrNotPicture.Error()},
		{File: "b.png", State: intake.Stored},
		{File: "copy of a.jpg", State: intake.Present},
		{File: "notes.pdf", State: intake.Refused, Why: intake.ErrNotPicture.Error()},
	}
	if diff := cmp.Diff(want, report.Results, cmpopts.IgnoreFields(intake.Result{}, "ID")); diff != "" {
		t.Error(diff)
	}
	if ids := report.IDs(); report.Ignored != 2 || len(ids) != 2 || report.Results[3].ID != ids[0] {
		t.Errorf("got %+v", report)
	}
	log := report.Log()
	for _, line := range []string{
		fmt.Sprintf("a.jpg: stored as %d\n", report.Results[0].ID), "passwd.jpg: refused: this is not a picture",
		fmt.Sprintf("copy of a.jpg: already here as %d\n", report.Results[0].ID), "ignored in ZIP files, because they are no pictures: 2\n",
	} {
		if !strings.Contains(log, line) {
			t.Errorf("%q is not in the log:\n%s", line, log)
		}
	}
	s.settled(2)
	for name, data := range map[string][]byte{"empty": intake.ZIPOf(t), "no pictures": intake.ZIPOf(t, intake.Packed{Name: "a.txt"})} {
		if report, err := s.receive(s.batch("lake"), upload{name, data}); !errors.Is(err, intake.ErrNotPicture) || len(report.Results) != 1 {
			t.Errorf("%s: got %+v, %v", name, report, err)
		}
	}
	if report, err := s.receive(s.batch("lake"), upload{"cut.zip", intake.ZIPOf(t, intake.Packed{Name: "a.jpg", Data: one})[:300]}); !errors.Is(err, intake.ErrZIP) {
		t.Errorf("cut: got %+v, %v", report, err)
	}
	s.settled(2)
}

// Uploading twice is uploading once, for the same people; others get their own.
func TestUploadTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada := s.batch("lake")
	data := intake.JPEGOf(t, 30, 20, 7)
	first := s.stored(ada, upload{"a.jpg", data})
	again := func(b intake.Batch) intake.Result {
		t.Helper()
		report, err := s.receive(b, upload{"b.jpg", data})
		if err != nil || len(report.Results) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		return report.Results[0]
	}
	if r := again(ada); r.State != intake.Present || r.ID != first.ID || r.Notes != "" {
		t.Errorf("the same tag: got %+v", r)
	}
	// A second tag of hers is added; nobody has looked at the photo for it.
	g := s.grant("sea", gallery.Write)
	both := ada
	both.Visitor = gallery.NewVisitor([]gallery.Grant{g, {Tag: first.Tags[0], Level: gallery.Write}}, time.Now())
	both.Fields.Tags = []int64{g.Tag.ID}
	if r := again(both); r.State != intake.Present || r.ID != first.ID || r.Notes == "" {
		t.Errorf("another tag: got %+v", r)
	}
	if p, err := s.Photo(t.Context(), first.ID); err != nil || len(p.Tags) != 2 || !p.New {
		t.Errorf("after that: %+v, %v", p, err)
	}
	// Grace does not learn that it is here.
	if r := again(s.batch("grace")); r.State != intake.Stored || r.ID == first.ID {
		t.Errorf("somebody else: got %+v", r)
	}
	// Who may only look at the photo gets one of her own, too.
	reader := s.batch("alan")
	reader.Visitor = gallery.NewVisitor([]gallery.Grant{
		{Tag: first.Tags[0], Level: gallery.Download},
		{Tag: gallery.Ref{ID: reader.Fields.Tags[0]}, Level: gallery.Write},
	}, time.Now())
	if r := again(reader); r.State != intake.Stored {
		t.Errorf("a reader: got %+v", r)
	}
	s.settled(3)
	// What was deleted comes back as a new photo, over the same file.
	s.remove(ada.Visitor, first.ID)
	if r := again(ada); r.State != intake.Stored || r.ID == first.ID {
		t.Errorf("after it was deleted: got %+v", r)
	}
	s.settled(3)
	if kept := s.kept(); len(kept) != 1 {
		t.Errorf("originals: %v", kept)
	}
}

func TestUploadsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	data := intake.JPEGOf(t, 30, 20, 7)
	var states sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			report, err := s.in.Receive(t.Context(), b, parts(upload{"a.jpg", data}))
			if err != nil || len(report.Results) != 1 {
				t.Errorf("%+v, %v", report, err)
				return
			}
			states.Store(i, report.Results[0].State)
		})
	}
	wg.Wait()
	stored := 0
	states.Range(func(_, v any) bool {
		if v == intake.Stored {
			stored++
		}
		return true
	})
	if stored != 1 {
		t.Errorf("stored %d times", stored)
	}
	s.settled(1)
}

// A6 with the fix: every named tag is judged, and nothing is read before that.
func TestUploadIsJudgedFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own, foreign, readable := s.grant("own", gallery.Write), s.grant("foreign", gallery.Write), s.grant("readable", gallery.Read)
	ownedReadable := s.grant("readable", gallery.Write) // somebody else may write on it
	visitor := gallery.NewVisitor([]gallery.Grant{own, readable}, time.Now())
	free := s.grant("free", gallery.Read) // nobody may write on it
	for name, c := range map[string]struct {
		tags []int64
		ok   bool
	}{
		"own":              {[]int64{own.Tag.ID}, true},
		"own and free":     {[]int64{own.Tag.ID, free.Tag.ID}, true},
		"own and foreign":  {[]int64{own.Tag.ID, foreign.Tag.ID}, false},
		"foreign":          {[]int64{foreign.Tag.ID}, false},
		"only readable":    {[]int64{ownedReadable.Tag.ID}, false},
		"own and readable": {[]int64{own.Tag.ID, readable.Tag.ID}, false},
		"only free":        {[]int64{free.Tag.ID}, false},
		"unknown":          {[]int64{own.Tag.ID, 999}, false},
		"none":             {nil, false},
	} {
		asked := 0
		report, err := s.in.Receive(t.Context(), intake.Batch{Fields: intake.Fields{Tags: c.tags}, Visitor: visitor}, func() (intake.Part, error) {
			asked++
			return intake.Part{}, io.EOF
		})
		if c.ok && (asked != 1 || !errors.Is(err, intake.ErrNoFile)) {
			t.Errorf("%s: got %v after %d files", name, err, asked)
		}
		if !c.ok && (asked != 0 || !errors.Is(err, gallery.ErrForbidden) || len(report.Results) != 0) {
			t.Errorf("%s: got %v after %d files", name, err, asked)
		}
	}
	s.settled(0)
}

// Row 2 of the security checklist: what is no picture is refused by its bytes,
// whatever name and type it came with, and leaves nothing.
func TestUploadOfLies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	all := intake.Lying(t)
	maps.Copy(all, intake.Disguised(t))
	for name, data := range all {
		for _, file := range []upload{{"holiday.jpg", data}, {"holiday.zip", intake.ZIPOf(t, intake.Packed{Name: "holiday.jpg", Data: data})}} {
			report, err := s.receive(b, file)
			if !errors.Is(err, intake.ErrNotPicture) {
				t.Errorf("%s as %s: got %v", name, file.name, err)
			}
			if len(report.Results) != 1 || report.Results[0].State != intake.Refused || report.Results[0].File != "holiday.jpg" || report.Results[0].Why == "" {
				t.Errorf("%s as %s: got %+v", name, file.name, report.Results)
			}
		}
	}
	if kept := s.kept(); len(kept) != 0 {
		t.Errorf("kept: %v", kept)
	}
	s.settled(0)
}

// Row 1 of the security checklist, the part of uploads: what a polyglot brings
// along stays in the untouched original and is in nothing that is shown.
func TestUploadOfPolyglots(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	for name, data := range intake.Polyglots(t) {
		if !bytes.Contains(data, []byte("payload")) {
			t.Fatalf("%s carries nothing", name)
		}
		photo := s.stored(b, upload{name, data})
		o, err := s.files.Open(t.Context(), photo.Content)
		if err != nil {
			t.Fatal(err)
		}
		original, err := io.ReadAll(o)
		if err = errors.Join(err, o.Close()); err != nil || !bytes.Equal(original, data) {
			t.Errorf("%s: the original was touched: %v", name, err)
		}
		for _, edge := range []int{192, 1440} {
			shown, err := render.JPEG(t.Context(), original, render.Spec{Edge: edge, Orientation: photo.Orientation})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, bad := range []string{"payload", "<script", "<html", "<?php", "PK\x03\x04", "PK\x05\x06", "Exif", "ns.adobe.com"} {
				if bytes.Contains(shown, []byte(bad)) {
					t.Errorf("%s at %d shows %q", name, edge, bad)
				}
			}
			if markers := segments(t, shown); strings.ContainsAny(markers, "1c") || !strings.Contains(markers, "s") {
				t.Errorf("%s at %d: segments %q", name, edge, markers)
			}
		}
		for _, text := range []string{photo.Title, photo.Caption, photo.Shot.Camera} {
			if strings.ContainsAny(text, "<>") {
				t.Errorf("%s: %q", name, text)
			}
		}
	}
	s.settled(int64(len(intake.Polyglots(t))))
}

// segments names those of a JPEG: digits for APPn, c for comments, s for the scan, .
// for others.
func segments(tb testing.TB, data []byte) string {
	tb.Helper()
	var out strings.Builder
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		marker, size := data[at+1], int(data[at+2])<<8|int(data[at+3])
		switch {
		case marker >= 0xe0 && marker <= 0xef:
			fmt.Fprintf(&out, "%x", marker-0xe0)
		case marker == 0xfe:
			out.WriteByte('c')
		case marker == 0xda:
			return out.String() + "s"
		default:
			out.WriteByte('.')
		}
		at += 2 + size
	}
	return out.String()
}
