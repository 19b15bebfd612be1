package fakepd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Step is one line of a schedule: what changes at a moment, counted from the start of
// the schedule.
type Step struct {
	// At is when. At most 24h.
	At Duration `json:"at"`
	// For ends the fault after so long; 0 leaves it on.
	For Duration `json:"for,omitempty"`
	// Fault is switched on.
	Fault *Fault `json:"fault,omitempty"`
	// Clear switches everything off first, also what was on before the schedule.
	Clear bool `json:"clear,omitempty"`
	// Account replaces the account, so that somebody goes off duty or a service into maintenance.
	Account *Account `json:"account,omitempty"`
}

const (
	maxSteps    = 200
	maxSchedule = Duration(24 * time.Hour)
)

// ParseSchedule reads a schedule: a JSON list of steps. Errors name the step, from 1.
func ParseSchedule(raw []byte) ([]Step, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var steps []Step
	if err := d.Decode(&steps); err != nil {
		return nil, fmt.Errorf("a schedule is a JSON list of steps like {\"at\": \"10s\", \"for\": \"1m\", \"fault\": {\"status\": 503}}: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the schedule")
	}
	return steps, checkSteps(steps)
}

func checkSteps(steps []Step) error {
	if len(steps) == 0 || len(steps) > maxSteps {
		return fmt.Errorf("a schedule has 1 to %d steps", maxSteps)
	}
	for i, st := range steps {
		var err error
		switch {
		case st.At < 0 || st.At > maxSchedule || st.For < 0 || st.For > maxSchedule:
			err = errors.New("at and for are 0s to 24h")
		case st.Fault == nil && st.For != 0:
			err = errors.New("for belongs to a fault")
		case st.Fault == nil && st.Account == nil && !st.Clear:
			err = errors.New("the step does nothing: give fault, account or clear")
		case st.Fault != nil:
			err = st.Fault.check()
		}
		if err == nil && st.Account != nil {
			err = st.Account.Check()
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// Schedule begins a schedule now; several may run. It returns at once.
func (s *Server) Schedule(steps []Step) error {
	if err := checkSteps(steps); err != nil {
		return err
	}
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.add(Line{At: time.Now().UTC(), Kind: kindFault, Note: fmt.Sprintf("a schedule of %d steps begins", len(steps))})
	for _, st := range steps {
		s.wait(time.Duration(st.At), func(now time.Time) { s.turn(st, now) })
	}
	return nil
}

// turn does one step; the mutex is held.
func (s *Server) turn(st Step, now time.Time) {
	if st.Clear {
		s.faults.list = nil
		s.journal.add(Line{At: now, Kind: kindFault, Note: "all off, by the schedule"})
	}
	if st.Account != nil {
		s.account = st.Account.clone()
		s.journal.add(Line{At: now, Kind: kindFault, Note: "another account, by the schedule"})
	}
	if st.Fault == nil {
		return
	}
	on := *st.Fault
	if len(s.faults.list) >= maxFaults {
		s.journal.add(Line{At: now, Kind: kindFault, Note: errFaults.Error()})
		return
	}
	f := &on
	s.faults.list = append(s.faults.list, f)
	s.journal.add(Line{At: now, Kind: kindFault, Fault: st.Fault, Note: "on, by the schedule"})
	if st.For <= 0 {
		return
	}
	s.wait(time.Duration(st.For), func(now time.Time) {
		s.faults.list = slices.DeleteFunc(s.faults.list, func(other *Fault) bool { return other == f })
		s.journal.add(Line{At: now, Kind: kindFault, Fault: st.Fault, Note: "off, by the schedule"})
	})
}

// postSchedule is POST /_schedule.
func (s *Server) postSchedule(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var steps []Step
	if err == nil {
		steps, err = ParseSchedule(raw)
	}
	if err == nil {
		err = s.Schedule(steps)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, reply{Status: "error", Message: err.Error()})
		return
	}
	writeJSON(w, http.StatusCreated, reply{Status: "success", Message: fmt.Sprintf("a schedule of %d steps begins", len(steps))})
}
