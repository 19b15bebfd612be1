package config

import (
	"fmt"
	"reflect"
	"strings"
)

// A nested pointer printed with a verb that does not fit loses the methods that
// hide a secret (fmt's badVerb does so), so what holds pointers to blocks prints
// itself in one short way, whatever the verb.

// String says in one line what is configured.
func (f File) String() string {
	return fmt.Sprintf("configuration %s (%d checks, %d services, %d people)", f.Path, len(f.Checks), len(f.Services), len(f.People))
}

// Format writes String for every verb.
func (f File) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(f.String())) }

// MarshalText is String, for JSON and slog.
func (f File) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// String names the check and its kind.
func (k Check) String() string {
	return "check " + k.Name + " (" + strings.Join(present(reflect.ValueOf(k.Kinds)), ", ") + ")"
}

// Format writes String for every verb.
func (k Check) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(k.String())) }

// MarshalText is String, for JSON and slog.
func (k Check) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String names the channel and its kind.
func (c Channel) String() string {
	return "channel " + c.Name + " (" + strings.Join(present(reflect.ValueOf(c.Channels)), ", ") + ")"
}

// Format writes String for every verb.
func (c Channel) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(c.String())) }

// MarshalText is String, for JSON and slog.
func (c Channel) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
