package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// The bounds of what is read and of what is said.
const (
	maxFileBytes = 4 << 20
	maxProblems  = 500
)

// Options say where the configuration comes from.
type Options struct {
	// Path is the file. Empty: the flag --config, KEEPWATCH_CONFIG, then
	// keepwatch.yaml, then keepwatch.example.yaml in Dir.
	Path string
	// Dir is where to look for a file when none is named. Empty: the working directory.
	Dir string
	// Environ is the environment as "NAME=value". Nil: the process's own.
	Environ []string
	// Flags may hold the flags of [AddFlags]; one that the user gave wins over
	// everything. Nil: no flags.
	Flags *pflag.FlagSet
}

// ErrNoFile means that no file was named and none was found.
var ErrNoFile = errors.New("no configuration file: there is neither keepwatch.yaml nor keepwatch.example.yaml here (name one with --config)")

// Load finds, reads and checks the file. The error is [ErrNoFile], one of the
// operating system's (the file cannot be read) or [Problems]; in every case
// there is no File.
func Load(opts Options) (*File, error) {
	env := environment(opts.Environ)
	v := layers(env, opts.Flags)
	path, err := find(v, opts)
	if err != nil {
		return nil, err
	}
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parseFile(path, data, newDecoder(env, overrides(v, env, opts.Flags)))
}

// read reads at most maxFileBytes.
func read(path string) ([]byte, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, Problems{{File: path, Text: fmt.Sprintf("is larger than %d MiB: that is no configuration", maxFileBytes>>20)}}
	}
	return data, nil
}

// parseFile decodes, sets defaults and checks, and sorts what is to be said.
func parseFile(path string, data []byte, d *decoder) (*File, error) {
	root, err := parseYAML(path, data)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path}
	d.decode(root, reflect.ValueOf(f).Elem(), "", 0)
	c := &checker{decoder: d, f: f}
	f.setDefaults(d)
	c.owners()
	c.all()

	var mistakes, warnings []Problem
	for _, one := range d.findings {
		if one.warning {
			warnings = append(warnings, d.problem(path, one))
		} else {
			mistakes = append(mistakes, d.problem(path, one))
		}
	}
	if mistakes = inFileOrder(mistakes); len(mistakes) > maxProblems {
		more := Problem{File: path, Text: fmt.Sprintf("and %d more mistakes", len(mistakes)-maxProblems+d.dropped)}
		mistakes = append(mistakes[:maxProblems:maxProblems], more)
	}
	if len(mistakes) > 0 {
		return nil, Problems(mistakes)
	}
	f.Warnings = inFileOrder(warnings)
	f.makeSpecs(d)
	return f, nil
}

// parseYAML parses one document with a block in it.
func parseYAML(path string, data []byte) (*yaml.Node, error) {
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) == 1 && doc.Content[0].Tag == "!!null":
		return nil, Problems{{File: path, Text: "is empty (it must at least say version: 1 and checks)"}}
	case err != nil:
		return nil, Problems{syntax(path, err)}
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, Problems{syntax(path, err)}
		}
		return nil, Problems{{File: path, Mark: Mark{second.Line, 1}, Text: "holds a second document (remove the line --- and what follows)"}}
	}
	return doc.Content[0], nil
}

// syntax makes a problem of an error of the YAML parser, which knows the line only.
func syntax(path string, err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: path, Text: "is not YAML: " + text}
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Col, p.Text = 1, "is not YAML: "+m[2]
	}
	return p
}

// problem places a finding and names its block.
func (d *decoder) problem(file string, one finding) Problem {
	p := Problem{File: file, Where: d.label(one.about), Text: d.scrub(one.text), Mark: one.mark}
	for at := one.at; p.Line == 0; at = parent(at) {
		if origin, ok := d.origins[at]; ok {
			p.File = origin
			break
		}
		p.Mark = d.marks[at]
		if at == "" {
			break
		}
	}
	p.Where = d.scrub(p.Where)
	return p
}

// label calls a block by its path, and an element of a list by its name too:
// `checks[1] "front-page": http.url`.
func (d *decoder) label(path string) string {
	for at := path; at != ""; at = parent(at) {
		if name := d.names[at]; name != "" {
			rest := strings.TrimPrefix(path[len(at):], ".")
			if rest != "" {
				rest = ": " + rest
			}
			return at + " " + quote(name) + rest
		}
	}
	return path
}
