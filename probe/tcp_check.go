package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

type tcpChecker struct {
	conf   TCP // with defaults
	dialer *net.Dialer
}

// Checker makes the checker.
func (t *TCP) Checker(Env) (Checker, error) {
	c := &tcpChecker{conf: *t, dialer: newDialer(t.AllowLinkLocal)}
	c.conf.SetDefaults()
	return c, nil
}

// Check connects, sends and reads until the expectations are met.
func (c *tcpChecker) Check(ctx context.Context) Look {
	trace := newHTTPTrace()
	conn, err := dial(ctx, trace, c.dialer, c.conf.Address)
	if err != nil {
		return trace.broken(ctx, err)
	}
	defer hold(ctx, conn)()
	var banner []byte
	if send := c.conf.Send.Reveal(); send != "" {
		_, err = io.WriteString(conn, send)
	}
	fault := Fault{}
	if err == nil {
		banner, fault, err = c.listen(conn)
	}
	phase := trace.phase()
	look := trace.look()
	look.Bytes, look.Limit, look.Fault = int64(len(banner)), c.conf.Expect.LatencyUnder, fault
	if err != nil {
		look.Fault, look.Blind = netFault(ctx, err, phase)
	}
	if look.Fault.Class == "" {
		look.Fault = slow(look.Latency, c.conf.Expect.LatencyUnder)
	}
	look.OK = look.Fault.Class == ""
	if !look.OK {
		look.Fault.Body = evidence(banner, c.conf.Send)
	}
	return look
}

// listen reads until the banner meets the expectations, cannot meet them any
// more, or the other side falls silent. A network error is returned only where
// nothing at all was heard: otherwise what was heard says more.
func (c *tcpChecker) listen(conn io.Reader) ([]byte, Fault, error) {
	fault, _ := c.judge(nil)
	if fault.Class == "" {
		return nil, Fault{}, nil // connecting is enough
	}
	banner := make([]byte, 0, 512)
	limit := int(c.conf.ReadLimit)
	for len(banner) < limit {
		chunk := make([]byte, min(limit-len(banner), 4<<10))
		n, err := conn.Read(chunk)
		banner = append(banner, chunk[:n]...)
		var final bool
		if fault, final = c.judge(banner); fault.Class == "" || final {
			return banner, fault, nil
		}
		if len(banner) == 0 {
			fault = Fault{}
		} else if err != nil {
			return banner, fault, nil //nolint:nilerr // what was heard says more than how it ended
		}
		if err != nil {
			return nil, fault, err
		}
	}
	return banner, fault, nil
}

// judge returns the first expectation that a banner does not meet; final means
// that more bytes cannot mend it.
func (c *tcpChecker) judge(banner []byte) (fault Fault, final bool) {
	e := &c.conf.Expect
	if prefix := []byte(e.Prefix); !bytes.HasPrefix(banner, prefix) {
		known := min(len(banner), len(prefix))
		return unmet(ClassBody, "the banner does not begin with %s", quoted(e.Prefix)), !bytes.Equal(banner[:known], prefix[:known])
	}
	if !bytes.Contains(banner, []byte(e.Contains)) {
		return unmet(ClassBody, "the banner does not contain %s", quoted(e.Contains)), false
	}
	if !e.Matches.IsZero() && !e.Matches.Match(banner) {
		return unmet(ClassBody, "the banner does not match %s", quoted(e.Matches.String())), false
	}
	return Fault{}, false
}

// dial opens a TCP connection under a trace.
func dial(ctx context.Context, trace *httpTrace, dialer *net.Dialer, address string) (net.Conn, error) {
	conn, err := dialer.DialContext(trace.context(ctx), "tcp", address)
	if err != nil {
		return nil, err
	}
	trace.enter(phaseFirstByte)
	trace.mu.Lock()
	defer trace.mu.Unlock()
	trace.remote = conn.RemoteAddr().String()
	return conn, nil
}

// hold ties a connection to ctx: its reads and writes end when ctx does. The
// returned func lets go and closes it.
func hold(ctx context.Context, conn net.Conn) (release func()) {
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0)) // a connection that is gone already has no deadline to keep
	})
	return func() {
		stop()
		_ = conn.Close() // nothing was written that closing could lose
	}
}

// broken is the look of a connection that failed in the phase under way.
func (t *httpTrace) broken(ctx context.Context, err error) Look {
	phase := t.phase()
	look := t.look()
	look.Fault, look.Blind = netFault(ctx, err, phase)
	return look
}

var errNoAddress = errors.New("the name has no address")
