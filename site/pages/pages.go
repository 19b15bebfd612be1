// Package pages is the front end: pages of HTML for people, with small scripts
// that make them nicer. They work for looking and logging in without scripts.
package pages

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"keepwatch/site/access"
	"keepwatch/site/answer"
	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

var (
	//go:embed assets/page.html
	pageSource string
	//go:embed assets/site.css
	style []byte
)

const (
	galleryEdge  = 640
	galleryLimit = 200
)

// formLimit is the largest body of a form that is read.
const formLimit = 8 << 10

// page is what assets/page.html shows.
type page struct {
	Style    string
	SignedIn bool
	Message  string
	Photos   []card
}

// card is one picture of the gallery.
type card struct {
	Title, Caption                      string
	Small, Medium, Large                string // addresses
	SmallWidth, MediumWidth, LargeWidth int    // pixels
	Width, Height                       int    // the box that is kept free
}

func parsePage() (*template.Template, error) {
	t, err := template.New("page").Parse(pageSource)
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	return t, nil
}

// stylePath carries the hash of the style, so that browsers keep it for ever.
func stylePath() string {
	sum := sha256.Sum256(style)
	return "/assets/site." + hex.EncodeToString(sum[:4]) + ".css"
}

// Pages holds what the pages need. Make it with [New]; safe for concurrent use.
type Pages struct {
	gate  *access.Gate
	log   *slog.Logger
	page  *template.Template
	style string
}

// New prepares the pages.
func New(gate *access.Gate, log *slog.Logger) (*Pages, error) {
	t, err := parsePage()
	if err != nil {
		return nil, err
	}
	return &Pages{gate: gate, log: log, page: t, style: stylePath()}, nil
}

// Style is the address of the style sheet.
func (p *Pages) Style() string { return p.style }

// Routes adds the pages.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET "+p.style, p.serveStyle)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("POST /logout", p.logout)
}

func (p *Pages) serveStyle(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Length", strconv.Itoa(len(style)))
	_, _ = w.Write(style) // the visitor may have left
}

// home shows the code box, or the gallery to those who are logged in.
func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	v, err := p.gate.Visitor(r)
	if err == nil && v.Known() {
		p.showGallery(w, r, v)
		return
	}
	p.door(w, r, err)
}

func (p *Pages) showGallery(w http.ResponseWriter, r *http.Request, v gallery.Visitor) {
	photos, err := p.gate.Find(r.Context(), gallery.Filter{Tags: v.Readable(), Order: gallery.Newest, Limit: galleryLimit})
	view, status := page{SignedIn: true}, http.StatusOK
	if err != nil {
		view.Message, status = p.explain(w, r, err)
	}
	for _, photo := range photos {
		view.Photos = append(view.Photos, cardOf(photo))
	}
	p.show(w, status, view)
}

// door shows the code box; err says why a login or a look did not work.
func (p *Pages) door(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		p.show(w, http.StatusOK, page{})
		return
	}
	message, status := p.explain(w, r, err)
	p.show(w, status, page{Message: message})
}

func (p *Pages) explain(w http.ResponseWriter, r *http.Request, err error) (message string, status int) {
	answer.Writer{Log: p.log}.Note(r, err)
	a := answer.Explain(err)
	answer.SetRetry(w, err, a.Status)
	return a.Err.Error(), a.Status
}

func cardOf(p gallery.Photo) card {
	const medium, large = 1280, 1920
	sw, sh := picture.Size(p, galleryEdge)
	mw, _ := picture.Size(p, medium)
	lw, _ := picture.Size(p, large)
	title := p.Title
	if title == "" {
		title = "Picture " + strconv.FormatInt(p.ID, 10)
	}
	return card{
		Title: title, Caption: p.Caption,
		Small: picture.Address(p, galleryEdge), Medium: picture.Address(p, medium), Large: picture.Address(p, large),
		SmallWidth: sw, MediumWidth: mw, LargeWidth: lw, Width: sw, Height: sh,
	}
}

func (p *Pages) show(w http.ResponseWriter, status int, view page) {
	view.Style = p.style
	var out bytes.Buffer
	if err := p.page.Execute(&out, view); err != nil {
		p.log.Error("page not rendered", "err", err)
		http.Error(w, answer.ErrServer.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Vary", "Cookie")
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the visitor may have left
}

// login is the code box for browsers: back to the gallery, or the box again.
func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		p.door(w, r, answer.ErrForm)
		return
	}
	if _, err := p.gate.Login(w, r, r.Form.Get("rc")); err != nil {
		p.door(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	p.gate.Logout(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
