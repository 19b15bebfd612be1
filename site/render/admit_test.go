package render

import (
	"errors"
	"testing"
)

// Who may not cost work still gets what is ready.
func TestAdmit(t *testing.T) {
	t.Parallel()
	r, _ := newRenderer(t, Options{})
	stub(r, func(data []byte, _ int) ([]byte, error) { return data, nil })
	no, asked := errors.New("no"), 0
	p := picture("one")
	p.Admit = func() error { asked++; return no }
	if _, err := r.Get(t.Context(), p, 640, Signed); !errors.Is(err, no) {
		t.Errorf("refused: got %v", err)
	}
	if s := r.Stats(); s.Renders != 0 || s.Waiting != 0 {
		t.Errorf("a refused visitor cost %d renders", s.Renders)
	}
	rd, err := r.Get(t.Context(), picture("one"), 640, Signed)
	body(t, rd, err)
	rd, err = r.Get(t.Context(), p, 640, Signed)
	if got := body(t, rd, err); got != "one" || asked != 1 {
		t.Errorf("from the cache: %q, asked %d times", got, asked)
	}
}
