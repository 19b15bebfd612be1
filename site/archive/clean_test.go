package archive_test

import (
	"testing"
	"time"

	"keepwatch/site/archive"
)

// clean runs a clean-up so long after now.
func (b *bundle) clean(t *testing.T, after time.Duration, change ...func(*archive.Clean)) (archive.CleanReport, error) {
	t.Helper()
	c := archive.Clean{Store: b.db, Originals: b.files}
	for _, f := range change {
		f(&c)
	}
	return c.Run(t.Context(), time.Now().Add(after).UTC())
}
