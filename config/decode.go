package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"keepwatch/probe"
)

// The bounds of a file: a hundred times what ten thousand checks need to be
// nested, and ten times what they need in values. They stop the billion laughs.
const (
	maxDepth  = 64
	maxValues = 1_000_000
	// maxFindings is how many mistakes are remembered; only maxProblems of them are shown.
	maxFindings = 20_000
)

// finding is a mistake before it is known how its block is called.
type finding struct {
	at      string // path whose place is shown
	about   string // path of the block that is named
	text    string
	mark    Mark // wins over the place of at when set
	warning bool
}

// override is a value that a flag or the environment puts over the file's.
type override struct {
	value  string
	origin string // "--data-dir", "KEEPWATCH_DATA_DIR"
}

// decoder fills Go values from YAML nodes and remembers where each came from.
// yaml.v3's own strictness is lost below every custom UnmarshalYAML and ends at
// the first wrong type, so it only parses; this decodes.
type decoder struct {
	env       map[string]string
	overrides map[string]override

	findings []finding
	marks    map[string]Mark   // where each value stands
	names    map[string]string // "checks[1]" -> "front-page"
	origins  map[string]string // path -> flag or variable it came from
	broken   map[string]bool   // paths whose value could not be taken
	unset    map[string]string // path -> the variable that it names and that is not set
	hidden   map[string]string // texts that no message may show, and what is shown instead
	scrubber *strings.Replacer // made of hidden; nil when that has grown
	values   int
	inside   map[*yaml.Node]bool // what aliases that are being followed point to
	dropped  int                 // findings beyond maxFindings
	full     bool                // maxValues was reached and said
}

func newDecoder(env map[string]string, overrides map[string]override) *decoder {
	return &decoder{
		env: env, overrides: overrides, marks: map[string]Mark{}, names: map[string]string{},
		origins: map[string]string{}, inside: map[*yaml.Node]bool{},
		hidden: map[string]string{}, broken: map[string]bool{}, unset: map[string]string{},
	}
}

// add remembers a finding.
func (d *decoder) add(f finding) {
	if len(d.findings) >= maxFindings {
		d.dropped++
		return
	}
	d.findings = append(d.findings, f)
}

// fail notes a mistake in the value at path, which is thereby broken.
func (d *decoder) fail(path, format string, args ...any) {
	d.broken[path] = true
	d.add(finding{at: path, about: path, text: fmt.Sprintf(format, args...)})
}

// failKey notes a mistake in a key of the block at path.
func (d *decoder) failKey(path string, key *yaml.Node, format string, args ...any) {
	d.add(finding{at: path, about: path, text: fmt.Sprintf(format, args...), mark: Mark{key.Line, key.Column}})
}

// decode fills v, which must be settable, from n.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string, depth int) {
	d.marks[path] = Mark{n.Line, n.Column}
	n, ok := d.enter(n, path, depth)
	if !ok {
		return
	}
	if n.Tag == "!!null" {
		delete(d.marks, path) // a key without a value is the same as no key
		return
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		d.fail(path, "the tag %s means nothing here (leave it out)", n.Tag)
		return
	}
	if words, example, one := scalar(v.Type()); one {
		d.scalar(n, v, path, words, example)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	defer d.hold(n)()
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path, depth)
	case reflect.Map:
		d.mapping(n, v, path, depth)
	case reflect.Slice:
		d.list(n, v, path, depth)
	default: // no configuration type has another kind; TestEveryTypeDecodes holds that
		panic("config: no way to decode a " + v.Type().String())
	}
}

// enter follows an alias and counts, so that neither a ring of aliases nor
// aliases of aliases can go on for ever.
func (d *decoder) enter(n *yaml.Node, path string, depth int) (*yaml.Node, bool) {
	d.values++
	if d.values > maxValues {
		if !d.full {
			d.fail(path, "the file unfolds to more than %d values (use fewer aliases)", maxValues)
		}
		d.full = true
		return nil, false
	}
	if depth > maxDepth {
		d.fail(path, "is nested more than %d deep", maxDepth)
		return nil, false
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.inside[n] {
		d.fail(path, "is a part of itself (an alias must not stand inside what it names)")
		return nil, false
	}
	return n, n != nil
}

// hold marks a block or list as being decoded, until the returned function is called.
func (d *decoder) hold(n *yaml.Node) (release func()) {
	d.inside[n] = n.Kind != yaml.ScalarNode // a single value may stand for a list of itself
	return func() { delete(d.inside, n) }
}

// pair is one key of a block with its value.
type pair struct{ key, value *yaml.Node }

// pairs lists the keys of a block, those merged in with << after its own;
// a key that is there already is not merged.
func (d *decoder) pairs(n *yaml.Node, path string, depth int) []pair {
	var own, merged []pair
	seen := map[string]bool{}
	d.values += len(n.Content) / 2 // so that merging is counted too
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			d.failKey(path, n.Content[i], "a key must be one word, not a block or a list")
		case key.Tag == "!!merge":
			merged = append(merged, d.merge(value, path, depth+1)...)
		case seen[key.Value]:
			d.failKey(path, n.Content[i], "%s is given twice (keep one)", quote(key.Value))
		default:
			seen[key.Value] = true
			own = append(own, pair{key, value})
		}
	}
	for _, p := range merged {
		if !seen[p.key.Value] {
			seen[p.key.Value] = true
			own = append(own, p)
		}
	}
	return own
}

// merge lists the keys that the value of a << brings in.
func (d *decoder) merge(n *yaml.Node, path string, depth int) []pair {
	at := n
	n, ok := d.enter(n, path, depth)
	switch {
	case !ok:
		return nil
	case n.Kind == yaml.MappingNode:
		defer d.hold(n)()
		return d.pairs(n, path, depth)
	case n.Kind == yaml.SequenceNode:
		defer d.hold(n)()
		var all []pair
		for _, one := range n.Content {
			all = append(all, d.merge(one, path, depth+1)...)
		}
		return all
	}
	d.failKey(path, at, "<< merges a block, or a list of blocks, and nothing else")
	return nil
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind == yaml.ScalarNode && isText(v.Type()) {
		d.scalar(n, v, path, "a name", "")
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(path, "must be a block of keys, not %s", shape(n))
		return
	}
	fields := fieldsOf(v.Type())
	given := map[string]pair{}
	for _, p := range d.pairs(n, path, depth) {
		if slices.ContainsFunc(fields, func(f field) bool { return f.key == p.key.Value }) {
			given[p.key.Value] = p
		} else if path != "" || !strings.HasPrefix(p.key.Value, "x-") { // x-… at the top is a place for anchors
			d.unknown(path, p.key, fields)
		}
	}
	for _, f := range fields {
		d.member(given[f.key].value, v.FieldByIndex(f.index), join(path, f.key), depth+1)
		if f.key == "name" && strings.HasSuffix(path, "]") && d.marks[join(path, "name")].Line > 0 {
			d.names[path] = v.FieldByIndex(f.index).String()
		}
	}
}

// member decodes one key of a block: from a flag or the environment if they
// have it, else from the file; n is nil when the file does not have it.
func (d *decoder) member(n *yaml.Node, v reflect.Value, path string, depth int) {
	if o, ok := d.overrides[path]; ok {
		d.origins[path] = o.origin
		d.marks[path] = Mark{}
		d.take(v, path, o.value)
		return
	}
	if n == nil && v.Kind() == reflect.Struct {
		for p := range d.overrides {
			if p != path && within(p, path) {
				d.structure(&yaml.Node{Kind: yaml.MappingNode}, v, path, depth)
				return
			}
		}
	}
	if n != nil {
		d.decode(n, v, path, depth)
	}
}

// unknown reports a key that does not exist. The key that was probably meant is
// taken as given, so that nobody is also told that it is missing.
func (d *decoder) unknown(path string, key *yaml.Node, fields []field) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	best := nearest(key.Value, keys)
	if best == "" {
		d.failKey(path, key, "unknown key %s (there are: %s)", quote(key.Value), strings.Join(keys, ", "))
		return
	}
	d.failKey(path, key, "unknown key %s (did you mean %q?)", quote(key.Value), best)
	d.broken[join(path, best)] = true
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, "must be a block of names, not %s", shape(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range d.pairs(n, path, depth) {
		key, value := reflect.ValueOf(p.key.Value).Convert(v.Type().Key()), reflect.New(v.Type().Elem()).Elem()
		d.decode(p.value, value, join(path, p.key.Value), depth+1)
		v.SetMapIndex(key, value)
	}
}

// list decodes a list; a single value stands for a list of one, and names with
// values for a list of those.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	items := n.Content
	switch n.Kind { //nolint:exhaustive // aliases and documents do not come here
	case yaml.MappingNode:
		if isNamed(v.Type().Elem()) {
			d.named(d.pairs(n, path, depth), v, path, depth)
			return
		}
		d.fail(path, "must be a list, not a block (begin each element with \"- \")")
		return
	case yaml.ScalarNode:
		items = []*yaml.Node{n}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		d.decode(item, v.Index(i), element(path, i), depth+1)
	}
}

// isNamed reports whether a block is a name with a value and nothing else.
func isNamed(t reflect.Type) bool {
	fields := []string{}
	if t.Kind() == reflect.Struct {
		for _, f := range fieldsOf(t) {
			fields = append(fields, f.key)
		}
	}
	return slices.Equal(fields, []string{"name", "value"})
}

// named decodes names with values into a list of them, in the order of the file.
func (d *decoder) named(given []pair, v reflect.Value, path string, depth int) {
	v.Set(reflect.MakeSlice(v.Type(), len(given), len(given)))
	fields := fieldsOf(v.Type().Elem())
	for i, p := range given {
		at := element(path, i)
		d.marks[at] = Mark{p.key.Line, p.key.Column}
		d.decode(p.key, v.Index(i).FieldByIndex(fields[0].index), join(at, "name"), depth+1)
		d.decode(p.value, v.Index(i).FieldByIndex(fields[1].index), join(at, "value"), depth+1)
	}
}

// scalar takes a single value out of its node.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path, words, example string) {
	if n.Kind != yaml.ScalarNode {
		if example != "" {
			words += " like " + example
		}
		d.fail(path, "must be %s, not %s", words, shape(n))
		return
	}
	text, ok := d.expand(n.Value, path, v.Type() == reflect.TypeFor[probe.Secret]())
	if ok {
		d.take(v, path, text)
	}
}

// take sets v from text. What the message says of a value that came from the
// environment is scrubbed when it is made.
func (d *decoder) take(v reflect.Value, path, text string) {
	if err := parse(v, text); err != nil {
		d.fail(path, "%s", err)
	}
	if v.Type() == reflect.TypeFor[probe.Secret]() {
		d.hide(text, "REDACTED")
	}
}

// shape calls a node by what people see.
func shape(n *yaml.Node) string {
	switch n.Kind { //nolint:exhaustive // the others are scalars
	case yaml.MappingNode:
		return "a block"
	case yaml.SequenceNode:
		return "a list"
	}
	return quote(n.Value)
}

// quote shows a value from the file, shortened.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
