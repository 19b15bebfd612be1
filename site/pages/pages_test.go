package pages

import (
	"testing"

	"github.com/jba/templatecheck"
)

func TestPagesFitTheirStructs(t *testing.T) {
	t.Parallel()
	parsed, err := parseTemplates()
	if err != nil {
		t.Fatal(err)
	}
	for name, view := range views() {
		if err := templatecheck.CheckHTML(parsed[name], view); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
