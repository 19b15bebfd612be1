package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxSecretBytes bounds what is read for file:/path: a key or a password, not a disk.
const maxSecretBytes = 64 << 10

// hide keeps a text out of every message. What is shorter than four letters is
// no secret, and hiding it would garble every message.
func (d *decoder) hide(text, shown string) {
	if _, ok := d.hidden[text]; !ok && len(text) >= 4 {
		d.hidden[text] = shown
		d.scrubber = nil
	}
}

// scrub takes hidden texts out of a message, the longest first because one may
// be part of another.
func (d *decoder) scrub(msg string) string {
	if d.scrubber == nil { // one pass over the text, however many secrets there are
		longest := slices.SortedFunc(maps.Keys(d.hidden), func(a, b string) int {
			return cmp.Or(len(b)-len(a), strings.Compare(a, b))
		})
		pairs := make([]string, 0, 2*len(longest))
		for _, text := range longest {
			pairs = append(pairs, text, d.hidden[text])
		}
		d.scrubber = strings.NewReplacer(pairs...)
	}
	return d.scrubber.Replace(msg)
}

// expand puts the environment into a value as written: ${NAME} is a variable,
// $${ is a plain ${. A secret may be file:/path. It is false when there is no
// value to take: after a mistake, and when a block that may lack an account
// names a variable that is not set.
func (d *decoder) expand(raw, path string, isSecret bool) (string, bool) {
	var out strings.Builder
	for rest := raw; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			out.WriteString(rest)
			break
		}
		if plain, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(plain + "${")
			rest = after
			continue
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed || !isName(name) {
			d.fail(path, "${ must be followed by the name of a variable and } (write $${ for a plain ${)")
			return "", false
		}
		value := d.env[name]
		if value == "" {
			d.missing(name, path, raw == "${"+name+"}")
			return "", false
		}
		d.hide(value, "${"+name+"}")
		out.WriteString(before + value)
		rest = next
	}
	if file, ok := strings.CutPrefix(raw, "file:"); ok && isSecret {
		text, err := readSecret(strings.TrimPrefix(out.String(), "file:"))
		if err != nil {
			d.fail(path, "file:%s: %s", file, err)
		}
		return text, err == nil
	}
	return out.String(), true
}

// missing deals with a variable that is not set.
func (d *decoder) missing(name, path string, whole bool) {
	if whole && mayLackAccount(path) {
		d.unset[path] = name
		return
	}
	d.fail(path, "the environment variable %s is not set", name)
}

// mayLackAccount reports whether a value belongs to an account that somebody
// who tries Keepwatch for the first time does not have: then a variable that is
// not set means that the value is not set.
func mayLackAccount(path string) bool {
	if strings.Contains(path, "[") {
		return false // an element of a list cannot be left out
	}
	if within(path, "pagerduty") || within(path, "newrelic") {
		return true
	}
	parts := strings.Split(path, ".")
	return len(parts) > 3 && parts[0] == "people" && parts[2] == "pagerduty"
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// readSecret reads a secret from a file; the line end that editors leave is cut off.
func readSecret(path string) (string, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			err = pe.Err // the path is in the message already
		}
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.New("is not a plain file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	if len(b) > maxSecretBytes {
		return "", fmt.Errorf("is longer than %d bytes: that is no secret", maxSecretBytes)
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return "", errors.New("is empty")
	}
	return text, nil
}
