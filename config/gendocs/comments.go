package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// comments holds what is written above types and fields: "keepwatch/probe.HTTP"
// and "keepwatch/probe.HTTP.URL".
type comments struct {
	root string
	seen map[string]bool // packages that were read
	text map[string]string
}

// of returns the comment of a type, or of a field of it; "" is an error, for a
// key without a manual is a defect.
func (c *comments) of(pkg, name, field string) (string, error) {
	if !c.seen[pkg] {
		if err := c.read(pkg); err != nil {
			return "", err
		}
		c.seen[pkg] = true
	}
	id := pkg + "." + name
	if field != "" {
		id += "." + field
	}
	text := c.text[id]
	if text == "" {
		return "", fmt.Errorf("%s has no comment", id)
	}
	return text, nil
}

// read parses the files of a package of ours.
func (c *comments) read(pkg string) error {
	dir := filepath.Join(c.root, filepath.FromSlash(strings.TrimPrefix(pkg, "keepwatch/")))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read package %s: %w", pkg, err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse %s: %w", e.Name(), err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			c.declaration(pkg, n)
			return true
		})
	}
	return nil
}

// declaration keeps the comments of a type and its fields.
func (c *comments) declaration(pkg string, n ast.Node) {
	d, ok := n.(*ast.GenDecl)
	if !ok {
		return
	}
	for _, spec := range d.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		id := pkg + "." + t.Name.Name
		c.text[id] = flat(t.Doc)
		if c.text[id] == "" {
			c.text[id] = flat(d.Doc)
		}
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				c.text[id+"."+name.Name] = flat(f.Doc)
			}
		}
	}
}

// flat puts a comment on one line.
func flat(g *ast.CommentGroup) string {
	return strings.Join(strings.Fields(g.Text()), " ")
}
