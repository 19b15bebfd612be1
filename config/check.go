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
	c.ownSites()
	c.services()
	c.accessLogs()
	c.people()
	c.rotations()
	c.escalations()
	c.fallback()
	c.duties()
	c.accounts()
	c.unused()
}

// report notes a mistake at a path, in the block about. It keeps silent about
// what could not be decoded: that has been said, and what follows from it is noise.
func (c *checker) report(at, about, format string, args ...any) {
	for p := at; ; p = parent(p) {
		if c.broken[p] {
			return
		}
		if p == "" {
			break
		}
	}
	c.add(finding{at: at, about: about, text: fmt.Sprintf(format, args...)})
}

// warn notes something that somebody should look at.
func (c *checker) warn(at, format string, args ...any) {
	c.add(finding{at: at, about: at, text: fmt.Sprintf(format, args...), warning: true})
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
		if o, ok := reflect.TypeAssert[interface {
			Validate(report func(path, msg string))
		}](v.Addr()); ok {
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
		c.report(join(path, "name"), path, "the name %s must be letters, digits, hyphens, dots and underscores, at most %d, a letter or digit first (try %q)", quote(name), maxNameLength, slug(name))
	case where[name] != "":
		c.report(join(path, "name"), path, "the name %q is taken by %s (give another)", name, where[name])
	default:
		where[name] = path
	}
}

// isSlug is [A-Za-z0-9][A-Za-z0-9._-]{0,62}. Names keep their case: Ada and ada are two people.
func isSlug(s string) bool {
	return s != "" && len(s) <= maxNameLength && !strings.ContainsRune("-._", rune(s[0])) && !strings.ContainsFunc(s, notInName)
}

func notInName(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	digit := '0' <= r && r <= '9'
	return !letter && !digit && !strings.ContainsRune("-._", r)
}

// slug makes a name that would be right out of one that is not.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		if notInName(r) {
			return '-'
		}
		return r
	}, s)
	s = strings.Trim(s, "-._")
	if s == "" {
		return "a-name"
	}
	return s[:min(len(s), maxNameLength)]
}

// pool is what a name may refer to.
type pool struct {
	what   string
	names  []string
	blocks []string // the blocks that declare them
}

// known checks that a name refers to something. When one of the declaring blocks
// could not be read nobody can tell, and nothing is said.
func (c *checker) known(path, name string, p pool) {
	if slices.Contains(p.names, name) || slices.ContainsFunc(p.blocks, func(b string) bool { return c.broken[b] }) {
		return
	}
	all := slices.Compact(slices.Sorted(slices.Values(p.names)))
	all = slices.DeleteFunc(all, func(s string) bool { return !isSlug(s) })
	hint := "there are: " + strings.Join(all, ", ")
	switch best := nearest(name, all); {
	case best != "":
		hint = fmt.Sprintf("did you mean %q?", best)
	case len(all) == 0:
		hint = "there are none"
	case len(all) > maxListed:
		hint = "there are: " + strings.Join(all[:maxListed], ", ") + " …"
	}
	c.report(path, path, "there is no %s %s (%s)", p.what, quote(name), hint)
}

// names checks a list of references: each exists and stands there once.
func (c *checker) names(path string, list []string, p pool) {
	if !c.has(path) {
		return // the default is right
	}
	seen := map[string]bool{}
	for i, name := range list {
		at := element(path, i)
		if seen[name] {
			c.report(at, at, "%s is listed twice (keep one)", quote(name))
			continue
		}
		seen[name] = true
		c.known(at, name, p)
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
