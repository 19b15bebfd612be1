// Package pages is the front end: pages of HTML for people, with small scripts
// that make them nicer. Looking and logging in work without scripts; changes are
// sent by scripts to the same endpoints that programs use.
//
// It owns what people see: addresses of pages, words, templates, style and
// scripts. It decides nothing about access; [Album] and [Forms] do.
package pages

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"keepwatch/site/access"
	"keepwatch/site/answer"
	"keepwatch/site/gallery"
)

//go:embed html
var htmlFiles embed.FS

// policy is the content security policy of pages: everything from here, nothing
// inline, no text becomes markup or script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const (
	formLimit = 8 << 10         // largest body of a form that is read, in bytes
	answerIn  = 5 * time.Second // how long a page may wait for its data
)

// Parts are what the pages work with. All fields are needed.
type Parts struct {
	Gate  *access.Gate
	Album Album
	Forms Forms
	Log   *slog.Logger
}

// Pages holds what the pages need. Make it with [New]; safe for concurrent use.
type Pages struct {
	Parts

	templates map[string]*template.Template
	assets    assets
}

// New prepares the pages.
func New(parts Parts) (*Pages, error) {
	t, err := parseTemplates()
	if err != nil {
		return nil, err
	}
	a, err := loadAssets()
	if err != nil {
		return nil, err
	}
	return &Pages{Parts: parts, templates: t, assets: a}, nil
}

// views lists the pages by template, each with the type that it shows.
func views() map[string]any {
	return map[string]any{
		"door": doorPage{}, "thumbs": thumbsPage{}, "roll": rollPage{}, "photo": photoPage{}, "slides": slidesPage{},
		"edit": editPage{}, "batch": batchPage{}, "upload": uploadPage{}, "access": accessPage{}, "error": errorPage{},
	}
}

func parseTemplates() (map[string]*template.Template, error) {
	out := map[string]*template.Template{}
	for name := range views() {
		t, err := template.New("layout.html").Funcs(template.FuncMap{"entry": menuEntry}).
			ParseFS(htmlFiles, "html/layout.html", "html/parts.html", "html/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

// entry is one word of the menu.
type entry struct {
	Key, Name string
	Present   bool
}

func menuEntry(section, key, name string) entry { return entry{key, name, section == key} }

// Routes adds the pages.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /assets/{hash}/{name}", p.assets)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("POST /logout", p.logout)
	for pattern, show := range map[string]func(visit) error{
		"GET /{$}":          p.home,
		"GET /recent":       p.recent,
		"GET /months":       p.months,
		"GET /places":       p.places,
		"GET /people":       p.people,
		"GET /tags":         p.tags,
		"GET /day/{key}":    p.group(kindDay),
		"GET /month/{key}":  p.group(kindMonth),
		"GET /place/{key}":  p.group(kindPlace),
		"GET /person/{key}": p.group(kindPerson),
		"GET /tag/{key}":    p.group(kindTag),
		"GET /new":          p.group(kindNew),
		"GET /deleted":      p.group(kindDeleted),
		"GET /search":       p.search,
		"GET /photo/{id}":   p.photo,
		"GET /slides":       p.slides,
		"GET /edit":         p.editFirst,
		"GET /edit/{id}":    p.edit,
		"GET /batch":        p.batch,
		"GET /upload":       p.upload,
		"GET /access":       p.access,
	} {
		mux.HandleFunc(pattern, p.page(show))
	}
}

// visit is one request for a page by somebody who is logged in.
type visit struct {
	w   http.ResponseWriter
	r   *http.Request
	who gallery.Visitor
}

func (v visit) ctx() context.Context { return v.r.Context() }

// page lets in who is logged in, and shows the code box to everybody else; after
// the code they come to the page that they wanted.
func (p *Pages) page(show func(visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerIn)
		defer cancel()
		r = r.WithContext(ctx)
		who, err := p.Gate.Visitor(r)
		if err != nil || !who.Known() {
			p.door(w, r, err)
			return
		}
		v := visit{w: w, r: r, who: who}
		if err := show(v); err != nil {
			p.fail(v, err) //nolint:contextcheck // the context is that of the visit
		}
	}
}

// frame is what all pages share.
type frame struct {
	Assets    string // prefix of their addresses
	Title     string
	Section   string // entry of the menu that is shown as the present one
	Script    string // module of the page besides the common one, or ""
	SignedIn  bool
	MayUpload bool
	New       int64 // pictures that nobody has touched yet
	Query     string
}

func (p *Pages) frame(v visit, title, section string) frame {
	f := frame{
		Assets: p.assets.prefix, Title: title, Section: section, SignedIn: true, MayUpload: len(v.who.Writable()) > 0,
	}
	if f.MayUpload {
		yes := true
		n, err := p.Album.Count(v.ctx(), v.who, gallery.Filter{New: &yes})
		if err == nil { // else the page is worth more than the number
			f.New = n
		}
	}
	return f
}

// show writes a page.
func (p *Pages) show(w http.ResponseWriter, name string, status int, view any) {
	var out bytes.Buffer
	if err := p.templates[name].Execute(&out, view); err != nil {
		p.Log.Error("page not rendered", "page", name, "err", err)
		http.Error(w, answer.ErrServer.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Vary", "Cookie")
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the visitor may have left
}

// errorPage says what went wrong, inside the site.
type errorPage struct {
	frame

	Message string
	Status  int
	Retry   bool // it may work later
}

func (p *Pages) fail(v visit, err error) {
	if errors.Is(err, gallery.ErrNotFound) {
		err = gallery.ErrForbidden // what does not exist and what must not be seen are one
	}
	message, status := p.explain(v.w, v.r, err)
	page := errorPage{frame: p.frame(v, "That did not work", ""), Message: message, Status: status}
	switch status {
	case http.StatusForbidden, http.StatusNotFound: // alike: what exists is nobody's business
		page.Title, page.Status = "Nothing to see here", http.StatusForbidden
		page.Message = "There is no such page, or it is not shared with you. Somebody who shares it can give you a code."
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		page.Title, page.Retry = "One moment, please", true
	}
	p.show(v.w, "error", page.Status, page)
}

// explain says what an error means to a visitor, and logs what is ours.
func (p *Pages) explain(w http.ResponseWriter, r *http.Request, err error) (message string, status int) {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", access.ErrAway, err)
	}
	answer.Writer{Log: p.Log}.Note(r, err)
	a := answer.Explain(err)
	answer.SetRetry(w, err, a.Status)
	return sentence(a.Err.Error()), a.Status
}
