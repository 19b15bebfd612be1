package reports

import (
	"encoding/json"
	"fmt"
	"io"
)

// Format writes a report in one way. All formats print the same value, and equal
// values give equal bytes. Safe for concurrent use.
type Format interface {
	// Name is how people ask for it: "text", "json", "pdf".
	Name() string
	// Media is the media type, and Ext the ending of a file with its dot.
	Media() string
	Ext() string
	// Write writes the report; the error is the writer's, or that of a report whose zone is unknown here.
	Write(w io.Writer, r Report) error
}

// JSON is the format for programs; its fields are those of [Report].
type JSON struct{}

// Name returns "json".
func (JSON) Name() string { return "json" }

// Media returns JSON.
func (JSON) Media() string { return "application/json; charset=utf-8" }

// Ext returns ".json".
func (JSON) Ext() string { return ".json" }

// Write writes the report, indented, with a newline at the end.
func (JSON) Write(w io.Writer, r Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
