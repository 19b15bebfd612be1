package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"keepwatch/docs"
	"keepwatch/probe"
	"keepwatch/reports"
)

// variable is how a schema recognises a value that comes from the environment.
const variable = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`

// Schema is the JSON Schema (draft 2020-12) of the file, for editors: made from
// the same Go types that decode it, with the descriptions of docs/config.md. It
// cannot know what only [Load] checks, such as whether a name exists.
func Schema() ([]byte, error) {
	comments := descriptions(docs.Config)
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, DoNotReference: true, Anonymous: true,
		Mapper:        mapScalar,
		LookupComment: func(t reflect.Type, field string) string { return comments[t.PkgPath()+"."+t.Name()+"."+field] },
	}
	s := r.Reflect(&File{})
	s.Title = "Keepwatch"
	s.Required = []string{"version", "checks"}
	s.PatternProperties = map[string]*jsonschema.Schema{"^x-": jsonschema.TrueSchema} // a place for anchors
	loosen(s)
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(out, '\n'), nil
}

// mapScalar gives the schema of what is written as one value; nil for all else.
func mapScalar(t reflect.Type) *jsonschema.Schema {
	if _, _, one := scalar(t); !one {
		return nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text := func(pattern, example string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: "^(" + pattern + ")$|" + variable, Examples: []any{example}}
	}
	switch t {
	case reflect.TypeFor[probe.Secret]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[time.Duration]():
		return text(`0|([0-9]+(\.[0-9]+)? *[a-zµ]+ *)+`, "30s")
	case reflect.TypeFor[time.Location]():
		return text(`UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+`, "Europe/Berlin")
	case reflect.TypeFor[reports.Percent]():
		return text(`[0-9]+(\.[0-9]+)? ?%`, "95%")
	}
	anyOf := func(kind string) *jsonschema.Schema {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: kind}, {Type: "string", Pattern: variable}}}
	}
	switch v := reflect.Zero(t); {
	case isText(t):
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	case t.Kind() == reflect.Bool:
		return anyOf("boolean")
	case v.CanInt(), v.CanUint():
		return anyOf("integer")
	case v.CanFloat():
		return anyOf("number")
	}
	return &jsonschema.Schema{Type: "string"}
}

// JSONSchemaExtend lets a location be a bare name too.
func (Location) JSONSchemaExtend(s *jsonschema.Schema) {
	block := *s
	*s = jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, &block}}
}

// JSONSchemaExtend asks for exactly one kind.
func (Check) JSONSchemaExtend(s *jsonschema.Schema) { oneEntry(s, reflect.TypeFor[Kinds]()) }

// JSONSchemaExtend asks for exactly one kind.
func (Channel) JSONSchemaExtend(s *jsonschema.Schema) { oneEntry(s, reflect.TypeFor[Channels]()) }

func oneEntry(s *jsonschema.Schema, menu reflect.Type) {
	s.Required = []string{"name"}
	for _, f := range fieldsOf(menu) {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{f.key}})
	}
}

// loosen lets a single value stand for a list of one, everywhere below s.
func loosen(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	for _, sub := range s.AnyOf {
		loosen(sub)
	}
	loosen(s.AdditionalProperties)
	loosen(s.Items)
	if s.Properties != nil {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			loosen(p.Value)
		}
	}
	if s.Type != "array" || s.Items == nil {
		return
	}
	one := s.Items.AnyOf
	if len(one) == 0 {
		one = []*jsonschema.Schema{s.Items}
	}
	list := &jsonschema.Schema{Type: "array", Items: s.Items}
	s.AnyOf = append([]*jsonschema.Schema{list}, slices.DeleteFunc(slices.Clone(one), isBlock)...) // a block is no list
	if hasNameAndValue(s.Items) {
		value := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Type: "object", AdditionalProperties: value})
	}
	s.Type, s.Items = "", nil
}

// hasNameAndValue is isNamed for schemas: names with values may stand for a list of such blocks.
func hasNameAndValue(s *jsonschema.Schema) bool {
	if s.Properties == nil || s.Properties.Len() != 2 {
		return false
	}
	_, name := s.Properties.Get("name")
	_, value := s.Properties.Get("value")
	return name && value
}

func isBlock(s *jsonschema.Schema) bool { return s.Type == "object" }

// descriptions reads the tables of the manual: "package.Struct.Field" -> text.
func descriptions(manual string) map[string]string {
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| (.*) \\| (.*) \\| (.*) \\|$")
	byPath := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(manual, -1) {
		text := m[3]
		if m[2] != "" {
			text += " Default: " + m[2] + "."
		}
		if m[4] != "" {
			text += " Example: " + strings.Trim(m[4], "`")
		}
		byPath[m[1]] = strings.NewReplacer(`\|`, "|", "&lt;", "<").Replace(text)
	}
	all := map[string]string{}
	for _, k := range Keys() {
		all[k.Package+"."+k.Struct+"."+k.Field] = byPath[k.Path]
	}
	return all
}
