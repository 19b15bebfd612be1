// Package docs carries the manual of the configuration file into the program.
// config.md is generated from the comments on the Go fields, which a compiled
// program no longer has; `keepwatch schema` takes its descriptions from it.
package docs

import _ "embed"

// Config is docs/config.md.
//
//go:embed config.md
var Config string
