package render

import (
	"sync"
	"time"
)

// space watches how much of the cache's disk is left to others.
type space struct {
	floor int64
	look  func() (int64, error) // bytes that are free now

	mu     sync.Mutex // guards all below
	looked time.Time
	free   int64 // as of the last look, less what was written since; -1 is not known
}

const lookEvery = time.Second

// room reports whether n bytes may be written, and counts them.
func (s *space) room(n int64, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update(now)
	if s.free < 0 {
		return true
	}
	if s.free-n < s.floor {
		return false
	}
	s.free -= n
	return true
}

// short returns how many bytes should go from the disk, 0 when there is room. It
// always looks. A little more than the floor is asked for, or each picture that
// goes would make room for one that is written.
func (s *space) short() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = time.Time{}
	s.update(time.Now())
	if s.free < 0 || s.free >= s.floor {
		return 0
	}
	return s.floor + s.floor/16 - s.free
}

// state returns what is free and whether that is too little.
func (s *space) state(now time.Time) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update(now)
	return s.free, s.free >= 0 && s.free < s.floor
}

func (s *space) update(now time.Time) {
	if age := now.Sub(s.looked); age >= 0 && age < lookEvery {
		return
	}
	s.looked = now
	free, err := s.look()
	if err != nil {
		free = -1 // a system that cannot say must still keep pictures; the size bounds it
	}
	s.free = free
}
