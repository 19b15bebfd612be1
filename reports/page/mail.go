package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"keepwatch/reports"
	"keepwatch/reports/chart"
	"keepwatch/reports/plain"
	"keepwatch/reports/sheet"
)

// Letter is a report as a mail, not yet addressed.
type Letter struct {
	Subject string
	Text    string // the plain twin, at most 80 columns
	HTML    string
	Images  []Image
	// ID is the same for the same report, so that a mail that is sent twice is shown
	// once; it has only letters, digits, dots and hyphens.
	ID   string
	Date time.Time
}

// Image is a picture inside a letter; the HTML names it as cid:CID.
type Image struct {
	CID string
	PNG []byte
}

// pictured is how many services of one letter have pictures: mail programs cut
// long mails off.
const pictured = 6

// Compose makes the mail of a report: the manager's page. address is where the whole
// report is, "" when it is nowhere.
func Compose(r reports.Report, address string) (Letter, error) {
	s, err := sheet.Of(r)
	if err != nil {
		return Letter{}, err
	}
	l := Letter{Subject: subject(s), ID: id(r), Date: r.MadeAt.UTC()}
	d := letter{Sheet: s, Subject: l.Subject}
	if strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://") {
		d.Address = template.URL(address) //nolint:gosec // the console's own address, from the configuration
	}
	if d.NoteHTML, err = note(s.Note); err != nil {
		return Letter{}, err
	}
	for i, v := range s.Services {
		m := mailed{Service: v, Colour: colour(v.Tone)}
		if i < pictured {
			if err := m.draw(&l, i); err != nil {
				return Letter{}, err
			}
		}
		d.Services = append(d.Services, m)
	}
	var html, text bytes.Buffer
	if err := execute(&html, "mail", d); err != nil {
		return Letter{}, err
	}
	if err := (plain.Text{Page: sheet.Manager}).Write(&text, r); err != nil {
		return Letter{}, err
	}
	if address != "" {
		fmt.Fprintf(&text, "\nThe whole report:\n%s\n", sheet.Clean(address))
	}
	l.HTML, l.Text = html.String(), text.String()
	return l, nil
}

// letter is what the template of a mail sees.
type letter struct {
	sheet.Sheet
	Services []mailed // in place of the sheet's
	Subject  string
	Address  template.URL
	NoteHTML template.HTML
}

// mailed is a service with its pictures.
type mailed struct {
	sheet.Service
	Colour                           template.CSS
	BarImage, WeeksImage, StripImage *picture
}

type picture struct {
	CID    string
	Alt    string
	Height int
}

func colour(t sheet.Tone) template.CSS {
	switch t {
	case sheet.ToneMet:
		return "#11734b"
	case sheet.ToneMissed:
		return "#b3261e"
	case sheet.ToneUnproven:
	}
	return "#55636f"
}

// draw adds the pictures of a service to the letter.
func (m *mailed) draw(l *Letter, i int) error {
	draw := func(name string, d chart.Drawing) (*picture, error) {
		var b bytes.Buffer
		if err := d.PNG(&b); err != nil {
			return nil, err
		}
		cid := name + strconv.Itoa(i+1) + "@keepwatch"
		l.Images = append(l.Images, Image{CID: cid, PNG: b.Bytes()})
		return &picture{CID: cid, Alt: d.Title + ". " + d.Desc, Height: d.H / 10}, nil
	}
	var err error
	if m.BarImage, err = draw("budget", m.Bar.Draw()); err != nil {
		return err
	}
	if len(m.Trend) > 1 {
		if m.WeeksImage, err = draw("weeks", m.Weeks.Draw()); err != nil {
			return err
		}
	}
	m.StripImage, err = draw("hours", m.Strip.Draw())
	return err
}

// subject says the verdicts: of few services each, of many how many of which.
func subject(s sheet.Sheet) string {
	var parts []string
	const few = 3
	if len(s.Services) <= few {
		for _, v := range s.Services {
			parts = append(parts, fmt.Sprintf("%s %s %s", sheet.Shorten(v.Name, 40), v.Verdict, v.Headline))
		}
	} else {
		for _, d := range []reports.Decision{reports.Missed, reports.NotProven, reports.Met} {
			n := 0
			for _, v := range s.Services {
				if v.Verdict == d {
					n++
				}
			}
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, d))
			}
		}
	}
	if len(parts) == 0 {
		parts = []string{"no services"}
	}
	title := s.Title
	if s.Revised {
		title += ", " + s.Revision
	}
	return title + ": " + strings.Join(parts, ", ")
}

// id is made of what names the report, and its hash.
func id(r reports.Report) string {
	sum := sha256.Sum256([]byte(r.Week + "\n" + r.Title + "\n" + r.Zone + "\n" + strconv.Itoa(r.Revision) + "\n" + r.Hash))
	return fmt.Sprintf("keepwatch-report-r%d-%s", r.Revision, hex.EncodeToString(sum[:10]))
}

// Mail is the format that writes the mail of a report as a file that mail programs
// open: with the plain twin and all pictures, addressed to nobody.
type Mail struct{}

// Name returns "mail".
func (Mail) Name() string { return "mail" }

// Media returns a mail.
func (Mail) Media() string { return "message/rfc822" }

// Ext returns ".eml".
func (Mail) Ext() string { return ".eml" }

// Write implements [reports.Format].
func (Mail) Write(w io.Writer, r reports.Report) error {
	l, err := Compose(r, "")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := l.mime(&b); err != nil {
		return fmt.Errorf("put the mail together: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// mime puts the letter together: the same letter always gives the same bytes.
func (l Letter) mime(b *bytes.Buffer) error {
	fmt.Fprintf(b, "Subject: %s\r\nDate: %s\r\nMessage-ID: <%s@keepwatch>\r\nAuto-Submitted: auto-generated\r\nX-Unsent: 1\r\nMIME-Version: 1.0\r\n",
		mime.QEncoding.Encode("utf-8", l.Subject), l.Date.Format(time.RFC1123Z), l.ID)
	both := multipart.NewWriter(b)
	related := &bytes.Buffer{}
	inner := multipart.NewWriter(related)
	if err := errors.Join(both.SetBoundary("kw-both-"+l.ID), inner.SetBoundary("kw-with-"+l.ID)); err != nil {
		return err
	}
	fmt.Fprintf(b, "Content-Type: multipart/alternative; boundary=%s\r\n\r\n", both.Boundary())
	if err := quoted(both, "text/plain; charset=utf-8", l.Text); err != nil {
		return err
	}
	if err := quoted(inner, "text/html; charset=utf-8", l.HTML); err != nil {
		return err
	}
	for _, img := range l.Images {
		part, err := inner.CreatePart(textproto.MIMEHeader{
			"Content-Type": {"image/png"}, "Content-Transfer-Encoding": {"base64"}, "Content-ID": {"<" + img.CID + ">"}, "Content-Disposition": {"inline"},
		})
		if err != nil {
			return err
		}
		if err := lines(part, base64.StdEncoding.EncodeToString(img.PNG)); err != nil {
			return err
		}
	}
	if err := inner.Close(); err != nil {
		return err
	}
	part, err := both.CreatePart(textproto.MIMEHeader{"Content-Type": {"multipart/related; boundary=" + inner.Boundary()}})
	if err != nil {
		return err
	}
	if _, err := part.Write(related.Bytes()); err != nil {
		return err
	}
	return both.Close()
}

func quoted(m *multipart.Writer, media, text string) error {
	part, err := m.CreatePart(textproto.MIMEHeader{"Content-Type": {media}, "Content-Transfer-Encoding": {"quoted-printable"}})
	if err != nil {
		return err
	}
	q := quotedprintable.NewWriter(part)
	if _, err := io.WriteString(q, text); err != nil {
		return err
	}
	return q.Close()
}

// lines writes a text in lines of 76 characters, as mail wants it.
func lines(w io.Writer, text string) error {
	const long = 76
	for len(text) > 0 {
		n := min(long, len(text))
		if _, err := io.WriteString(w, text[:n]+"\r\n"); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}
