package guard

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// pageData is what the page shows.
type pageData struct {
	Text string
	Form bool // whether a code can be entered
	// The task; "" when there is none.
	Seed   string
	Bits   int
	Answer string
}

func parsePage() (*template.Template, error) { return template.ParseFS(assets, "assets/page.html") }

// pagePolicy allows the page what it needs and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (g *Guard) page(w http.ResponseWriter, status int, data pageData) {
	var out bytes.Buffer
	if err := g.html.Execute(&out, data); err != nil { // cannot be: a test fills every field
		http.Error(w, data.Text, status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the visitor may have left
}

// own serves what the guard's own pages need.
func (g *Guard) own(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, ownPath)
	kinds := map[string]string{"solve.js": "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8"}
	switch {
	case r.URL.Path == answerPath:
		g.answer(w, r)
	case kinds[name] == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead):
		writeJSON(w, r, http.StatusNotFound, errorBody{Error: errorText{"not_found", "there is nothing at this address"}})
	default:
		body, err := assets.ReadFile("assets/" + name)
		if err != nil { // cannot be: it is embedded
			http.Error(w, "missing", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kinds[name])
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) //nolint:gosec // an embedded file; the visitor may have left
	}
}
