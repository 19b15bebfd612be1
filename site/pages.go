package site

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"keepwatch/site/render"
)

var (
	//go:embed assets/page.html
	pageSource string
	//go:embed assets/site.css
	style []byte
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

func (s *Site) serveStyle(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Length", strconv.Itoa(len(style)))
	_, _ = w.Write(style) // the visitor may have left
}

// home shows the code box, or the gallery to those who are logged in.
func (s *Site) home(w http.ResponseWriter, r *http.Request) {
	v, err := s.visitor(r)
	if err == nil && len(v.levels) > 0 {
		s.showGallery(w, r, v)
		return
	}
	s.door(w, r, err)
}

func (s *Site) showGallery(w http.ResponseWriter, r *http.Request, v visitor) {
	photos, err := s.gallery(r.Context(), v.readable())
	p, status := page{SignedIn: true}, http.StatusOK
	if err != nil {
		s.note(r, err)
		a := explain(err)
		p.Message, status = a.err.Error(), a.status
		setRetry(w, err, status)
	}
	for _, photo := range photos {
		p.Photos = append(p.Photos, cardOf(photo))
	}
	s.show(w, status, p)
}

// door shows the code box; err says why a login or a look did not work.
func (s *Site) door(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		s.show(w, http.StatusOK, page{})
		return
	}
	s.note(r, err)
	a := explain(err)
	setRetry(w, err, a.status)
	s.show(w, a.status, page{Message: a.err.Error()})
}

func cardOf(p Photo) card {
	const medium, large = 1280, 1920
	address := func(edge int) string {
		return "/img/" + strconv.Itoa(edge) + "/" + strconv.FormatInt(p.ID, 10) + ".jpg?v=" + version(p)
	}
	sw, sh := render.Fit(p.Width, p.Height, galleryEdge)
	mw, _ := render.Fit(p.Width, p.Height, medium)
	lw, _ := render.Fit(p.Width, p.Height, large)
	title := p.Title
	if title == "" {
		title = "Picture " + strconv.FormatInt(p.ID, 10)
	}
	return card{
		Title: title, Caption: p.Caption, Small: address(galleryEdge), Medium: address(medium), Large: address(large),
		SmallWidth: sw, MediumWidth: mw, LargeWidth: lw, Width: sw, Height: sh,
	}
}

func (s *Site) show(w http.ResponseWriter, status int, p page) {
	p.Style = s.style
	var out bytes.Buffer
	if err := s.page.Execute(&out, p); err != nil {
		s.log.Error("page not rendered", "err", err)
		http.Error(w, errServer.Error(), http.StatusInternalServerError)
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
func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	if _, err := s.redeem(w, r); err != nil {
		s.door(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	s.setTokens(w, nil)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

type tokenBody struct {
	Tags []tagBody `json:"tags"`
}

type tagBody struct {
	ID    int64  `json:"id"`
	Name  string `json:"tag"`
	Level Level  `json:"lvl"`
}

// token is the code login for programs, at the original site's address.
func (s *Site) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Cookie")
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, errForm)
		return
	}
	verbs := 0
	for _, verb := range []string{"rc", "new", "del"} {
		if r.Form.Has(verb) {
			verbs++
		}
	}
	switch {
	case verbs != 1:
		s.fail(w, r, errVerb)
	case !r.Form.Has("rc"):
		s.fail(w, r, errNotYet)
	default:
		g, err := s.redeem(w, r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.json(w, http.StatusOK, tokenBody{Tags: []tagBody{{ID: g.Tag.ID, Name: g.Tag.Name, Level: g.Level}}})
	}
}

// redeem turns the code in a form into a token and puts it into the cookie. A
// code that cannot be one counts as wrong like any other.
func (s *Site) redeem(w http.ResponseWriter, r *http.Request) (Grant, error) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		return Grant{}, errForm
	}
	now := time.Now()
	giveBack, wait := s.failures.try(clientAddr(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), s.trusted), now)
	if wait > 0 {
		return Grant{}, limitedError{wait: wait}
	}
	code := NormaliseCode(r.Form.Get("rc"))
	if code == "" {
		return Grant{}, ErrCode
	}
	secret := newSecret()
	g, err := s.redeemCode(r, code, secret, now)
	if err == nil {
		giveBack()
		s.setTokens(w, s.withToken(r, secret, now))
		return g, nil
	}
	if explain(err).status != http.StatusForbidden {
		giveBack() // our failure, not the visitor's
	}
	return Grant{}, err
}

// withToken returns the secrets of the request that still allow something, and
// the new one as the last.
func (s *Site) withToken(r *http.Request, secret string, now time.Time) []string {
	old, err := s.tokens(r)
	if err != nil {
		return []string{secret}
	}
	if grants, err := s.grantsOf(r.Context(), old); err == nil {
		old = slices.DeleteFunc(old, func(secret string) bool {
			return !slices.ContainsFunc(grants, func(g Grant) bool {
				return bytes.Equal(g.Token, hashSecret(secret)) && (g.Expires.IsZero() || now.Before(g.Expires))
			})
		})
	}
	if len(old) >= maxTokens {
		old = old[len(old)-maxTokens+1:]
	}
	return append(old, secret)
}
