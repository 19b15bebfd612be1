package postgres

import "github.com/jackc/pgx/v5/pgtype"

// oneOfFew scans a text of which many rows have the same: each is allocated once. NULL
// is "".
type oneOfFew struct {
	text  string
	known map[string]string
}

var _ pgtype.BytesScanner = (*oneOfFew)(nil)

// ScanBytes implements [pgtype.BytesScanner].
func (t *oneOfFew) ScanBytes(v []byte) error {
	text, ok := t.known[string(v)]
	if !ok {
		text = string(v)
		t.known[text] = text
	}
	t.text = text
	return nil
}
