package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"keepwatch/probe"
)

// canon writes a block as JSON: the file's own keys in the order of the menu,
// values as people write them, and nothing for what is zero, so that a key
// added by a later version does not make old blocks look changed.
type canon struct {
	secret func(string) string // what stands for a secret that is set
	text   func(string) string // what stands for a text
}

// public hides secrets, passwords in addresses, and what came from the environment.
func (d *decoder) public() canon {
	return canon{
		secret: func(string) string { return "REDACTED" },
		text: func(s string) string {
			s = d.scrub(s)
			if u, err := url.Parse(s); err == nil && u.User != nil {
				return u.Redacted()
			}
			return s
		},
	}
}

// private shows everything: for comparing in memory, never for keeping.
func private() canon {
	same := func(s string) string { return s }
	return canon{secret: same, text: same}
}

// json appends v to b.
func (c canon) json(b []byte, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return append(b, "null"...)
	}
	if _, _, one := scalar(v.Type()); one {
		return c.scalar(b, v)
	}
	switch v.Kind() { //nolint:exhaustive // no configuration type has another kind; TestEveryTypeDecodes holds that
	case reflect.Pointer:
		return c.json(b, v.Elem())
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			b = c.json(comma(b, i), v.Index(i))
		}
		return append(b, ']')
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		b = append(b, '{')
		for i, key := range keys {
			b = append(quoted(comma(b, i), key.String()), ':')
			b = c.json(b, v.MapIndex(key))
		}
		return append(b, '}')
	case reflect.Struct:
		b = append(b, '{')
		n := 0
		for _, f := range fieldsOf(v.Type()) {
			if member := v.FieldByIndex(f.index); !member.IsZero() {
				b = append(quoted(comma(b, n), f.key), ':')
				b = c.json(b, member)
				n++
			}
		}
		return append(b, '}')
	}
	panic("config: no way to write a " + v.Type().String())
}

func (c canon) scalar(b []byte, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		if zone, ok := reflect.TypeAssert[*time.Location](v); ok {
			return quoted(b, zone.String())
		}
		return c.scalar(b, v.Elem())
	}
	switch x := v.Interface().(type) {
	case probe.Secret:
		return quoted(b, c.secret(x.Reveal()))
	case fmt.Stringer:
		return quoted(b, c.text(x.String()))
	}
	switch {
	case v.Kind() == reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case v.CanInt():
		return strconv.AppendInt(b, v.Int(), 10)
	case v.CanUint():
		return strconv.AppendUint(b, v.Uint(), 10)
	case v.CanFloat():
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	}
	return quoted(b, c.text(v.String()))
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func quoted(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return append(b, q...)
}

// makeSpecs keeps the public forms of all checks, by name: what is looked at and how,
// without when and from where, which have columns of their own.
func (f *File) makeSpecs(d *decoder) {
	f.specs = make(map[string]string, len(f.Checks))
	for _, k := range f.Checks {
		b := fmt.Appendf(nil, `{"timeout":%q,"retries":%d`, k.Timeout, k.Retries)
		menu := reflect.ValueOf(k.Kinds)
		for _, field := range fieldsOf(menu.Type()) {
			if kind := menu.FieldByIndex(field.index); !kind.IsNil() {
				b = append(quoted(append(b, ','), field.key), ':')
				b = d.public().json(b, kind)
			}
		}
		f.specs[k.Name] = string(append(b, '}'))
	}
}
