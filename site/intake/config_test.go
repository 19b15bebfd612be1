package intake

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	var c Config
	c.SetDefaults()
	if diff := cmp.Diff(Config{Dir: "./data/uploads", MaxBytes: 512 << 20, AtOnce: 8}, c); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		cfg  Config
		want []string
	}{
		"defaults":  {c, nil},
		"smallest":  {Config{MaxBytes: 1 << 20, AtOnce: 1}, nil},
		"largest":   {Config{MaxBytes: 4 << 30, AtOnce: 256}, nil},
		"too small": {Config{MaxBytes: 1<<20 - 1, AtOnce: -1}, []string{"max_bytes", "at_once"}},
		"too large": {Config{MaxBytes: 4<<30 + 1, AtOnce: 257}, []string{"max_bytes", "at_once"}},
	} {
		var got []string
		c.cfg.Validate(func(path, _ string) { got = append(got, path) })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
