package pages

import (
	"net/http"
	"strings"

	"keepwatch/site/answer"
)

const maxNext = 500 // characters of an address to return to

// doorPage is the code box on black.
type doorPage struct {
	frame

	Next    string // where to go afterwards
	Message string
	Wanted  bool // somebody asked for a page behind it
}

// door shows the code box; err says why a login or a look did not work.
func (p *Pages) door(w http.ResponseWriter, r *http.Request, err error) {
	page := doorPage{frame: frame{Assets: p.assets.prefix, Title: "Welcome"}}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		page.Next = safeNext(r.Form.Get("next"))
	} else if at := r.URL.RequestURI(); at != "/" && r.URL.Path != "/access" {
		page.Next, page.Wanted, status = safeNext(at), true, http.StatusForbidden
	}
	if err != nil {
		page.Message, status = p.explain(w, r, err)
	}
	p.show(w, "door", status, page)
}

// safeNext returns an address within the site, or "".
func safeNext(next string) string {
	if len(next) > maxNext || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return ""
	}
	return next
}

// login is the code box: on to the page that was wanted, or the box again.
func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		r.Form = nil
		p.door(w, r, answer.ErrForm)
		return
	}
	if _, err := p.Gate.Login(w, r, r.PostForm.Get("rc")); err != nil {
		p.refused(w, r, err) //nolint:contextcheck // the context is that of r
		return
	}
	next := safeNext(r.PostForm.Get("next"))
	if next == "" {
		next = "/"
	}
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // safeNext keeps it within the site
}

// refused shows the box that the code was typed into again: that of the access
// page to those who have a code already.
func (p *Pages) refused(w http.ResponseWriter, r *http.Request, err error) {
	who, lookErr := p.Gate.Visitor(r)
	if lookErr != nil || !who.Known() {
		p.door(w, r, err)
		return
	}
	v := visit{w: w, r: r, who: who}
	message, status := p.explain(w, r, err)
	if err := p.showAccess(v, status, message); err != nil {
		p.fail(v, err)
	}
}

func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	p.Gate.Logout(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
