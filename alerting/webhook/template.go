package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// maxFilled is the largest body a template may make, in bytes.
const maxFilled = 256 << 10

// parseBody reads a template; nil without an error when there is none.
func parseBody(text string) (*template.Template, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no template is the usual case
	}
	quote := func(v any) (string, error) {
		out, err := json.Marshal(v)
		return string(out), err
	}
	return template.New("body").Option("missingkey=zero").Funcs(template.FuncMap{"json": quote}).Parse(text)
}

// fill writes a page into a template.
func fill(t *template.Template, b Body) ([]byte, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, b); err != nil {
		return nil, fmt.Errorf("fill in the template: %w", err)
	}
	if out.Len() > maxFilled {
		return nil, errors.New("the filled template is too large")
	}
	return out.Bytes(), nil
}

// tryBody says what is wrong with a template before a page depends on it: it is
// filled with a sample whose texts need quoting.
func tryBody(text, contentType string) error {
	t, err := parseBody(text)
	if err != nil {
		return fmt.Errorf("is no template: %s", plain(err))
	}
	if t == nil {
		return nil
	}
	awkward := `"quoted", <b>, \ and a
line`
	for _, action := range []string{"trigger", "acknowledge", "resolve"} {
		out, err := fill(t, Body{
			Version: 1, ID: "i", Action: action, Incident: "kw-shop-1", Service: "shop", Person: "ada", Level: 1, Severity: "critical",
			Summary: awkward, Text: awkward, Since: time.Unix(0, 0).UTC(), Details: map[string]string{"note": awkward},
		})
		if err != nil {
			return fmt.Errorf("does not work: %s", plain(err))
		}
		if strings.Contains(contentType, "json") && !json.Valid(out) {
			return errors.New("does not make JSON when a text has quotation marks or lines (write {{json .Summary}} instead of \"{{.Summary}}\")")
		}
	}
	return nil
}

// plain is an error of a template without the words that only programmers know.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "template: ") }
