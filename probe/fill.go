package probe

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Values stand in texts by their names between double braces: "{{id}}". Four
// braces are two plain ones. Neither clashes with ${NAME}, the environment, which
// is put in when the file is read.
const (
	openBraces  = "{{"
	closeBraces = "}}"
)

// maxName bounds the name of a value.
const maxName = 40

// filler puts values into a text of the file; escape is applied to each value, nil
// leaves it as it is.
type filler func(text string, escape func(string) string) string

// place is a piece of plain text and the name of the value behind it, "" at the end.
type place struct{ text, name string }

// parseText cuts a text at its names.
func parseText(s string) ([]place, error) {
	var places []place
	var plain strings.Builder
	for {
		before, after, found := strings.Cut(s, openBraces)
		plain.WriteString(before)
		if !found {
			return append(places, place{text: plain.String()}), nil
		}
		if rest, ok := strings.CutPrefix(after, openBraces); ok {
			plain.WriteString(openBraces)
			s = rest
			continue
		}
		name, rest, closed := strings.Cut(after, closeBraces)
		name = strings.Trim(name, " ")
		if !closed {
			return nil, errors.New("{{ is not closed: write {{name}}, or {{{{ for a plain {{")
		}
		if !isValueName(name) {
			return nil, fmt.Errorf("{{%s}} is not a name: use letters, digits, dots and underscores, or write {{{{ for a plain {{", clip(name, maxName))
		}
		places = append(places, place{text: plain.String(), name: name})
		plain.Reset()
		s = rest
	}
}

// isValueName reports whether s is [A-Za-z_][A-Za-z0-9_.]*, at most 40 letters.
func isValueName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// namesIn lists the names in a text, in their order.
func namesIn(s string) ([]string, error) {
	places, err := parseText(s)
	var names []string
	for _, p := range places {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names, err
}

// hasNames reports whether a text may have names in it.
func hasNames(s string) bool { return strings.Contains(s, openBraces) }

// fillText puts values into a text. A text that cannot be read and a name without
// a value stand as they are: both were refused before the first run.
func fillText(s string, escape func(string) string, value func(name string) (string, bool)) string {
	if !hasNames(s) {
		return s
	}
	places, err := parseText(s)
	if err != nil {
		return s
	}
	var b strings.Builder
	for _, p := range places {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		v, ok := value(p.name)
		switch {
		case !ok:
			v = openBraces + p.name + closeBraces
		case escape != nil:
			v = escape(v)
		}
		b.WriteString(v)
	}
	return b.String()
}

// fillExpression puts values into an expression as plain text. Quoted they cannot
// make it invalid; should they, the expression as written matches what it can.
func fillExpression(re *regexp.Regexp, fill filler) *regexp.Regexp {
	filled, err := regexp.Compile(fill(re.String(), regexp.QuoteMeta))
	if err != nil {
		return re
	}
	return filled
}
