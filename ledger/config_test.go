package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfigValidates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keep time.Duration
		want []string
	}{
		{0, nil},
		{15 * day, nil},
		{400 * day, nil},
		{14 * day, []string{"keep_raw: 336 hours is out of range (15d to 400d)"}},
		{401 * day, []string{"keep_raw: 9624 hours is out of range (15d to 400d)"}},
		{20*day + time.Hour, []string{"keep_raw: 481 hours are not whole days: days are archived as a whole (write 35d)"}},
	} {
		cfg := Config{KeepRaw: c.keep}
		cfg.SetDefaults()
		var got []string
		cfg.Validate(func(path, msg string) { got = append(got, path+": "+msg) })
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", c.keep, diff)
		}
	}
	if cfg := (&Config{}); func() int { cfg.SetDefaults(); return cfg.KeepDays() }() != 35 {
		t.Errorf("the default is %d days, want 35", cfg.KeepDays())
	}
}
