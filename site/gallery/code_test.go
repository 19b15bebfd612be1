package gallery

import (
	"strings"
	"testing"
)

func TestNormaliseCode(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ABCD-EFGH": "ABCDEFGH", " abcd efgh ": "ABCDEFGH", "oil-OIL": "011011", "01234567": "01234567",
		"": "", "a;b": "", "ä": "", "a\x00b": "", strings.Repeat("a", 65): "", strings.Repeat("a-", 5000): "",
	} {
		if got := NormaliseCode(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		c := NewCode()
		if NormaliseCode(FormatCode(c)) != c || len(c) != 8 || seen[c] {
			t.Fatalf("code %q", c)
		}
		seen[c] = true
	}
}

func FuzzNormaliseCode(f *testing.F) {
	f.Add("ABCD-EFGH")
	f.Add("o0 iIl1")
	f.Fuzz(func(t *testing.T, in string) {
		out := NormaliseCode(in)
		if NormaliseCode(out) != out || len(out) > MaxCode {
			t.Errorf("%q became %q, and that becomes %q", in, out, NormaliseCode(out))
		}
	})
}
