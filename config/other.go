package config

import (
	"reflect"
)

// Checked is a block that knows its defaults and its mistakes.
type Checked interface {
	SetDefaults()
	Validate(report func(path, msg string))
}

// LoadOther reads another YAML file than the configuration into v, a pointer to a
// struct, as strictly: unknown keys and wrong values are [Problems] with their places,
// all at once. further may add mistakes that v alone cannot know; nil adds none.
func LoadOther(path string, v Checked, further func(report func(path, msg string))) error {
	data, err := read(path)
	if err != nil {
		return err
	}
	root, err := parseYAML(path, data)
	if err != nil {
		return err
	}
	d := newDecoder(environment(nil), nil)
	d.decode(root, reflect.ValueOf(v).Elem(), "", 0)
	v.SetDefaults()
	c := &checker{decoder: d}
	report := func(at, msg string) { c.report(at, at, "%s", msg) }
	v.Validate(report)
	if further != nil {
		further(report)
	}
	var mistakes []Problem
	for _, one := range d.findings {
		mistakes = append(mistakes, d.problem(path, one))
	}
	if mistakes = inFileOrder(mistakes); len(mistakes) > 0 {
		return Problems(mistakes)
	}
	return nil
}
