package guard

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// connections is how many connections a process has open at most; others wait in
// the kernel's queue.
const connections = 4096

// crowd counts open connections by client. Safe for concurrent use.
type crowd struct {
	most    int // of one client
	clients Clients

	open    atomic.Int64
	refused atomic.Int64

	mu sync.Mutex // guards by
	by map[netip.Prefix]int
}

// enter takes a place for a connection of a client, or says that it has none.
// Trusted proxies may have any number: they carry everybody.
func (c *crowd) enter(remote net.Addr) (leave func(), ok bool) {
	var key netip.Prefix
	if peer, err := netip.ParseAddrPort(remote.String()); err == nil {
		if addr := bare(peer.Addr()); !c.clients.Trusts(addr) {
			key = Narrow(addr)
		}
	}
	if key.IsValid() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.by[key] >= c.most {
			c.refused.Add(1)
			return nil, false
		}
		c.by[key]++
	}
	c.open.Add(1)
	return func() { c.leave(key) }, true
}

func (c *crowd) leave(key netip.Prefix) {
	c.open.Add(-1)
	if !key.IsValid() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[key]--; c.by[key] <= 0 {
		delete(c.by, key) // the table is never larger than the connections
	}
}

// capped is a listener that holds at most a number of open connections.
type capped struct {
	net.Listener
	crowd  *crowd
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for a place and then for a connection of a client that may have one more.
func (l *capped) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		leave, ok := l.crowd.enter(c.RemoteAddr())
		if !ok {
			_ = c.Close() // without a word: it costs us least
			continue
		}
		free := sync.OnceFunc(func() { leave(); <-l.slots })
		if tcp, ok := c.(*net.TCPConn); ok {
			return &tcpPlace{TCPConn: tcp, free: free}, nil
		}
		return &place{Conn: c, free: free}, nil
	}
}

// Close ends Accept.
func (l *capped) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// place is given back when it is closed.
type place struct {
	net.Conn
	free   func()
	header strict
}

// Read reads and looks at headers.
func (p *place) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.header.check(b[:n])
	return n, err
}

func (p *place) nextRequest() { p.header = strict{} }

// Close gives the place back once.
func (p *place) Close() error {
	p.free()
	return p.Conn.Close()
}

// tcpPlace is a place that keeps the methods of TCP: ReadFrom is sendfile.
type tcpPlace struct {
	*net.TCPConn
	free   func()
	header strict
}

// Read reads and looks at headers.
func (p *tcpPlace) Read(b []byte) (int, error) {
	n, err := p.TCPConn.Read(b)
	p.header.check(b[:n])
	return n, err
}

func (p *tcpPlace) nextRequest() { p.header = strict{} }

// connState tells a connection of [Guard.Listener] that its next bytes are a new
// header: the server calls it between requests, when nobody reads.
func connState(c net.Conn, state http.ConnState) {
	if p, ok := c.(interface{ nextRequest() }); ok && state == http.StateIdle {
		p.nextRequest()
	}
}

// Close gives the place back once.
func (p *tcpPlace) Close() error {
	p.free()
	return p.TCPConn.Close()
}
