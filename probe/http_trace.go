package probe

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// httpTrace measures the phases of one request. The transport calls it from its
// own goroutines, some of them after the request has ended (a dial that lost a
// race), so everything is guarded and nothing counts after look.
type httpTrace struct {
	start time.Time

	mu     sync.Mutex // guards all below
	now    string     // the phase under way
	since  time.Time  // when it began
	phases Phases
	remote string
	ended  bool
}

func newHTTPTrace() *httpTrace {
	t := &httpTrace{start: time.Now(), now: phaseConnect}
	t.since = t.start
	return t
}

// context returns ctx with the trace in it.
func (t *httpTrace) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.enter(phaseDNS) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.enter(phaseConnect) },
		ConnectStart:         func(_, _ string) { t.enter(phaseConnect) },
		TLSHandshakeStart:    func() { t.enter(phaseTLS) },
		TLSHandshakeDone:     t.shook,
		GotConn:              t.connected,
		GotFirstResponseByte: func() { t.enter(phaseTransfer) },
	})
}

// shook ends the handshake; when it failed, the phase stays: that is where the
// look broke.
func (t *httpTrace) shook(_ tls.ConnectionState, err error) {
	if err == nil {
		t.enter(phaseFirstByte)
	}
}

func (t *httpTrace) connected(info httptrace.GotConnInfo) {
	t.enter(phaseFirstByte)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.remote = info.Conn.RemoteAddr().String()
	}
}

// enter ends the phase under way and begins another; a phase entered twice
// (two addresses tried, a redirect) adds up.
func (t *httpTrace) enter(phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || phase == t.now {
		return
	}
	now := time.Now()
	t.phases.add(t.now, now.Sub(t.since))
	t.now, t.since = phase, now
}

// phase returns the phase under way, or the last one when the trace has ended.
func (t *httpTrace) phase() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// look ends the trace and returns what it measured.
func (t *httpTrace) look() Look {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.ended {
		t.ended = true
		t.phases.add(t.now, now.Sub(t.since))
	}
	return Look{Phases: t.phases, Latency: now.Sub(t.start), RemoteAddr: t.remote}
}

// add adds a duration to a phase by its name.
func (p *Phases) add(phase string, d time.Duration) {
	switch phase {
	case phaseDNS:
		p.DNS += d
	case phaseConnect:
		p.Connect += d
	case phaseTLS:
		p.TLS += d
	case phaseFirstByte:
		p.FirstByte += d
	case phaseTransfer:
		p.Transfer += d
	}
}
