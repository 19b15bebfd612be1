package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// checker looks at what one block alone cannot know: names, references, sums.
type checker struct {
	*decoder
	f *File
}

// all runs every check of this package.
func (c *checker) all() {
	c.top()
	c.locations()
	c.checks()
	c.services()
	c.people()
	c.rotations()
	c.escalations()
	c.fallback()
	c.accounts()
	c.unused()
}

// report notes a mistake at a path, in the block about. It keeps silent about
// what could not be decoded: that has been said, and what follows from it is noise.
func (c *checker) report(at, about, format string, args ...any) {
	for p := range c.broken {
		if within(at, p) {
			return
		}
	}
	c.findings = append(c.findings, finding{at: at, about: about, text: fmt.Sprintf(format, args...)})
}

// warn notes something that somebody should look at.
func (c *checker) warn(at, format string, args ...any) {
	c.findings = append(c.findings, finding{at: at, about: at, text: fmt.Sprintf(format, args...), warning: true})
}

// owners lets every block check itself. What lies inside such a block is its own affair.
func (c *checker) owners() {
	c.own(reflect.ValueOf(c.f).Elem(), "")
}

func (c *checker) own(v reflect.Value, path string) {
	switch v.Kind() { //nolint:exhaustive // nothing hangs below the other kinds
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*time.Location]() {
			c.own(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.own(v.Index(i), element(path, i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			copied := reflect.New(v.Type().Elem()).Elem()
			copied.Set(v.MapIndex(key))
			c.own(copied, join(path, key.String()))
		}
	case reflect.Struct:
		if o, ok := v.Addr().Interface().(interface {
			Validate(report func(path, msg string))
		}); ok {
			o.Validate(func(rel, msg string) { c.report(join(path, rel), join(path, rel), "%s", msg) })
			return
		}
		for _, f := range fieldsOf(v.Type()) {
			c.own(v.FieldByIndex(f.index), join(path, f.key))
		}
	}
}

// name checks a name and that no earlier one is the same; where says what each
// name so far belongs to.
func (c *checker) name(path, name string, where map[string]string) {
	switch {
	case name == "" && strings.HasSuffix(path, "]"):
		c.report(join(path, "name"), path, "a name is missing (write name: front-page)")
	case !isSlug(name):
		c.report(join(path, "name"), path, "the name %s must be small letters, digits and hyphens, at most %d, no hyphen first (try %q)", quote(name), maxNameLength, slug(name))
	case where[name] != "":
		c.report(join(path, "name"), path, "the name %q is taken by %s (give another)", name, where[name])
	default:
		where[name] = path
	}
}

// isSlug is [a-z0-9][a-z0-9-]{0,62}.
func isSlug(s string) bool {
	return s != "" && len(s) <= maxNameLength && s[0] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// slug makes a name that would be right out of one that is not.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s)
	s = strings.Trim(s, "-")
	if s == "" {
		return "a-name"
	}
	return s[:min(len(s), maxNameLength)]
}

// known checks that a name is one of those that exist.
func (c *checker) known(path, what, name string, all []string) {
	if slices.Contains(all, name) {
		return
	}
	hint := "there are: " + strings.Join(all, ", ")
	if best := nearest(name, all); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	} else if len(all) == 0 {
		hint = "there are none"
	} else if len(all) > 12 {
		hint = "there are: " + strings.Join(all[:12], ", ") + " …"
	}
	c.report(path, path, "there is no %s %s (%s)", what, quote(name), hint)
}

// names checks a list of references: each exists and stands there once.
func (c *checker) names(path, what string, list, all []string) {
	for i, name := range list {
		at := element(path, i)
		c.known(at, what, name, all)
		if slices.Contains(list[:i], name) {
			c.report(at, at, "%s is listed twice (keep one)", quote(name))
		}
	}
}

// between checks a number.
func (c *checker) between(item, key string, n, low, high int) {
	if n < low || n > high {
		c.report(join(item, key), item, "%s %d is out of range (%d to %d)", key, n, low, high)
	}
}

// one checks that exactly one entry of a menu is filled in.
func (c *checker) one(path, what string, menu reflect.Value) {
	var all []string
	for _, f := range fieldsOf(menu.Type()) {
		all = append(all, f.key)
		if c.broken[join(path, f.key)] {
			return
		}
	}
	switch keys := present(menu); {
	case len(keys) == 0:
		c.report(path, path, "has no kind of %s (add one of: %s)", what, strings.Join(all, ", "))
	case len(keys) > 1:
		c.report(join(path, keys[1]), path, "%s in one %s (make one %s of each)", strings.Join(keys, " and "), what, what)
	}
}
