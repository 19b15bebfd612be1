package oncall

import (
	"slices"
	"time"
)

// mergeSteps bounds how many stretches are joined into one shift. Beyond it a
// shift is told shorter than it is: its answer is right, its far end is not the
// last. Twice a day for most of a year.
const mergeSteps = 600

// layered answers without overrides from the layers, with a stretch around t in
// which nothing changes.
func (r Rotation) layered(t time.Time) (answer, stretch) {
	var around stretch
	for _, l := range slices.Backward(r.layers) {
		person, s := l.at(t)
		around = around.within(s)
		if person != "" {
			return answer{person, FromRotation}, around
		}
	}
	return r.answerOf(-1), around
}

// layeredBase is base for a rotation of layers: neighbouring stretches with the
// same answer are joined.
func (r Rotation) layeredBase(t time.Time) (answer, time.Time, time.Time) {
	a, s := r.layered(t)
	from, to := s.from, s.to
	for range mergeSteps {
		if from.IsZero() {
			break
		}
		before, b := r.layered(from.Add(-time.Nanosecond))
		if before != a {
			break
		}
		from = b.from
	}
	for range mergeSteps {
		if to.IsZero() {
			break
		}
		after, b := r.layered(to)
		if after != a {
			break
		}
		to = b.to
	}
	return a, from, to
}
