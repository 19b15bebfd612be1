package reports_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"keepwatch/reports"
	"keepwatch/reports/sample"
)

var updateSchema = flag.Bool("update-schema", false, "write docs/report.schema.json anew")

// schema describes the JSON of a report as the types and their comments say.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{Anonymous: true, AllowAdditionalProperties: true}
	if err := r.AddGoComments("keepwatch/reports", "./", jsonschema.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&reports.Report{})
	for _, def := range s.Definitions {
		if p, ok := def.Properties.Get("mtta_s"); ok { // null when nobody acknowledged
			p.Type, p.OneOf = "", []*jsonschema.Schema{{Type: "integer"}, {Type: "null"}}
		}
	}
	s.ID = ""
	s.Title = "A report of Keepwatch"
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(body, '\n')
}

// TestSchemaIsPublished: docs/report.schema.json is what programs that read reports rely on.
func TestSchemaIsPublished(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "report.schema.json")
	got := schema(t)
	if *updateSchema {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("docs/report.schema.json is old: run go test ./reports -run Schema -update-schema, and raise reports.Schema if a field went away (-got +want):\n%s", diff)
	}
}

// node is what is used here of a schema.
type node struct {
	Ref        string          `json:"$ref"`
	Type       any             `json:"type"`
	Properties map[string]node `json:"properties"`
	Required   []string        `json:"required"`
	Items      *node           `json:"items"`
	OneOf      []node          `json:"oneOf"`
	Defs       map[string]node `json:"$defs"`
}

// fits reports every place where a value is not as the schema says: an unknown field
// or one that must be there and is not.
func (n node) fits(t *testing.T, defs map[string]node, path string, v any) {
	t.Helper()
	if n.Ref != "" {
		n = defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
	}
	switch v := v.(type) {
	case nil:
		if len(n.OneOf) == 0 {
			t.Errorf("%s is null", path)
		}
	case map[string]any:
		for name, value := range v {
			p, ok := n.Properties[name]
			if !ok {
				t.Errorf("%s.%s is not in the schema", path, name)
				continue
			}
			p.fits(t, defs, path+"."+name, value)
		}
		for _, name := range n.Required {
			if _, ok := v[name]; !ok {
				t.Errorf("%s has no %s", path, name)
			}
		}
	case []any:
		if n.Items == nil {
			t.Errorf("%s is a list, and none in the schema", path)
			return
		}
		for _, value := range v {
			n.Items.fits(t, defs, path+"[]", value)
		}
	}
}

func TestReportsFitTheSchema(t *testing.T) {
	t.Parallel()
	var root node
	if err := json.Unmarshal(schema(t), &root); err != nil {
		t.Fatal(err)
	}
	for _, s := range sample.All() {
		var b bytes.Buffer
		if err := (reports.JSON{}).Write(&b, s.Report); err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		root.fits(t, root.Defs, s.Name, v)
	}
}

// TestPromisedNames: the names that the issue promises, and no other spelling of them.
func TestPromisedNames(t *testing.T) {
	t.Parallel()
	var root node
	if err := json.Unmarshal(schema(t), &root); err != nil {
		t.Fatal(err)
	}
	for def, names := range map[string]string{
		"Report": "schema week zone from to revision services",
		"ServiceReport": "name objective_ppm good_ms bad_ms unknown_ms excluded_ms availability coverage availability_low availability_high " +
			"budget_ms spent_ms remaining_ms verdict outages incidents mtta_s pages",
		"Outage": "from to ms checks locations cause incident",
	} {
		for name := range strings.FieldsSeq(names) {
			if _, ok := root.Defs[def].Properties[name]; !ok {
				t.Errorf("%s has no field %s", def, name)
			}
		}
	}
}
