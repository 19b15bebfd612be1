package postgres

import (
	"fmt"
	"strings"

	"keepwatch/site/gallery"
)

// nameKey is what is stored and looked up of a name.
func nameKey(name string) string { return gallery.Key(clean(name)) }

// part is a text of an object with its weight in searches, 'A' to 'D'; 0 has none.
type part struct {
	text   string
	weight byte
}

// maxLexemes of one text are searched; Postgres counts positions to 16383 only.
const maxLexemes = 2000

// vector writes texts as a tsvector literal. The words are those of
// [gallery.Words], letters and digits only, so nothing needs to be escaped.
func vector(parts ...part) string {
	var out strings.Builder
	at := 0
	for _, p := range parts {
		for _, w := range gallery.Words(p.text, maxLexemes) {
			at++
			if p.weight == 0 {
				fmt.Fprintf(&out, "'%s' ", w)
			} else {
				fmt.Fprintf(&out, "'%s':%d%c ", w, at, p.weight)
			}
		}
	}
	return out.String()
}

func photoWords(p gallery.Photo) string {
	return vector(part{p.Title, 'A'}, part{p.Caption, 'B'}, part{p.FileName, 'D'})
}
