package daemon

import (
	"context"
	"net"
	"testing"
	"time"
)

// TestAwaitAddress: the wait ends with the first connection, and without one with its bound.
func TestAwaitAddress(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	came := make(chan struct{})
	go func() { // ends with the listener
		defer close(came)
		if conn, err := ln.Accept(); err == nil {
			_ = conn.Close()
		}
	}()
	awaitAddress(t.Context(), addr, time.Hour)
	<-came
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}

	awaitAddress(t.Context(), addr, 150*time.Millisecond) // nobody there: the bound ends it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	awaitAddress(ctx, addr, time.Hour) // nobody there: the context ends it
}
