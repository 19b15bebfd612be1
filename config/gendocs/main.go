// Gendocs writes docs/config.md, the manual of the configuration file, from the
// comments on the Go fields that the file is decoded into. Run it in the root of
// the repository: go run ./config/gendocs.
//
// The manual is the only generated file. It is also embedded in the program,
// which takes the descriptions of `keepwatch schema` from it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"keepwatch/config"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

// run writes root/docs/config.md.
func run(root string) error {
	text, err := manual(root, config.Keys())
	if err != nil {
		return err
	}
	path := filepath.Join(root, "docs", "config.md")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a manual is for everybody
		return fmt.Errorf("write manual: %w", err)
	}
	return nil
}
