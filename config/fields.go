package config

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"keepwatch/probe"
	"keepwatch/reports"
)

// field is one key of a struct as the file knows it.
type field struct {
	key   string
	index []int        // for reflect.Value.FieldByIndex
	typ   reflect.Type // the field's own type
	owner reflect.Type // the struct that declares it, for its comment
	name  string       // its Go name there
}

// fieldsOf lists the keys of a struct in the order of its fields, those of
// inlined structs in their place.
func fieldsOf(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		sf := t.Field(i)
		key, opts, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if !sf.IsExported() || key == "-" {
			continue
		}
		if opts == "inline" {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				fs = append(fs, f)
			}
			continue
		}
		if key != "" {
			fs = append(fs, field{key, []int{i}, sf.Type, t, sf.Name})
		}
	}
	return fs
}

// scalar says that a type is written as one value, and how to call that in a
// message; example is a value that is right. ok is false for blocks, lists and
// everything that is not written as one value.
func scalar(t reflect.Type) (words, example string, ok bool) {
	switch t {
	case reflect.TypeFor[probe.Secret]():
		return "text", "${NAME}", true
	case reflect.TypeFor[time.Duration]():
		return "a duration", "30s", true
	case reflect.TypeFor[*time.Location](), reflect.TypeFor[time.Location]():
		return "a time zone", "Europe/Berlin", true
	case reflect.TypeFor[reports.Percent]():
		return "a percentage", "95%", true
	}
	if t.Kind() == reflect.Pointer {
		return scalar(t.Elem())
	}
	if isText(t) && t.Kind() != reflect.Struct {
		return "one value", "", true
	}
	switch t.Kind() { //nolint:exhaustive // every other kind is not written as one value
	case reflect.String:
		return "text", "", true
	case reflect.Bool:
		return "true or false", "", true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number", "2", true
	case reflect.Float32, reflect.Float64:
		return "a number", "0.5", true
	case reflect.Struct:
		return "one value", "", isText(t) && len(fieldsOf(t)) == 0
	}
	return "", "", false
}

// isText reports whether a type reads itself from text.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// walk calls visit for every struct below v that is present, the inner ones
// first, with its path. Values of maps are copied, visited and put back.
func walk(v reflect.Value, path string, visit func(v reflect.Value, path string)) {
	switch v.Kind() { //nolint:exhaustive // nothing hangs below the other kinds
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*time.Location]() {
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), element(path, i), visit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			copied := reflect.New(v.Type().Elem()).Elem()
			copied.Set(v.MapIndex(key))
			walk(copied, join(path, key.String()), visit)
			v.SetMapIndex(key, copied)
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			walk(v.FieldByIndex(f.index), join(path, f.key), visit)
		}
		visit(v, path)
	}
}
