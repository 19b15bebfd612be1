package intake_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/render"
)

func TestUploadLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *intake.Config, _ *intake.Parts) { c.MaxBytes = 1 << 20 })
	b := s.batch("lake")
	small := intake.JPEGOf(t, 30, 20, 1)
	large := append(intake.JPEGOf(t, 30, 20, 2), make([]byte, 1<<20)...)
	for name, files := range map[string][]upload{
		"one":    {{"a.jpg", large}},
		"a ZIP":  {{"a.zip", append(intake.ZIPOf(t, intake.Packed{Name: "a.jpg", Data: small}), make([]byte, 1<<20)...)}},
		"junk":   {{"a.pdf", append([]byte("%PDF-1.7 "), make([]byte, 1<<20)...)}},
		"unpack": {{"a.zip", intake.ZIPOf(t, intake.Packed{Name: "a.jpg", Data: bytes.Repeat(small, 1<<20/len(small)+1)})}},
	} {
		if report, err := s.receive(b, files...); !errors.Is(err, intake.ErrTooLarge) {
			t.Errorf("%s: got %+v, %v", name, report, err)
		}
	}
	s.settled(0)
	report, err := s.receive(b, upload{"a.jpg", small}, upload{"b.jpg", large}, upload{"c.jpg", small})
	if err != nil || len(report.IDs()) != 1 || !strings.Contains(report.Stopped, "1 MB") {
		t.Errorf("together: got %+v, %v", report, err)
	}
	s.settled(1)
	full := slices.Concat(small, make([]byte, 1<<20-len(small)))
	s.stored(b, upload{"just.jpg", full})
	s.settled(2)
	many := []upload{{"a.jpg", small}}
	for range 1000 {
		many = append(many, upload{"a.pdf", []byte("%PDF-1.7 and more")})
	}
	if report, err := s.receive(b, many...); err != nil || len(report.Results) != 1000 || !strings.Contains(report.Stopped, "1000 files") {
		t.Errorf("1001 files: %d, %q, %v", len(report.Results), report.Stopped, err)
	}
}

// What is no picture is never written to the disk.
func TestJunkStaysOffTheDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := os.Remove(s.spoolDir); err != nil {
		t.Fatal(err)
	}
	if report, err := s.receive(s.batch("lake"), upload{"a.jpg", []byte("%PDF-1.7 and more than that")}); !errors.Is(err, intake.ErrNotPicture) {
		t.Errorf("junk: got %+v, %v", report, err)
	}
	if report, err := s.receive(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)}); err == nil {
		t.Errorf("a picture: got %+v; the test tests nothing", report)
	}
}

// A picture of more than 64 MB is refused, and the next one taken.
func TestUploadOfOneTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pic := intake.JPEGOf(t, 30, 20, 1)
	b := s.batch("lake")
	sent := []intake.Part{
		{Name: "huge.jpg", Data: io.MultiReader(bytes.NewReader(pic), io.LimitReader(zeros{}, 65<<20))},
		{Name: "a.jpg", Data: bytes.NewReader(pic)},
	}
	report, err := s.in.Receive(t.Context(), b, func() (intake.Part, error) {
		if len(sent) == 0 {
			return intake.Part{}, io.EOF
		}
		p := sent[0]
		sent = sent[1:]
		return p, nil
	})
	if err != nil || len(report.Results) != 2 || report.Results[0].State != intake.Refused || report.Results[1].State != intake.Stored {
		t.Errorf("got %+v, %v", report, err)
	}
	s.settled(1)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Row 6 of the security checklist, the part of uploads: pictures that claim to be
// huge are refused by their headers.
func TestUploadOfPixelFloods(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	resized := func(w, h uint16) []byte {
		out := intake.JPEGOf(t, 100, 100, 1)
		at := bytes.Index(out, []byte{0xff, 0xc0})
		binary.BigEndian.PutUint16(out[at+5:], h)
		binary.BigEndian.PutUint16(out[at+7:], w)
		return out
	}
	png := intake.PNGOf(t, 10, 10, 1)
	binary.BigEndian.PutUint32(png[16:], 1<<31-1)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"64250 x 64250": {resized(64250, 64250), intake.ErrTooLarge},
		"65535 x 65535": {resized(65535, 65535), render.ErrTooLarge},
		"0 x 0":         {resized(0, 0), intake.ErrNotPicture},
		"65535 x 0":     {resized(65535, 0), render.ErrNotPicture},
		"png 2^31":      {png, intake.ErrTooLarge},
	} {
		report, err := s.receive(b, upload{"a.jpg", c.data})
		if !errors.Is(err, c.want) || len(report.Results) != 1 {
			t.Errorf("%s: got %+v, %v; want %v", name, report, err, c.want)
		}
	}
	// Long and thin is odd, but it is few pixels.
	for _, thin := range [][]byte{resized(65535, 1), resized(1, 65535)} {
		report, err := s.receive(b, upload{"thin.jpg", thin})
		if err != nil {
			t.Errorf("thin: got %+v, %v", report, err)
		}
	}
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *intake.Config, _ *intake.Parts) { c.AtOnce = 1 })
	b := s.batch("lake")
	var inner error
	_, err := s.in.Receive(t.Context(), b, func() (intake.Part, error) {
		if now, most := s.in.Busy(); now != 1 || most != 1 {
			t.Errorf("busy %d of %d", now, most)
		}
		_, inner = s.receive(b)
		return intake.Part{}, io.EOF
	})
	if !errors.Is(inner, intake.ErrBusy) || !errors.Is(err, intake.ErrNoFile) {
		t.Errorf("got %v, then %v", inner, err)
	}
	if _, err := s.receive(b, upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestUploadQuota(t *testing.T) {
	t.Parallel()
	var asked int64
	s := newSite(t, func(_ *intake.Config, p *intake.Parts) {
		p.Allow = func(_ context.Context, tags []int64, n int64) error {
			if asked += n; len(tags) != 1 {
				t.Errorf("asked for tags %v", tags)
			}
			if asked > n {
				return gallery.InputError{Message: "lake has no room left"}
			}
			return nil
		}
	})
	report, err := s.receive(s.batch("lake"), upload{"a.jpg", intake.JPEGOf(t, 30, 20, 1)}, upload{"b.jpg", intake.JPEGOf(t, 30, 20, 2)})
	if err != nil || len(report.IDs()) != 1 || report.Results[1].Why != "lake has no room left" || report.Stopped != "" {
		t.Errorf("got %+v, %v", report, err)
	}
	s.settled(1)
}

// EXIF that harms readers refuses no picture: what can be shown is stored.
func TestUploadOfHostileEXIF(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.batch("lake")
	stored := 0
	for name, data := range intake.HostileEXIF(t) {
		report, err := s.receive(b, upload{"a.jpg", data})
		if err == nil {
			stored++
		} else if !errors.Is(err, intake.ErrNotPicture) {
			t.Errorf("%s: got %+v, %v", name, report, err)
		}
	}
	if stored < 9 {
		t.Errorf("only %d of them were stored", stored)
	}
	s.settled(int64(stored))
}
