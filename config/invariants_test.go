package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"keepwatch/docs"
	"keepwatch/probe"
)

// schemaNode is what the tests need of a JSON Schema.
type schemaNode struct {
	Type                 string                `json:"type"`
	Description          string                `json:"description"`
	Pattern              string                `json:"pattern"`
	Properties           map[string]schemaNode `json:"properties"`
	AdditionalProperties json.RawMessage       `json:"additionalProperties"`
	Items                *schemaNode           `json:"items"`
	AnyOf                []schemaNode          `json:"anyOf"`
	OneOf                []schemaNode          `json:"oneOf"`
	Required             []string              `json:"required"`
}

func schema(t *testing.T) schemaNode {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s schemaNode
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// extra is the schema of keys that are not named; nil when there must be none.
func (s schemaNode) extra(t *testing.T) *schemaNode {
	t.Helper()
	if text := string(s.AdditionalProperties); text == "" || text == "false" || text == "true" {
		return nil
	}
	var sub schemaNode
	if err := json.Unmarshal(s.AdditionalProperties, &sub); err != nil {
		t.Fatal(err)
	}
	return &sub
}

// paths lists every key of a schema as Keys does.
func (s schemaNode) paths(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(sub schemaNode, at string) {
		maps.Copy(all, sub.paths(t, at))
	}
	for key, sub := range s.Properties {
		all[join(path, key)] = sub.Description
		add(sub, join(path, key))
	}
	for _, sub := range s.AnyOf {
		add(sub, path)
	}
	if s.Items != nil {
		add(*s.Items, path+"[]")
	}
	if sub := s.extra(t); sub != nil {
		add(*sub, path+".<name>")
	}
	return all
}

// refuses says why a value does not fit a schema; "" when it does. It knows only
// the words that our schema uses.
func (s schemaNode) refuses(t *testing.T, v any, path string) string {
	t.Helper()
	if len(s.AnyOf) > 0 {
		var whys []string
		for _, sub := range s.AnyOf {
			why := sub.refuses(t, v, path)
			if why == "" {
				return ""
			}
			whys = append(whys, why)
		}
		return strings.Join(whys, " and ")
	}
	switch x := v.(type) {
	case map[string]any:
		return s.refusesBlock(t, x, path)
	case []any:
		if s.Type != "array" {
			return path + ": a list"
		}
		for i, item := range x {
			if why := s.Items.refuses(t, item, element(path, i)); why != "" {
				return why
			}
		}
	case string:
		if s.Type != "string" || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(x) {
			return fmt.Sprintf("%s: text %q", path, x)
		}
	case time.Time: // a date to yaml.v3, a text to editors and to us
		if s.Type != "string" {
			return path + ": a date"
		}
	case int:
		if s.Type != "integer" && s.Type != "number" {
			return path + ": an integer"
		}
	case bool:
		if s.Type != "boolean" {
			return path + ": a boolean"
		}
	case nil:
	default:
		return fmt.Sprintf("%s: a %T", path, v)
	}
	return ""
}

func (s schemaNode) refusesBlock(t *testing.T, block map[string]any, path string) string {
	t.Helper()
	if s.Type != "object" && len(s.Properties) == 0 {
		return path + ": a block"
	}
	for key, value := range block {
		sub, ok := s.Properties[key]
		if !ok {
			extra := s.extra(t)
			if extra == nil {
				return path + ": unknown key " + key
			}
			sub = *extra
		}
		if why := sub.refuses(t, value, join(path, key)); why != "" {
			return why
		}
	}
	missing := func(n schemaNode) bool {
		return slices.ContainsFunc(n.Required, func(key string) bool { _, ok := block[key]; return !ok })
	}
	fits := 0
	for _, one := range s.OneOf {
		if !missing(one) {
			fits++
		}
	}
	if missing(s) || len(s.OneOf) > 0 && fits != 1 {
		return path + ": a key is missing or too much"
	}
	return ""
}

func readYAML(t *testing.T, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestKeysDocsAndSchemaAgree(t *testing.T) {
	t.Parallel()
	var keys, inDocs []string
	for _, k := range Keys() {
		keys = append(keys, k.Path)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .* \\| .* \\| .* \\| .* \\|$").FindAllStringSubmatch(docs.Config, -1) {
		inDocs = append(inDocs, m[1])
	}
	inSchema := schema(t).paths(t, "")
	var paths []string
	for path, text := range inSchema {
		paths = append(paths, path)
		if len(text) < 10 {
			t.Errorf("schema: %s has no description", path)
		}
	}
	slices.Sort(keys)
	slices.Sort(inDocs)
	slices.Sort(paths)
	if diff := cmp.Diff(inDocs, keys); diff != "" {
		t.Errorf("docs/config.md does not list the keys of the types, run make generate (-docs +types):\n%s", diff)
	}
	if diff := cmp.Diff(paths, keys); diff != "" {
		t.Errorf("the schema does not list the keys of the types (-schema +types):\n%s", diff)
	}
	if len(keys) < 100 {
		t.Errorf("only %d keys: the walk is broken", len(keys))
	}
}

func TestSchemaFitsExampleAndRefusesMistakes(t *testing.T) {
	t.Parallel()
	s := schema(t)
	if why := s.refuses(t, readYAML(t, filepath.Join("..", "keepwatch.example.yaml")), ""); why != "" {
		t.Errorf("the schema refuses the example: %s", why)
	}
	for _, name := range []string{"unknown-keys", "types", "kinds", "no-version"} {
		if why := s.refuses(t, readYAML(t, filepath.Join("testdata", "mistakes", name+".yaml")), ""); why == "" {
			t.Errorf("the schema finds nothing wrong with %s.yaml", name)
		}
	}
}

// TestMenu demands an entry in the manual and an example for every kind, and
// that the example loads.
func TestMenu(t *testing.T) {
	t.Parallel()
	s := schema(t)
	secret := filepath.Join(t.TempDir(), "chat")
	if err := os.WriteFile(secret, []byte("Bearer abcdefgh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, k := range Keys() {
		if !k.Menu {
			continue
		}
		seen++
		name := k.Path[strings.LastIndex(k.Path, ".")+1:]
		if !strings.Contains(docs.Config, "\n## `"+k.Path+"`\n") {
			t.Errorf("docs/config.md has no section for %s", k.Path)
		}
		path := filepath.Join("testdata", "kinds", name+".yaml")
		example := readYAML(t, path)
		example["version"] = 1
		if example["checks"] == nil {
			example["checks"] = []any{map[string]any{"name": "a", "tcp": map[string]any{"address": "127.0.0.1:1"}}}
		}
		if why := s.refuses(t, example, ""); why != "" {
			t.Errorf("%s: the schema refuses it: %s", path, why)
		}
		data, err := yaml.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		data = []byte(strings.ReplaceAll(string(data), "/run/secrets/chat", secret))
		whole := filepath.Join(t.TempDir(), name+".yaml")
		if err := os.WriteFile(whole, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Load(Options{Path: whole, Environ: []string{
			"CHAT_WEBHOOK=https://chat.example.com/hook", "SMTP_PASSWORD=abcdefgh", "SLACK_WEBHOOK=https://chat.example.com/slack",
			"NTFY_TOPIC=a-secret-topic", "PAGERDUTY_SECOND_KEY=0123456789abcdef0123456789abcdef",
		}})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		used := f.Checks[0].Kinds
		if _, kind := used.Kind(); strings.HasPrefix(k.Path, "checks") && kind != name {
			t.Errorf("%s shows a check of kind %q", path, kind)
		}
		if strings.HasPrefix(k.Path, "fallback") && !slices.Equal(present(reflect.ValueOf(f.Fallback.Channels[0].Channels)), []string{name}) {
			t.Errorf("%s does not show a channel of kind %s", path, name)
		}
	}
	if want := reflect.TypeFor[Kinds]().NumField() + reflect.TypeFor[Channels]().NumField(); seen != want || seen < 8 {
		t.Errorf("saw %d entries of the menus, want %d", seen, want)
	}
}

func TestEveryKindIsAKind(t *testing.T) {
	t.Parallel()
	for _, f := range fieldsOf(reflect.TypeFor[Kinds]()) {
		if !f.typ.Implements(reflect.TypeFor[probe.Kind]()) {
			t.Errorf("%s is a %s, which is no probe.Kind", f.key, f.typ)
		}
	}
}

// TestEveryTypeDecodes holds that the decoder, the schema and the spec know a way
// with every type that a block uses: they panic for others.
func TestEveryTypeDecodes(t *testing.T) {
	t.Parallel()
	var visit func(typ reflect.Type, path string)
	visit = func(typ reflect.Type, path string) {
		if _, _, one := scalar(typ); one {
			canon{secret: strings.ToUpper, text: strings.ToUpper}.json(nil, reflect.New(typ).Elem())
			_ = parse(reflect.New(typ).Elem(), "x")
			return
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem(), path)
		case reflect.Map:
			if typ.Key().Kind() != reflect.String {
				t.Errorf("%s: keys of type %s", path, typ.Key())
			}
			visit(typ.Elem(), path)
		case reflect.Struct:
			fields := fieldsOf(typ)
			if len(fields) == 0 {
				t.Errorf("%s: %s has no keys and does not read itself", path, typ)
			}
			for _, f := range fields {
				visit(f.typ, join(path, f.key))
			}
		default:
			t.Errorf("%s: nobody knows how to decode a %s", path, typ)
		}
	}
	visit(reflect.TypeFor[File](), "")
}
