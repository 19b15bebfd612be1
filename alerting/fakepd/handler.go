package fakepd

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// eventsPath is the Events API.
const eventsPath = "/v2/enqueue"

// Handler answers the Events API and the control paths. Safe for concurrent use.
func (s *Server) Handler() http.Handler {
	control := http.NewServeMux()
	control.HandleFunc("GET /_log", s.getLog)
	control.HandleFunc("GET /_state", s.getState)
	control.HandleFunc("GET /_fault", s.getFaults)
	control.HandleFunc("POST /_fault", s.addFault)
	control.HandleFunc("DELETE /_fault", s.clearFaults)
	control.HandleFunc("POST /_schedule", s.postSchedule)
	control.HandleFunc("POST /_ack", func(w http.ResponseWriter, r *http.Request) { s.act(w, r, acknowledge) })
	control.HandleFunc("POST /_resolve", func(w http.ResponseWriter, r *http.Request) { s.act(w, r, resolve) })
	control.HandleFunc("POST /_webhook", s.enableWebhook)
	control.HandleFunc("GET /_account", s.getAccount)
	control.HandleFunc("PUT /_account", s.putAccount)
	control.HandleFunc("GET /{$}", s.page)
	control.HandleFunc("GET "+stylePath, serveStyle)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+eventsPath, s.enqueue)
	s.routeREST(mux)
	mux.Handle("/", http.NewCrossOriginProtection().Handler(control))
	return mux
}

// reply is what the Events API answers.
type reply struct {
	Status   string   `json:"status"`
	Message  string   `json:"message"`
	DedupKey string   `json:"dedup_key,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

// verdict is how one event is answered.
type verdict struct {
	status int // 0 closes the connection
	retry  time.Duration
	fault  Fault
	body   reply
}

func invalid(status int, errs []string) verdict {
	return verdict{status: status, body: reply{Status: "invalid event", Message: "Event object is invalid", Errors: errs}}
}

// enqueue is the Events API.
func (s *Server) enqueue(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the sender went away
	}
	v := s.receive(body, r.Header.Get("Content-Type"))
	if !s.dawdle(r, v.fault) {
		return
	}
	if v.status == 0 {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if v.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(v.retry)))
	}
	if v.fault.Torn {
		out, _ := json.Marshal(v.body) // texts always survive
		tear(w, v.status, out)
	}
	writeJSON(w, v.status, v.body)
}

// dawdle waits as the fault says before an answer; false when there is none any more.
// A black hole lasts until the caller gives up.
func (s *Server) dawdle(r *http.Request, f Fault) bool {
	var after <-chan time.Time
	switch {
	case f.Hole:
	case f.Delay > 0:
		t := time.NewTimer(time.Duration(f.Delay))
		defer t.Stop()
		after = t.C
	default:
		return true
	}
	select {
	case <-after:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// tear writes the first half of an answer and breaks the connection.
func tear(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body[:len(body)/2])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

// receive checks, processes and logs one event.
func (s *Server) receive(body []byte, contentType string) verdict {
	e, c := event{}, &checker{}
	if len(body) > maxBody {
		c.err("the event is larger than 512 KB")
	} else {
		e, c = decode(body)
	}
	if !strings.HasPrefix(contentType, "application/json") {
		c.warn("Content-Type is %q, should be application/json", contentType)
	}
	if len(c.errors) == 0 && s.opts.Keys != nil && !slices.Contains(s.opts.Keys, e.RoutingKey) {
		c.err("'routing_key' is not known")
	}
	if len(c.errors) == 0 && e.DedupKey == "" {
		e.DedupKey = strings.ToLower(rand.Text()) // the real one makes one up, too
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	f := s.faults.pick(e, now)
	l := Line{
		At: now, Kind: kindEvent, Action: e.Action, RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, Summary: e.Summary,
		Errors: c.errors, Warnings: c.warnings, Hash: hashOf(body), Body: bodyOf(body),
	}
	if f != (Fault{}) {
		l.Fault = &f
	}
	v := s.judge(e, c, f, len(body) > maxBody, &l)
	v.fault = f
	l.Status = v.status
	s.note(l)
	if l.Did == didPutOff {
		s.putOff(e, time.Duration(f.Late))
	}
	return v
}

// judge decides what an event does and how it is answered; the mutex is held.
func (s *Server) judge(e event, c *checker, f Fault, tooLarge bool, l *Line) verdict {
	switch {
	case f.Close, f.Hole && !f.Processed:
		l.Did = didClose
		return verdict{}
	case f.Status != 0:
		l.Did = didFail
		if f.Processed && len(c.errors) == 0 {
			s.take(e, l)
		}
		return verdict{status: f.Status, retry: time.Duration(f.RetryAfter), body: reply{Status: "error", Message: http.StatusText(f.Status)}}
	case tooLarge:
		l.Did = didRefuse
		return invalid(http.StatusRequestEntityTooLarge, c.errors)
	case len(c.errors) > 0:
		l.Did = didRefuse
		return invalid(http.StatusBadRequest, c.errors)
	case f.PerMinute > 0:
		l.Did = didThrottle
		return verdict{
			status: http.StatusTooManyRequests, retry: s.faults.retry(e.RoutingKey, l.At),
			body: reply{Status: "throttle exceeded", Message: "Requests for this service are arriving too quickly. Please retry later."},
		}
	}
	s.faults.accepted(e.RoutingKey, l.At)
	v := verdict{status: http.StatusAccepted, body: reply{Status: "success", Message: "Event processed", DedupKey: e.DedupKey}}
	switch {
	case f.Drop:
		l.Did = didSuppress
	case f.Late > 0:
		l.Did = didPutOff
	default:
		s.take(e, l)
	}
	if f.Lost || f.Hole {
		v.status = 0
	}
	return v
}

// take processes an event now; the mutex is held.
func (s *Server) take(e event, l *Line) {
	done := s.process(e, "", l.At)
	l.Did, l.Incident, l.Note = done.did, done.incident, done.note
}

// putOff processes an accepted event later; the mutex is held.
func (s *Server) putOff(e event, late time.Duration) {
	taken := s.later(late, func(now time.Time) {
		l := Line{At: now, Kind: kindProcessed, Action: e.Action, RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, Summary: e.Summary}
		s.take(e, &l)
		s.note(l)
	})
	if !taken {
		s.journal.add(Line{At: time.Now().UTC(), Kind: kindFault, DedupKey: e.DedupKey, Note: "too many events are put off: this one is lost"})
	}
}

func (s *Server) getLog(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	lines := slices.Clone(s.journal.lines) // the lines themselves never change
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, line := range lines {
		if _, err := w.Write(line); err != nil {
			return // the reader went away
		}
	}
}

// State is what GET /_state answers.
type State struct {
	Incidents []Incident `json:"incidents"` // oldest first
	Faults    []Fault    `json:"faults"`
	Lines     int64      `json:"lines"` // log lines written since the start
	// PutOff counts events to be processed later and automatic acknowledgements.
	PutOff int `json:"put_off"`
	// WebhooksOff says that three dropped webhooks switched them off.
	WebhooksOff bool `json:"webhooks_off"`
	// LogLost counts lines that the log file did not take.
	LogLost int `json:"log_lost"`
}

// State returns a copy of what the stand-in knows.
func (s *Server) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{
		Incidents: []Incident{}, Faults: []Fault{}, Lines: s.journal.seq, PutOff: s.timers,
		WebhooksOff: s.hooksOff, LogLost: s.journal.lost,
	}
	for _, inc := range s.model.all {
		st.Incidents = append(st.Incidents, *inc)
	}
	for _, f := range s.faults.list {
		st.Faults = append(st.Faults, *f)
	}
	return st
}

func (s *Server) getState(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.State())
}

func (s *Server) getFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.State().Faults)
}

// AddFault switches a fault on, as POST /_fault does.
func (s *Server) AddFault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.faults.add(f); err != nil {
		return err
	}
	s.journal.add(Line{At: time.Now().UTC(), Kind: kindFault, Fault: &f, Note: "on"})
	return nil
}

// ClearFaults switches all faults off, as DELETE /_fault does.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.list = nil
	s.journal.add(Line{At: time.Now().UTC(), Kind: kindFault, Note: "all off"})
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeJSON(w, http.StatusRequestEntityTooLarge, reply{Status: "error", Message: "too large"})
		return
	}
	f, err := parseFault(body)
	if err == nil {
		err = s.AddFault(f)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, reply{Status: "error", Message: err.Error()})
		return
	}
	writeJSON(w, http.StatusCreated, f)
}

func (s *Server) clearFaults(w http.ResponseWriter, _ *http.Request) {
	s.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

// act acknowledges or resolves the open incidents of a dedup key as a person
// would. An empty routing key means any.
func (s *Server) act(w http.ResponseWriter, r *http.Request, action string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	by := r.FormValue("by")
	if by == "" {
		by = "somebody"
	}
	s.mu.Lock()
	found := s.model.find(r.FormValue("routing_key"), r.FormValue("dedup_key"))
	for _, inc := range found {
		s.human(inc, action, by, time.Now().UTC())
	}
	s.mu.Unlock()
	switch {
	case r.FormValue("back") != "":
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case len(found) == 0:
		writeJSON(w, http.StatusNotFound, reply{Status: "error", Message: "no open incident has this dedup_key"})
	default:
		writeJSON(w, http.StatusOK, reply{Status: "success", Message: strconv.Itoa(len(found)) + " incident(s)", DedupKey: r.FormValue("dedup_key")})
	}
}

func (s *Server) enableWebhook(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.enable()
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) getAccount(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Account())
}

// putAccount replaces the account, as somebody does who edits it in PagerDuty's pages.
func (s *Server) putAccount(w http.ResponseWriter, r *http.Request) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	var next Account
	err := d.Decode(&next)
	if err == nil {
		err = s.Change(func(a *Account) { *a = next })
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, reply{Status: "error", Message: err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, next)
}

// body is what this package answers as JSON.
type body interface {
	reply | State | []Fault | Fault | Account
}

func writeJSON[T body](w http.ResponseWriter, status int, v T) {
	out, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out) // the caller may have left
}
