// Package api answers programs: the endpoints of the original site at their old
// paths, the same under /api/v1 with tidy names, and the pictures.
//
// It reads requests, asks the desk and writes answers; it keeps nothing but the
// views that are not stored yet. The file openapi.yaml describes all of it.
package api

import (
	_ "embed" // openapi.yaml
	"errors"
	"net/http"
	"net/netip"

	"keepwatch/site/access"
	"keepwatch/site/answer"
	"keepwatch/site/desk"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

// Bounds of bodies, in bytes.
const (
	formLimit = 8 << 10  // forms of codes
	editLimit = 64 << 10 // a thousand photos and the longest texts
)

// API holds what the endpoints need. All fields but Views and Guard must be set; safe for
// concurrent use.
type API struct {
	Gate      *access.Gate
	Desk      *desk.Desk
	Render    *render.Renderer
	Originals originals.Store
	// Client says who sent a request, for the log of views.
	Client func(*http.Request) netip.Addr
	// Views takes the views of large pictures; nil keeps none.
	Views *Views
	// Guard limits what visitors may cost; nil limits nothing.
	Guard *guard.Guard
	// Writer writes answers in the original's media type.
	Writer answer.Writer
}

//go:embed openapi.yaml
var description []byte

// Route is one endpoint.
type Route struct {
	Method, Path string // as http.ServeMux writes them
	serve        http.HandlerFunc
}

// Routes adds the endpoints.
func (a *API) Routes(mux *http.ServeMux) {
	for _, r := range a.Table() {
		mux.HandleFunc(r.Method+" "+r.Path, r.serve)
	}
}

// Table lists all endpoints.
func (a *API) Table() []Route {
	return []Route{
		{http.MethodGet, "/img/{rest...}", a.image},
		{http.MethodGet, "/i/{rest...}", a.image},
		{http.MethodPost, "/servlet/token", a.door(a.Writer, a.token)},
		{http.MethodGet, "/servlet/browserest", a.original(a.browse)},
		{http.MethodGet, "/servlet/searchrest", a.original(a.searchIDs)},
		{http.MethodGet, "/rest/edit", a.original(a.editForm)},
		{http.MethodPost, "/rest/edit", a.original(a.edit)},
		{http.MethodPost, "/rest/upload", a.original(a.upload)},
		{http.MethodGet, "/rest/tag", a.original(a.tags)},
		{http.MethodPost, "/rest/tag/add", a.original(a.tagAdd)},
		{http.MethodPost, "/rest/tag/del", a.original(a.tagDel)},
		{http.MethodGet, "/rest/location", a.original(a.location)},
		{http.MethodGet, "/rest/suggest", a.original(a.suggest)},

		{http.MethodGet, "/api/v1/openapi.yaml", a.openapi},
		{http.MethodGet, "/api/v1/session", a.tidy(a.session)},
		{http.MethodPost, "/api/v1/session", a.door(a.tidyWriter(), a.login)},
		{http.MethodPost, "/api/v1/session/end", a.door(a.tidyWriter(), a.logout)},
		{http.MethodGet, "/api/v1/photos", a.tidy(a.photos)},
		{http.MethodPost, "/api/v1/photos", a.tidy(a.uploadTidy)},
		{http.MethodPost, "/api/v1/photos/edit", a.tidy(a.editMany)},
		{http.MethodGet, "/api/v1/photos/{id}", a.tidy(a.photo)},
		{http.MethodGet, "/api/v1/photos/{id}/hints", a.tidy(a.photoHints)},
		{http.MethodGet, "/api/v1/photos/{id}/image/{size}", a.imageTidy},
		{http.MethodGet, "/api/v1/search", a.tidy(a.search)},
		{http.MethodGet, "/api/v1/groups", a.tidy(a.groups)},
		{http.MethodGet, "/api/v1/people", a.tidy(a.people)},
		{http.MethodGet, "/api/v1/places", a.tidy(a.place)},
		{http.MethodGet, "/api/v1/places/{id}", a.tidy(a.place)},
		{http.MethodGet, "/api/v1/hints", a.tidy(a.photoHints)},
		{http.MethodGet, "/api/v1/tags", a.tidy(a.tagsTidy)},
		{http.MethodGet, "/api/v1/codes", a.tidy(a.codes)},
		{http.MethodPost, "/api/v1/codes", a.tidy(a.share)},
		{http.MethodPost, "/api/v1/codes/delete", a.tidy(a.unshare)},
	}
}

// request is one request and who sent it.
type request struct {
	*http.Request

	w http.ResponseWriter
	v gallery.Visitor
}

// operation answers a request with a body for JSON.
type operation func(request) (body any, err error)

// original answers as the original site did.
func (a *API) original(do operation) http.HandlerFunc { return a.answered(a.Writer, do, false) }

// tidy answers as /api/v1 promises.
func (a *API) tidy(do operation) http.HandlerFunc { return a.answered(a.tidyWriter(), do, false) }

// door answers also those whose cookie is beyond use: here they get a new one.
func (a *API) door(out answer.Writer, do operation) http.HandlerFunc {
	return a.answered(out, do, true)
}

func (a *API) tidyWriter() answer.Writer {
	return answer.Writer{Log: a.Writer.Log, Type: answer.Tidy, Refuse: a.Writer.Refuse}
}

func (a *API) answered(out answer.Writer, do operation, anyCookie bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Cookie")
		v, err := a.Gate.Visitor(r)
		if err != nil && (!anyCookie || !errors.Is(err, access.ErrTokens)) {
			out.Fail(w, r, err)
			return
		}
		body, err := do(request{r, w, v})
		if err != nil {
			out.Fail(w, r, err)
			return
		}
		out.JSON(w, http.StatusOK, body)
	}
}

// openapi serves the description of all endpoints.
func (a *API) openapi(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(description) // the visitor may have left
}

// form reads the parameters of a form, of the address and of the body.
func (r request) form(limit int64) error {
	r.Body = http.MaxBytesReader(r.w, r.Body, limit)
	err := r.ParseForm()
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return answer.ErrBody
	}
	if err != nil {
		return answer.ErrForm
	}
	return nil
}
