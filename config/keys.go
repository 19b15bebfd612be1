package config

import (
	"reflect"
	"strings"
	"unicode"

	"keepwatch/probe"
)

// Key is one key of the file, for the manual, the schema and their tests.
type Key struct {
	// Path is where it stands: "checks[].http.url", "people.<name>.email".
	Path string
	// Type is what is written there, in words: "duration", "list of texts", "block".
	Type string
	// Package, Struct and Field say which Go field it is: its comment is the key's manual.
	Package, Struct, Field string
	// Block is the type of the block that hangs below: Package and Struct of
	// it; empty for values.
	BlockPackage, BlockStruct string
	// Menu marks the entries of kinds.go.
	Menu bool
}

// Keys lists every key that a file may have, in the order of the types.
func Keys() []Key {
	return keysOf(reflect.TypeFor[File](), "")
}

func keysOf(t reflect.Type, path string) []Key {
	var keys []Key
	for _, f := range fieldsOf(t) {
		k := Key{
			Path: join(path, f.key), Type: words(f.typ), Package: f.owner.PkgPath(), Struct: f.owner.Name(), Field: f.name,
			Menu: isMenu(f.owner),
		}
		below, suffix := block(f.typ)
		if below != nil {
			k.BlockPackage, k.BlockStruct = below.PkgPath(), below.Name()
		}
		keys = append(keys, k)
		if below != nil {
			keys = append(keys, keysOf(below, k.Path+suffix)...)
		}
	}
	return keys
}

// block finds the struct whose keys hang below a value of type t, and what the
// path to them needs more: "[]", ".<name>". It is nil for values.
func block(t reflect.Type) (below reflect.Type, suffix string) {
	if _, _, one := scalar(t); one {
		return nil, ""
	}
	switch t.Kind() { //nolint:exhaustive // nothing hangs below the other kinds
	case reflect.Pointer:
		return block(t.Elem())
	case reflect.Slice:
		below, suffix = block(t.Elem())
		return below, "[]" + suffix
	case reflect.Map:
		below, suffix = block(t.Elem())
		return below, ".<name>" + suffix
	case reflect.Struct:
		return t, ""
	}
	return nil, ""
}

// words says in words what is written for a type.
func words(t reflect.Type) string {
	if t.Kind() == reflect.Pointer && t.Elem().Kind() != reflect.Struct {
		return words(t.Elem())
	}
	if name, _, one := scalar(t); one {
		switch {
		case t == reflect.TypeFor[probe.Secret]():
			return "secret"
		case isText(t) && name == "one value":
			return spaced(t.Name())
		}
		return strings.TrimPrefix(name, "a ")
	}
	switch t.Kind() { //nolint:exhaustive // the rest are blocks
	case reflect.Slice:
		return "list of " + plural(words(t.Elem()))
	case reflect.Map:
		return "names with " + plural(words(t.Elem()))
	}
	return "block"
}

func plural(word string) string {
	if strings.HasSuffix(word, "s") || strings.HasSuffix(word, "x") {
		return word
	}
	return word + "s"
}

// spaced turns a Go name into words: StatusRange is "status range", TLSVersion "tls version".
func spaced(name string) string {
	var b strings.Builder
	for i, r := range name {
		begins := unicode.IsUpper(r) && i > 0 &&
			(!unicode.IsUpper(rune(name[i-1])) || i+1 < len(name) && !unicode.IsUpper(rune(name[i+1])))
		if begins {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
