package page

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"keepwatch/reports"
	"keepwatch/reports/sample"
	"keepwatch/reports/sheet"
)

// named is the sample with a text in every place that comes from outside but the note.
func named(name string) reports.Report {
	r := sample.Met()
	r.Note, r.Title, r.Changes = "", name, []string{name}
	s := &r.Services[0]
	s.Name = "a" + name
	s.Outages = s.Outages[8:9:9]
	o := &s.Outages[0]
	o.Cause, o.Checks, o.Locations, o.AckBy, o.Incident, o.Note, o.Rule = "a"+name, []string{"a" + name, "b"}, []string{"a" + name}, "a"+name, "a"+name, "a"+name, "a"+name
	s.Gaps[0].Cause, s.Noise[0].Summary, s.CheckFacts[0].Name, s.Users[0].Source = "a"+name, name, name, name
	s.Trend[0].Week, r.People[0].Name = "2025-"+name, "a"+name
	return r
}

var tags = regexp.MustCompile(`<[^>]*>`)

// bones are the tags of a page in order, with what stands in their attributes left
// out: the same whatever names are.
func bones(body string) string {
	var b strings.Builder
	for _, tag := range tags.FindAllString(body, -1) {
		if i := strings.IndexAny(tag, " \n>"); i > 0 {
			tag = tag[:i]
		}
		b.WriteString(tag + " ")
	}
	return b.String()
}

func checkBones(t *testing.T, name string) {
	t.Helper()
	for _, f := range []reports.Format{HTML{}, letterHTML{}} {
		plain, hostile := string(written(t, f, named("plain"))), string(written(t, f, named(name)))
		if bones(plain) != bones(hostile) {
			t.Errorf("%s: %q changes the tags of the page", f.Name(), name)
		}
		if strings.Count(plain, `"`) != strings.Count(hostile, `"`) {
			t.Errorf("%s: %q changes the attributes of the page", f.Name(), name)
		}
	}
}

// letterHTML is the HTML of the mail.
type letterHTML struct{ HTML }

func (letterHTML) Write(w io.Writer, r reports.Report) error {
	l, err := Compose(r, "https://console.example/reports/x")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, l.HTML)
	return err
}

// hostile are texts that try to be more.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg onload=alert(1)>`, `--></style><b>`, `</title><script>`, `]]>`, `&lt;b&gt;`, `javascript:alert(1)`, "\x00<\u2028b>", `{{.}}`, `x" onload="y`, "a`b", "<!--",
}

func TestNamesAreNoMarkup(t *testing.T) {
	t.Parallel()
	for _, name := range hostile {
		checkBones(t, name)
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	f.Fuzz(checkBones)
}

func TestNoteIsSafe(t *testing.T) {
	t.Parallel()
	for in, bad := range map[string]string{
		"<script>alert(1)</script>":         "<script",
		"a <b onclick=x>b</b>":              "<b",
		"[x](javascript:alert(1))":          "javascript:",
		"![alt words](http://evil/p.png)":   "<img",
		"[x](data:text/html;base64,AAAA)":   "data:",
		"<iframe src=//evil></iframe>\n\nx": "<iframe",
	} {
		got, err := note(in)
		if err != nil || strings.Contains(string(got), bad) {
			t.Errorf("%q became %q, %v", in, got, err)
		}
	}
	if got, err := note("**b** [x](https://ok.example) ![words](p.png)"); err != nil || string(got) != "<p><strong>b</strong> <a href=\"https://ok.example\">x</a> words</p>\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTemplatesMatchTheirData(t *testing.T) {
	t.Parallel()
	all, err := templates()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]any{"report": document{}, "mail": letter{}, "list": listView{}} {
		if err := templatecheck.CheckHTML(all.Lookup(name), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// mailMost is what a mail of one service may weigh.
const mailMost = 60_000

func TestMail(t *testing.T) {
	t.Parallel()
	body := written(t, Mail{}, sample.Met())
	if len(body) > mailMost {
		t.Errorf("the mail has %d bytes, want at most %d", len(body), mailMost)
	}
	m, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Week 2025-W44, revision 2, final: fakeflickr MET 98.98 %" {
		t.Errorf("subject: %q, %v", subject, err)
	}
	parts := map[string]string{}
	read(t, m.Header.Get("Content-Type"), m.Body, parts)
	for line := range strings.SplitSeq(parts["text/plain"], "\n") {
		if n := sheet.Columns(strings.TrimRight(line, "\r")); n > 80 {
			t.Errorf("the plain twin has %d columns: %q", n, line)
		}
	}
	for _, cid := range []string{"budget1@keepwatch", "weeks1@keepwatch", "hours1@keepwatch"} {
		if !strings.Contains(parts["text/html"], `src="cid:`+cid+`"`) {
			t.Errorf("the page does not show %s", cid)
		}
		if img, err := png.Decode(strings.NewReader(parts["<"+cid+">"])); err != nil || img.Bounds().Dx() != 1120 {
			t.Errorf("%s is no picture of 1120 dots: %v", cid, err)
		}
	}
	if n := strings.Count(parts["text/html"], "<img"); n != 3 || strings.Count(parts["text/html"], ` alt="`) != 3 {
		t.Errorf("%d pictures, each with words", n)
	}
	for _, bad := range []string{"<script", "<style", "http://", "https://", "<svg"} {
		if strings.Contains(parts["text/html"], bad) {
			t.Errorf("the mail holds %q", bad)
		}
	}
}

// read collects the parts of a mail, by media type and by content ID.
func read(t *testing.T, media string, body io.Reader, into map[string]string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(media)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		t.Fatalf("%s is not in parts", kind)
	}
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextPart() // decodes quoted-printable
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "multipart/") {
			read(t, p.Header.Get("Content-Type"), p, into)
			continue
		}
		var src io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			src = base64.NewDecoder(base64.StdEncoding, p)
		}
		text, err := io.ReadAll(src)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		into[kind] = string(text)
		into[p.Header.Get("Content-ID")] = string(text)
	}
}

func TestSubjectsAndIDs(t *testing.T) {
	t.Parallel()
	compose := func(r reports.Report) Letter {
		l, err := Compose(r, "")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if got, want := compose(sample.Many(9)).Subject, "Week 2025-W44, revision 2, final: 3 MISSED, 3 NOT PROVEN, 3 MET"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := compose(sample.NotProven()).Subject, "Week 2025-W10: shop NOT PROVEN ≥ 85.71 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	one, again, other := sample.Met(), sample.Met(), sample.Met()
	other.Revision = 3
	if compose(one).ID != compose(again).ID || compose(one).ID == compose(other).ID {
		t.Error("the ID must be that of week and revision")
	}
	if got := compose(sample.Many(50)); len(got.Images) > 18 || len(got.HTML) > 200_000 {
		t.Errorf("%d pictures and %d bytes in the mail of 50 services", len(got.Images), len(got.HTML))
	}
}

// TestBrokenReports: a zone that is unknown here and a writer that breaks are errors, not pages.
func TestBrokenReports(t *testing.T) {
	t.Parallel()
	bad := sample.Met()
	bad.Zone = "Nowhere/Atlantis"
	for _, f := range []reports.Format{HTML{}, Mail{}} {
		if err := f.Write(io.Discard, bad); err == nil {
			t.Errorf("%s: no error of an unknown zone", f.Name())
		}
		if err := f.Write(broken{}, sample.Met()); err == nil {
			t.Errorf("%s: no error of a broken writer", f.Name())
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
