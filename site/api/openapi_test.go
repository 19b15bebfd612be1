package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"keepwatch/site/api"
)

// schema is the part of JSON Schema that openapi.yaml uses; anything else in the
// file makes the test fail.
type schema struct {
	Ref         string             `yaml:"$ref"`
	Description string             `yaml:"description"`
	Type        string             `yaml:"type"`
	Enum        []any              `yaml:"enum"`
	Required    []string           `yaml:"required"`
	Properties  map[string]*schema `yaml:"properties"`
	Additional  *bool              `yaml:"additionalProperties"`
	Items       *schema            `yaml:"items"`
	AnyOf       []*schema          `yaml:"anyOf"`
	Minimum     *float64           `yaml:"minimum"`
	Maximum     *float64           `yaml:"maximum"`
}

type content map[string]struct {
	Schema *schema `yaml:"schema"`
}

type response struct {
	Ref         string  `yaml:"$ref"`
	Description string  `yaml:"description"`
	Content     content `yaml:"content"`
}

type parameter struct {
	Ref         string  `yaml:"$ref"`
	Name        string  `yaml:"name"`
	In          string  `yaml:"in"`
	Required    bool    `yaml:"required"`
	Description string  `yaml:"description"`
	Schema      *schema `yaml:"schema"`
}

type operation struct {
	Summary     string              `yaml:"summary"`
	Description string              `yaml:"description"`
	Parameters  []parameter         `yaml:"parameters"`
	RequestBody *response           `yaml:"requestBody"`
	Responses   map[string]response `yaml:"responses"`
}

// spec is openapi.yaml.
type spec struct {
	OpenAPI    string                          `yaml:"openapi"`
	Info       map[string]string               `yaml:"info"`
	Servers    []map[string]string             `yaml:"servers"`
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Parameters    map[string]parameter `yaml:"parameters"`
		RequestBodies map[string]response  `yaml:"requestBodies"`
		Responses     map[string]response  `yaml:"responses"`
		Schemas       map[string]*schema   `yaml:"schemas"`
	} `yaml:"components"`
}

func loadSpec(tb testing.TB) *spec {
	tb.Helper()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	s := &spec{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(s); err != nil {
		tb.Fatal(err)
	}
	return s
}

// operation finds what describes a request.
func (s *spec) operation(r *http.Request) (operation, bool) {
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	best := ""
	for path := range s.Paths {
		if fits(path, r.URL.Path) && (best == "" || strings.Count(path, "{") < strings.Count(best, "{")) {
			best = path
		}
	}
	op, ok := s.Paths[best][method]
	return op, ok
}

// fits matches a path with its pattern; {rest} takes all that follows.
func fits(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "{rest}"); ok {
		return strings.HasPrefix(path, prefix)
	}
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	return len(want) == len(have) && !slices.ContainsFunc(want, func(w string) bool {
		i := slices.Index(want, w)
		return !strings.HasPrefix(w, "{") && w != have[i]
	})
}

// check holds an answer against the description: status, media type, every field.
func (s *spec) check(tb testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	tb.Helper()
	where := fmt.Sprintf("%s %s: %d", r.Method, r.URL.Path, w.Code)
	op, ok := s.operation(r)
	if !ok {
		tb.Errorf("%s is not described", where)
		return
	}
	answer, ok := op.Responses[strconv.Itoa(w.Code)]
	if !ok && w.Code >= 400 {
		answer, ok = op.Responses["default"]
	}
	if !ok {
		tb.Errorf("%s is a status that is not described", where)
		return
	}
	if name, ok := strings.CutPrefix(answer.Ref, "#/components/responses/"); ok {
		answer = s.Components.Responses[name]
	}
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	body, ok := answer.Content[kind]
	if !ok {
		tb.Errorf("%s: the media type %q is not described", where, kind)
		return
	}
	if !strings.HasSuffix(kind, "/json") || r.Method == http.MethodHead {
		return
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		tb.Errorf("%s: %v in %s", where, err, w.Body)
		return
	}
	if err := s.valid(body.Schema, value); err != nil {
		tb.Errorf("%s: %v\n%s", where, err, w.Body)
	}
}

// valid judges a value of JSON.
func (s *spec) valid(sc *schema, v any) error {
	if sc == nil {
		return nil
	}
	if sc.Ref != "" {
		name, _ := strings.CutPrefix(sc.Ref, "#/components/schemas/")
		to, ok := s.Components.Schemas[name]
		if !ok {
			return fmt.Errorf("there is no schema %q", sc.Ref)
		}
		return s.valid(to, v)
	}
	if len(sc.AnyOf) > 0 {
		return s.anyOf(sc.AnyOf, v)
	}
	if len(sc.Enum) > 0 && !slices.ContainsFunc(sc.Enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(v) }) {
		return fmt.Errorf("%v is none of %v", v, sc.Enum)
	}
	if !typed(sc.Type, v) {
		return fmt.Errorf("%v is no %s", v, sc.Type)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if err := s.valid(sc.Items, item); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case map[string]any:
		return s.object(sc, v)
	}
	return nil
}

func (s *spec) anyOf(options []*schema, v any) error {
	var why []string
	for _, o := range options {
		err := s.valid(o, v)
		if err == nil {
			return nil
		}
		why = append(why, err.Error())
	}
	return fmt.Errorf("none of the forms fits: %s", strings.Join(why, "; "))
}

func (s *spec) object(sc *schema, v map[string]any) error {
	for _, name := range sc.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for name, field := range v {
		of, ok := sc.Properties[name]
		if !ok && sc.Additional != nil && !*sc.Additional {
			return fmt.Errorf("%s is not described", name)
		}
		if err := s.valid(of, field); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func typed(kind string, v any) bool {
	switch kind {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "number":
		_, ok := v.(float64)
		return ok
	case "integer":
		n, ok := v.(float64)
		return ok && n == math.Trunc(n)
	}
	return false
}

// TestDescriptionKnowsEveryEndpoint holds openapi.yaml and the handlers against
// each other, both ways.
func TestDescriptionKnowsEveryEndpoint(t *testing.T) {
	t.Parallel()
	var described, served []string
	s := loadSpec(t)
	for path, methods := range s.Paths {
		for method, op := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
			if op.Summary == "" || len(op.Responses) == 0 {
				t.Errorf("%s %s lacks a summary or answers", method, path)
			}
			s.resolves(t, method+" "+path, op)
		}
	}
	for _, r := range (&api.API{}).Table() {
		served = append(served, r.Method+" "+strings.ReplaceAll(r.Path, "...}", "}"))
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("described (-) and served (+):\n%s", diff)
	}
}

// resolves checks that references lead somewhere and that the parameters of the
// path are described.
func (s *spec) resolves(t *testing.T, where string, op operation) {
	t.Helper()
	for status, r := range op.Responses {
		name, isRef := strings.CutPrefix(r.Ref, "#/components/responses/")
		if _, ok := s.Components.Responses[name]; isRef && !ok {
			t.Errorf("%s, %s: there is no %s", where, status, r.Ref)
		}
	}
	have := map[string]bool{}
	for _, p := range op.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = s.Components.Parameters[name]
		}
		have[p.Name] = true
	}
	for part := range strings.SplitSeq(where, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok && !have[strings.TrimSuffix(name, "}")] {
			t.Errorf("%s: {%s is not described", where, name)
		}
	}
}

// The checker itself must be able to say no.
func TestCheckerSaysNo(t *testing.T) {
	t.Parallel()
	s := loadSpec(t)
	good := map[string]any{"error": map[string]any{"code": "x", "message": "y"}}
	if err := s.valid(s.Components.Schemas["Error"], good); err != nil {
		t.Errorf("a right one: %v", err)
	}
	for name, bad := range map[string]any{
		"missing":  map[string]any{"error": map[string]any{"code": "x"}},
		"unknown":  map[string]any{"error": map[string]any{"code": "x", "message": "y", "sql": "z"}},
		"type":     map[string]any{"error": map[string]any{"code": 1.0, "message": "y"}},
		"no error": map[string]any{}, "list": []any{}, "null": nil,
	} {
		if s.valid(s.Components.Schemas["Error"], bad) == nil {
			t.Errorf("%s was found valid", name)
		}
	}
	if s.valid(&schema{Type: "string", Enum: []any{"a"}}, "b") == nil || s.valid(&schema{Type: "integer"}, 1.5) == nil {
		t.Error("enum or integer is not judged")
	}
}

// The fields of the batch edit and of its description are the same.
func TestEditIsDescribed(t *testing.T) {
	t.Parallel()
	props := loadSpec(t).Components.Schemas["Edit"].Properties
	for field := range reflect.TypeFor[api.EditV1]().Fields() {
		name := field.Tag.Get("json")
		if props[name] == nil {
			t.Errorf("%s is not described", name)
		}
		delete(props, name)
	}
	for name := range props {
		t.Errorf("%s is described and does not exist", name)
	}
}
