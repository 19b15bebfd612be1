package gallery

import (
	"maps"
	"slices"
	"time"
)

// Visitor is what the tokens of a request allow: a level for each tag. The zero
// value may nothing. It is not changed after it was made, so it is safe for
// concurrent use.
type Visitor struct{ levels map[int64]Level }

// NewVisitor folds grants at an instant; expired ones allow nothing.
func NewVisitor(grants []Grant, now time.Time) Visitor {
	v := Visitor{levels: map[int64]Level{}}
	for _, g := range grants {
		if g.Expires.IsZero() || now.Before(g.Expires) {
			v.levels[g.Tag.ID] = max(v.levels[g.Tag.ID], g.Level)
		}
	}
	return v
}

// Known reports whether the visitor holds any valid token.
func (v Visitor) Known() bool { return len(v.levels) > 0 }

// Level returns the level on one tag.
func (v Visitor) Level(tag int64) Level { return v.levels[tag] }

// On returns the highest level over the tags of a photo.
func (v Visitor) On(tags []int64) Level {
	best := None
	for _, t := range tags {
		best = max(best, v.levels[t])
	}
	return best
}

// Readable returns the tags whose photos may be seen, ascending.
func (v Visitor) Readable() []int64 { return v.at(Read) }

// Writable returns the tags whose photos may be changed, ascending.
func (v Visitor) Writable() []int64 { return v.at(Write) }

func (v Visitor) at(least Level) []int64 {
	var out []int64
	for _, t := range slices.Sorted(maps.Keys(v.levels)) {
		if v.levels[t] >= least {
			out = append(out, t)
		}
	}
	return out
}
