// Package api answers programs: the endpoints of the original site at their old
// paths, and the pictures.
//
// It reads requests, asks the gallery's rules and writes answers; it keeps nothing.
package api

import (
	"net/http"

	"keepwatch/site/access"
	"keepwatch/site/answer"
	"keepwatch/site/originals"
	"keepwatch/site/render"
)

// formLimit is the largest body of a form that is read, in bytes.
const formLimit = 8 << 10

// API holds what the endpoints need. All fields must be set; safe for concurrent use.
type API struct {
	Gate      *access.Gate
	Render    *render.Renderer
	Originals originals.Store
	Writer    answer.Writer
}

// Routes adds the endpoints.
func (a *API) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /img/{rest...}", a.image)
	mux.HandleFunc("GET /i/{rest...}", a.image)
	mux.HandleFunc("POST /servlet/token", a.token)
}
