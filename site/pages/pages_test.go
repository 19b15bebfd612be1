package pages

import (
	"testing"

	"github.com/jba/templatecheck"
)

func TestPageFitsItsStruct(t *testing.T) {
	t.Parallel()
	tmpl, err := parsePage()
	if err != nil {
		t.Fatal(err)
	}
	if err := templatecheck.CheckHTML(tmpl, page{}); err != nil {
		t.Error(err)
	}
}
