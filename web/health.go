package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// livez says only that the process serves; it asks nothing of anybody.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// healthz prints every line of health, as JSON when asked, and answers 503 when one is red.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	lines := s.Source.Health(r.Context())
	worst, code := OK, http.StatusOK
	for _, l := range lines {
		if l.Level == Red {
			worst, code = Red, http.StatusServiceUnavailable
		} else if l.Level == Amber && worst == OK {
			worst = Amber
		}
	}
	s.writeHealth(w, r, code, string(worst), lines)
}

// readyz answers 503 while this process cannot do its work yet, or drains.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	lines := s.Source.Health(r.Context())
	code, word := http.StatusOK, "ready"
	for _, l := range lines {
		if l.NotReady {
			code, word = http.StatusServiceUnavailable, "not ready"
		}
	}
	if s.draining.Load() {
		code, word = http.StatusServiceUnavailable, "draining"
	}
	s.writeHealth(w, r, code, word, lines)
}

func (s *Server) writeHealth(w http.ResponseWriter, r *http.Request, code int, word string, lines []Line) {
	if strings.Contains(r.Header.Get("Accept"), "application/json") || r.URL.Query().Get("format") == "json" {
		s.writeJSON(w, r, code, struct {
			Status string `json:"status"`
			Lines  []Line `json:"lines"`
		}{word, lines})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, word)
	for _, l := range lines {
		fmt.Fprintf(w, "%-6s %-10s %s\n", l.Level, l.Name, l.Text)
	}
}

func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		s.Log.DebugContext(r.Context(), "write answer", "err", err)
	}
}
