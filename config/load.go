package config

import (
	"errors"

	"github.com/spf13/pflag"
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
var ErrNoFile = errors.New("no configuration file: there is neither keepwatch.yaml nor keepwatch.example.yaml here; name one with --config")

// Load finds, reads and checks the file. The error is [ErrNoFile], one of the
// operating system's (the file cannot be read) or [Problems]; in every case
// there is no File.
func Load(opts Options) (*File, error) { panic("not yet") }

// AddFlags adds the flags of the daemon's scalar settings to fs: --config,
// --data-dir, --database-url, --console-listen and --site-listen.
func AddFlags(fs *pflag.FlagSet) { panic("not yet") }
