package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/gallery"
)

// entry is a part of a form: a field, or a file when it has data.
type entry struct {
	name, value string
	file        string
	data        []byte
	header      string // an extra header's value
}

const boundary = "xxxxxxxxxxxxxxxx"

func formOf(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	if err := w.SetBoundary(boundary); err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name="%s"`, e.name)
		if e.data != nil {
			disposition += fmt.Sprintf(`; filename="%s"`, e.file)
			h.Set("Content-Type", "image/jpeg") // never believed
		}
		h.Set("Content-Disposition", disposition)
		if e.header != "" {
			h.Set("X-Extra", e.header)
		}
		p, err := w.CreatePart(h)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := p.Write(append([]byte(e.value), e.data...)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func a(file string, data string) entry { return entry{name: "file", file: file, data: []byte(data)} }

func f(name, value string) entry { return entry{name: name, value: value} }

func TestForm(t *testing.T) {
	t.Parallel()
	body := formOf(t, f("tag", "7"), f("tag", "3"), f("tag", "7"), f("ts", "2026-05-31 14:30"), f("loc", "5"), f("nlc", " Lake  side "),
		f("cam", "Box"), f("flm", "ISO 100"), f("pcs", "C-41"), f("tz", "Europe/Berlin"), f("wmk", "(c) ada (year)"),
		a("one.jpg", "first"), a("", ""), a("", "nameless"), a("two.jpg", strings.Repeat("second", 10_000)))
	form, err := OpenForm(bytes.NewReader(body), boundary)
	if err != nil {
		t.Fatal(err)
	}
	want := Fields{
		Tags: []int64{3, 7}, Taken: time.Date(2026, 5, 31, 14, 30, 0, 0, time.UTC), Zone: "Europe/Berlin", Location: 5, NewLocation: "Lake side",
		Camera: "Box", Film: "ISO 100", Process: "C-41", Watermark: "(c) ada (year)",
	}
	if diff := cmp.Diff(want, form.Fields); diff != "" {
		t.Error(diff)
	}
	var got []string
	for {
		part, err := form.Next()
		if isEnd(err) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 5) // the rest is left for Next to read
		n, _ := io.ReadFull(part.Data, head)
		got = append(got, part.Name+"="+string(head[:n]))
	}
	if diff := cmp.Diff([]string{"one.jpg=first", "=namel", "two.jpg=secon"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFormMistakes(t *testing.T) {
	t.Parallel()
	tag, pic := f("tag", "1"), a("a.jpg", "x")
	whole := string(formOf(t, tag, pic))
	for name, c := range map[string]struct {
		body string
		want string // part of the sentence
	}{
		"unknown parameter":    {string(formOf(t, tag, f("Tag\u202e", "1"), pic)), `there is no parameter "Tag"; the known ones are tag, ts,`},
		"no name":              {string(formOf(t, tag, f("", "1"), pic)), `there is no parameter ""`},
		"file as another name": {string(formOf(t, tag, entry{name: "files[]", file: "a.jpg", data: []byte("x")})), `no parameter "files[]"`},
		"file first":           {string(formOf(t, pic, tag)), "put the tags and all other fields before the files"},
		"field after file":     {string(formOf(t, tag, pic, f("cam", "Box"))), "put the tags and all other fields before the files"},
		"tag after file":       {string(formOf(t, tag, pic, tag)), "put the tags and all other fields before the files"},
		"no tag":               {string(formOf(t, f("cam", "Box"))), "tag must name at least one tag"},
		"no file":              {string(formOf(t, tag)), "there is no file"},
		"no parts":             {"--" + boundary + "--\r\n", "tag must name at least one tag"},
		"empty":                {"", "broke off"},
		"another boundary":     {strings.ReplaceAll(whole, boundary, "yyyy"), "broke off"},
		"tag of letters":       {string(formOf(t, f("tag", "holidays"), pic)), "tag must be the number of one"},
		"tag zero":             {string(formOf(t, f("tag", "0"), pic)), "tag must be the number of one"},
		"tag beyond":           {string(formOf(t, f("tag", "99999999999999999999"), pic)), "tag must be the number of one"},
		"loc of letters":       {string(formOf(t, tag, f("loc", "home"), pic)), "loc must be the number of one"},
		"loc twice":            {string(formOf(t, tag, f("loc", "1"), f("loc", "2"), pic)), "loc may be given once"},
		"bad time":             {string(formOf(t, tag, f("ts", "yesterday"), pic)), "ts must be a date and time"},
		"camera too long":      {string(formOf(t, tag, f("cam", strings.Repeat("x", 33)), pic)), "cam may have at most 32 characters"},
		"watermark too long":   {string(formOf(t, tag, f("wmk", strings.Repeat("ä", 65)), pic)), "wmk may have at most 64 characters"},
		"not UTF-8":            {string(formOf(t, tag, f("cam", "\xff\xfe"), pic)), "cam is not text in UTF-8"},
		"a megabyte of field":  {string(formOf(t, tag, f("cam", strings.Repeat("x", 1<<20)), pic)), "cam is too long"},
		"a megabyte of header": {string(formOf(t, tag, entry{name: "cam", header: strings.Repeat("x", 1<<20)}, pic)), "broke off"},
		"a megabyte before":    {strings.Repeat("x\r\n", 1<<19) + whole, "broke off"},
		"cut in a field":       {whole[:60], "broke off"},
		"cut between":          {strings.TrimSuffix(whole, "--\r\n"), "broke off"},
		"1000 fields":          {string(formOf(t, append(fields(1000), pic)...)), "tag may be given 100 times"},
		"1000 empty fields":    {string(formOf(t, append(empties(1000), pic)...)), "a form may have 200 fields"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form, err := OpenForm(strings.NewReader(c.body), boundary)
			for err == nil {
				var part Part
				if part, err = form.Next(); err == nil {
					_, err = io.Copy(io.Discard, part.Data)
				}
			}
			wrong, ok := errors.AsType[gallery.InputError](err)
			if !ok || !strings.Contains(wrong.Message, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func fields(n int) []entry {
	out := make([]entry, n)
	for i := range out {
		out[i] = f("tag", strconv.Itoa(i+1))
	}
	return out
}

func empties(n int) []entry {
	out := make([]entry, n)
	for i := range out {
		out[i] = f("tag", "")
	}
	return out
}

// A header that never ends is not read for long: the library alone would take 10 MB.
func TestFormReadsLittle(t *testing.T) {
	t.Parallel()
	endless := &countingReader{ReadSeeker: bytes.NewReader([]byte("--" + boundary + "\r\nX: " + strings.Repeat("x", 5<<20)))}
	if _, err := OpenForm(endless, boundary); err == nil {
		t.Error("no error")
	}
	if endless.n > maxHeader {
		t.Errorf("read %d bytes", endless.n)
	}
}

func FuzzForm(f *testing.F) {
	pic := jpegOf(f, 8, 6, 0)
	f.Add(formOf(f, entry{name: "tag", value: "1"}, entry{name: "file", file: "a.jpg", data: pic}))
	f.Add(formOf(f, entry{name: "ts", value: "2026-05-31"}, entry{name: "tag", value: "1"}, entry{name: "file", data: []byte("x")}))
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := OpenForm(bytes.NewReader(body), boundary)
		for err == nil {
			var part Part
			if part, err = form.Next(); err == nil {
				_, err = io.Copy(io.Discard, part.Data)
			}
		}
		if _, ok := errors.AsType[gallery.InputError](err); !ok && !isEnd(err) {
			t.Errorf("got %v", err)
		}
	})
}
