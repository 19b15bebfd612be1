package gallery

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Key is the form in which names of places and people are compared: one is the
// other when only case, spaces or the way of writing accents differ. It never
// asks the database's locale.
func Key(name string) string {
	return strings.ToLower(norm.NFC.String(strings.Join(strings.Fields(name), " ")))
}

// maxWord is how many characters of a word count.
const maxWord = 64

// Words are the words of a text in the form in which they are searched: lower
// case, without accents, each once, at most limit (0: all) of them.
func Words(text string, limit int) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
	var out []string
	seen := map[string]bool{}
	for _, w := range strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if rs := []rune(w); len(rs) > maxWord {
			w = string(rs[:maxWord])
		}
		if seen[w] {
			continue
		}
		if limit > 0 && len(out) == limit {
			break
		}
		seen[w] = true
		out = append(out, w)
	}
	return out
}
