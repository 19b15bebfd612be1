package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// step is one part of a JSON path: a key of an object or an index of an array.
type step struct {
	key   string
	index int
	isKey bool
}

// maxSteps bounds a path; deeper bodies than this are not looked into.
const maxSteps = 32

// parsePath reads a path such as "$.a.b[0].c", "a.b", or "$['odd.key'][2]".
func parsePath(path string) ([]step, error) {
	rest := strings.TrimPrefix(path, "$")
	if rest == path { // without $: the first key stands alone
		rest = "." + rest
		if strings.HasPrefix(path, "[") {
			rest = path
		}
	}
	var steps []step
	for rest != "" {
		var (
			s   step
			err error
		)
		if s, rest, err = nextStep(rest); err != nil {
			return nil, fmt.Errorf("%q is not a JSON path (%w): write one such as $.status or $.nodes[0].name", path, err)
		}
		if steps = append(steps, s); len(steps) > maxSteps {
			return nil, fmt.Errorf("a JSON path has at most %d parts", maxSteps)
		}
	}
	if path == "" {
		return nil, errors.New("a JSON path is missing: write one such as $.status")
	}
	return steps, nil
}

// nextStep cuts one part off the front of rest.
func nextStep(rest string) (step, string, error) {
	switch {
	case strings.HasPrefix(rest, "['"):
		key, after, ok := strings.Cut(rest[2:], "']")
		if !ok {
			return step{}, "", errors.New("['…'] is not closed")
		}
		return step{key: key, isKey: true}, after, nil
	case strings.HasPrefix(rest, "["):
		digits, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return step{}, "", errors.New("[…] is not closed")
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return step{}, "", errors.New("an index is a number from 0")
		}
		return step{index: int(n)}, after, nil
	case strings.HasPrefix(rest, "."):
		end := strings.IndexAny(rest[1:], ".[")
		if end < 0 {
			end = len(rest) - 1
		}
		key := rest[1 : end+1]
		if key == "" || strings.ContainsAny(key, "]'\"*") {
			return step{}, "", errors.New("a key is empty or has an odd sign in it")
		}
		return step{key: key, isKey: true}, rest[end+1:], nil
	}
	return step{}, "", errors.New("a dot or a bracket is missing")
}

// lookup follows a path into a JSON text and returns what stands there: the
// text of a string, or the compact JSON of anything else.
func lookup(body []byte, steps []step) (string, error) {
	raw := json.RawMessage(bytes.TrimSpace(body))
	for i, s := range steps {
		var ok bool
		if raw, ok = descend(raw, s); !ok {
			return "", fmt.Errorf("nothing stands there from part %d on", i+1)
		}
	}
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", errors.New("it is not a string of JSON")
		}
		return text, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", errors.New("it is not JSON")
	}
	return compact.String(), nil
}

// descend takes one step down; false when there is nothing.
func descend(raw json.RawMessage, s step) (json.RawMessage, bool) {
	if s.isKey {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return nil, false
		}
		next, ok := object[s.key]
		return next, ok
	}
	var array []json.RawMessage
	if json.Unmarshal(raw, &array) != nil || s.index >= len(array) {
		return nil, false
	}
	return array[s.index], true
}
