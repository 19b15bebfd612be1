package answer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keepwatch/site/access"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

// Which part is away is told to whoever reads the log, and never what it said to
// whoever asked.
func TestAwayIsNamed(t *testing.T) {
	t.Parallel()
	hidden := errors.New("open /srv/originals: permission denied")
	for name, tt := range map[string]struct {
		err      error
		status   int
		log, not string
	}{
		"originals": {fmt.Errorf("keep: %w: %w", intake.ErrKeep, hidden), 503, "originals cannot be written", "database away"},
		"database":  {fmt.Errorf("%w: %w", access.ErrAway, hidden), 503, "database away", "originals"},
		"full":      {fmt.Errorf("%w: %w", originals.ErrFull, hidden), 507, "", "database away"},
		"unknown":   {hidden, 500, "request failed", "database away"},
	} {
		var log strings.Builder
		w := httptest.NewRecorder()
		Writer{Log: slog.New(slog.NewTextHandler(&log, nil))}.Fail(w, httptest.NewRequest(http.MethodPost, "/rest/upload", nil), tt.err)
		if w.Code != tt.status || strings.Contains(w.Body.String(), "srv") {
			t.Errorf("%s: %d %s, want %d without the path", name, w.Code, w.Body, tt.status)
		}
		if first, _, _ := strings.Cut(log.String(), " err="); !strings.Contains(first, tt.log) || strings.Contains(first, tt.not) {
			t.Errorf("%s: log %q, want %q in it and not %q", name, first, tt.log, tt.not)
		}
		if (tt.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", name, w.Header().Get("Retry-After"))
		}
	}
}
