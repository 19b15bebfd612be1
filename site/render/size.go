package render

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. As text it is a whole or decimal number and a
// unit: B, KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of
// 1000); a bare number is bytes. The zero value means not set.
type Size int64

// units from large to small, so that String takes the first that divides.
var units = []struct { //nolint:gochecknoglobals // a constant table
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// String returns the shortest exact form: "2GiB", "1500MB", "17B".
func (s Size) String() string {
	for _, u := range units {
		if n := int64(s); n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// MarshalText returns String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size as people write it. Letters' case does not matter.
func (s *Size) UnmarshalText(text []byte) error {
	in := strings.TrimSpace(string(text))
	number := strings.TrimRight(in, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(in[len(number):])
	factor := int64(0)
	for _, u := range units {
		if strings.EqualFold(unit, u.name) {
			factor = u.bytes
		}
	}
	if unit == "" {
		factor = 1
	}
	if factor == 0 {
		return fmt.Errorf("%q is no size: the unit is one of KiB, MiB, GiB, TiB, kB, MB, GB, TB (try 2GiB)", in)
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "eExX_+") || v < 0 || math.IsNaN(v) || v*float64(factor) >= math.MaxInt64 {
		return fmt.Errorf("%q is no size: write a number and a unit (try 2GiB)", in)
	}
	*s = Size(v * float64(factor))
	return nil
}
