package probe

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Accuracy is how well a Runner kept its schedule; for benchmarks.
type Accuracy struct {
	Looks   int     // slots that were looked at in time
	Run     float64 // their share of all slots, 0 to 1
	LagP50  time.Duration
	LagP99  time.Duration
	Busiest float64 // starts in the busiest 100 ms against the asked rate
	// BytesPerCheck is the heap that a scheduled check takes between its looks.
	BytesPerCheck float64
}

// accuracySink notes what Accuracy needs of each result.
type accuracySink struct {
	mu     sync.Mutex // guards all below
	lags   []time.Duration
	starts map[int64]int // by window of the wall clock
	slots  int
}

const accuracyWindow = 100 * time.Millisecond

// Record implements [Sink].
func (s *accuracySink) Record(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots++
	if r.Outcome == Good {
		s.lags = append(s.lags, r.Lag)
		s.starts[r.Started.UnixNano()/int64(accuracyWindow)]++
	}
}

// MeasureSchedule runs n checks at one interval for a time of at least that
// interval and says how well the schedule was kept. It is exported for the
// whole-process benchmarks; checkers may be real ones.
func MeasureSchedule(ctx context.Context, n int, every, lasting time.Duration, checker Checker) (Accuracy, error) {
	sink := &accuracySink{starts: map[int64]int{}}
	r := &Runner{Sink: sink, Log: slog.New(slog.DiscardHandler)}
	checks := make([]Check, n)
	for i := range checks {
		checks[i] = Check{
			Name: fmt.Sprintf("check-%d", i), Kind: "bench", Every: every, Timeout: every / 2, Quorum: 1,
			Locations: []string{"here"}, Checker: checker,
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r.Apply(checks)
	runtime.GC()
	runtime.ReadMemStats(&after)
	ctx, cancel := context.WithTimeout(ctx, lasting)
	defer cancel()
	if err := r.Run(ctx); err != nil {
		return Accuracy{}, err
	}
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if len(sink.lags) == 0 {
		return Accuracy{}, fmt.Errorf("no look of %d slots was good", sink.slots)
	}
	slices.Sort(sink.lags)
	most := 0
	for _, count := range sink.starts {
		most = max(most, count)
	}
	looks := len(sink.lags)
	return Accuracy{
		Looks: looks, Run: float64(looks) / float64(sink.slots+int(r.Stats().Unsent)),
		LagP50: sink.lags[looks/2], LagP99: sink.lags[looks*99/100],
		Busiest:       float64(most) / (float64(n) * float64(accuracyWindow) / float64(every)),
		BytesPerCheck: (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n),
	}, nil
}
