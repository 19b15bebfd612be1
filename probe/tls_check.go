package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

type tlsChecker struct {
	conf   TLS // with defaults
	client *tls.Config
	dialer *net.Dialer
}

// Checker makes the checker; it reads the CA file.
func (t *TLS) Checker(Env) (Checker, error) {
	c := &tlsChecker{conf: *t, dialer: newDialer(t.AllowLinkLocal)}
	c.conf.SetDefaults()
	pool, err := loadPool(t.CAFile)
	if err != nil {
		return nil, err
	}
	name := t.ServerName
	if name == "" {
		if name, _, err = net.SplitHostPort(t.Address); err != nil {
			return nil, fmt.Errorf("read address: %w", err)
		}
	}
	c.client = &tls.Config{
		RootCAs:    pool,
		ServerName: name,
		MinVersion: uint16(c.conf.MinVersion),
	}
	return c, nil
}

// Check makes a handshake and judges the chain.
func (c *tlsChecker) Check(ctx context.Context) Look {
	trace := newHTTPTrace()
	conn, err := dial(ctx, trace, c.dialer, c.conf.Address)
	if err != nil {
		return trace.broken(ctx, err)
	}
	defer hold(ctx, conn)()
	trace.enter(phaseTLS)
	client := tls.Client(conn, c.client)
	if err := client.HandshakeContext(ctx); err != nil {
		return trace.broken(ctx, err)
	}
	state := client.ConnectionState()
	look := trace.look()
	look.Limit = c.conf.LatencyUnder
	look.CertNotAfter = earliestEnd(&state)
	look.Fault = judgeDaysLeft(look.CertNotAfter, c.conf.DaysLeft, time.Now())
	if look.Fault.Class == "" {
		look.Fault = slow(look.Latency, c.conf.LatencyUnder)
	}
	look.OK = look.Fault.Class == ""
	return look
}
