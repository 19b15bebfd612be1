package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// caller is one kept connection that asks raw requests: the client of net/http
// would cost more than the server that is measured.
type caller struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

// request is what a caller sends.
func request(method, path, cookie, visitor, body string) []byte {
	var b bytes.Buffer
	b.WriteString(method + " " + path + " HTTP/1.1\r\nHost: bench\r\n")
	if cookie != "" {
		b.WriteString("Cookie: " + cookie + "\r\n")
	}
	if visitor != "" {
		b.WriteString("X-Forwarded-For: " + visitor + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// askFor is how long one request may take.
const askFor = 10 * time.Second

// do sends a request and reads the answer. A kept connection that the server has
// closed meanwhile is opened anew once, as browsers do.
func (c *caller) do(ctx context.Context, raw []byte) (status int, err error) {
	kept := c.conn != nil
	status, err = c.once(ctx, raw)
	if err != nil && kept && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		status, err = c.once(ctx, raw)
	}
	return status, err
}

func (c *caller) once(ctx context.Context, raw []byte) (status int, err error) {
	if c.conn == nil {
		c.conn, err = (&net.Dialer{Timeout: askFor}).DialContext(ctx, "tcp4", c.addr)
		if err != nil {
			return 0, err
		}
		c.in = bufio.NewReaderSize(c.conn, 64<<10)
	}
	_ = c.conn.SetDeadline(time.Now().Add(askFor))
	if _, err = c.conn.Write(raw); err == nil {
		var closes bool
		if status, closes, err = c.read(); err == nil && !closes {
			return status, nil
		}
	}
	c.close()
	return status, err
}

func (c *caller) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// read reads one answer with a length.
func (c *caller) read() (status int, closes bool, err error) {
	length := int64(-1)
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return status, true, err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case first:
			if len(line) < 12 {
				return 0, true, errors.New("no status line")
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, true, err
			}
		case len(line) == 0:
			if status == 304 || status == 204 {
				return status, closes, nil
			}
			if length < 0 {
				return status, true, errors.New("no length")
			}
			_, err = io.CopyN(io.Discard, c.in, length)
			return status, closes, err
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return status, true, err
			}
		case bytes.EqualFold(name, []byte("Connection")):
			closes = bytes.Contains(value, []byte("close"))
		}
	}
}

// counts is what a load met.
type counts struct {
	mu     sync.Mutex
	status map[int]int     // guarded by mu; 0 is an error
	took   []time.Duration // guarded by mu; of all answers that were good
	first  error           // guarded by mu
}

func newCounts() *counts { return &counts{status: map[int]int{}} }

func (c *counts) add(status int, err error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		status = 0
		if c.first == nil {
			c.first = err
		}
	}
	c.status[status]++
	if status == 200 || status == 304 {
		c.took = append(c.took, took)
	}
}

func (c *counts) good() int { return c.status[200] + c.status[304] }

func (c *counts) all() (n int) {
	for _, k := range c.status {
		n += k
	}
	return n
}

// p returns a quantile of the good answers, in milliseconds.
func (c *counts) p(q float64) float64 {
	if len(c.took) == 0 {
		return 1e9
	}
	slices.Sort(c.took)
	return float64(c.took[min(len(c.took)-1, int(q*float64(len(c.took))))].Microseconds()) / 1000
}

// hammer asks as fast as answers come, over n connections, until ctx is done;
// next gives the k-th request of a connection.
func hammer(ctx context.Context, addr string, n int, next func(conn, k int) []byte) *counts {
	c := newCounts()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			caller := caller{addr: addr}
			defer caller.close()
			for k := 0; ctx.Err() == nil; k++ {
				began := time.Now()
				status, err := caller.do(ctx, next(i, k))
				if ctx.Err() == nil {
					c.add(status, err, time.Since(began))
				}
			}
		})
	}
	wg.Wait()
	return c
}

// stroll lets n visitors ask once in every pause, spread evenly, until ctx is
// done. The time of an answer counts from when it was due.
func stroll(ctx context.Context, addr string, n int, pause time.Duration, next func(visitor, k int) []byte) *counts {
	c := newCounts()
	start := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			caller := caller{addr: addr}
			defer caller.close()
			timer := time.NewTimer(0)
			defer timer.Stop()
			for k := 0; ; k++ {
				due := start.Add(pause*time.Duration(i)/time.Duration(n) + pause*time.Duration(k))
				timer.Reset(time.Until(due))
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
				}
				status, err := caller.do(context.WithoutCancel(ctx), next(i, k)) // what was begun is finished
				c.add(status, err, time.Since(due))
			}
		})
	}
	wg.Wait()
	return c
}
