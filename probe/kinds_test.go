package probe

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	probing "github.com/prometheus-community/pro-bing"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func TestTCP(t *testing.T) {
	t.Parallel()
	mail := listener(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail.test ")
		_, _ = io.WriteString(c, "ESMTP ready\r\n")
		silent(c)
	})
	echo := listener(t, func(c net.Conn) {
		buf := make([]byte, 64)
		n, _ := c.Read(buf)
		_, _ = c.Write(append([]byte("+PONG "), buf[:n]...))
	})
	flood := listener(t, func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	closing := listener(t, func(net.Conn) {})
	tests := []struct {
		name  string
		conf  TCP
		class Class
		says  string
		body  string
	}{
		{name: "connecting is enough", conf: TCP{Address: mail}},
		{name: "banner", conf: TCP{Address: mail, Expect: TCPExpect{Prefix: "220 ", Contains: "ESMTP", Matches: expression(t, `ready\r\n$`)}}},
		{name: "wrong prefix is seen at once", conf: TCP{Address: mail, Expect: TCPExpect{Prefix: "250 "}}, class: ClassBody, says: `begin with "250 "`, body: "220 mail"},
		{name: "answer to what was sent", conf: TCP{Address: echo, Send: "PING\r\n", Expect: TCPExpect{Matches: expression(t, `^\+PONG PING`)}}},
		{name: "another answer", conf: TCP{Address: echo, Send: "PING-s3cret", Expect: TCPExpect{Contains: "nope"}}, class: ClassBody, says: `contain "nope"`, body: "+PONG REDACTED"},
		{name: "read limit", conf: TCP{Address: flood, ReadLimit: 2048, Expect: TCPExpect{Contains: "y"}}, class: ClassBody, says: `contain "y"`, body: "xxx"},
		{name: "closed without a word", conf: TCP{Address: closing, Expect: TCPExpect{Contains: "x"}}, class: ClassConnect, says: "closed"},
		{name: "refused", conf: TCP{Address: refusing(t)}, class: ClassConnect, says: "refused"},
		{name: "slow", conf: TCP{Address: mail, Expect: TCPExpect{LatencyUnder: 1}}, class: ClassLatency, says: "took 1ns or more"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			look := lookAt(t, &tc.conf)
			wantLook(t, look, tc.class, tc.says)
			if !strings.Contains(string(look.Fault.Body), tc.body) {
				t.Errorf("evidence: got %q, want %q in it", look.Fault.Body, tc.body)
			}
		})
	}
}

// A banner that cannot become right any more is not waited for: this look has no
// deadline that would end it.
func TestTCPWrongBannerAtOnce(t *testing.T) {
	t.Parallel()
	mail := listener(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail.test ESMTP\r\n")
		silent(c)
	})
	checker, err := (&TCP{Address: mail, Expect: TCPExpect{Prefix: "250 "}}).Checker(Env{})
	if err != nil {
		t.Fatal(err)
	}
	wantLook(t, checker.Check(t.Context()), ClassBody, "does not begin with")
}

// nameServer answers from a few records; a name of "big." does not fit into a datagram.
func nameServer(t *testing.T) string {
	t.Helper()
	zone := map[string][]string{}
	for _, line := range []string{
		"photos.test. 60 IN A 192.0.2.1", "photos.test. 60 IN A 192.0.2.2", "photos.test. 60 IN AAAA 2001:db8::1",
		"photos.test. 60 IN MX 10 Mail.photos.test.", "photos.test. 60 IN TXT \"v=spf1 \" \"-ALL\"", "photos.test. 60 IN NS ns1.photos.test.",
		"photos.test. 60 IN SOA ns1.photos.test. ada.photos.test. 7 3600 600 86400 60", "_sip._tcp.photos.test. 60 IN SRV 0 5 5060 sip.photos.test.",
		"www.photos.test. 60 IN CNAME photos.test.",
	} {
		name, _, _ := strings.Cut(line, " ")
		zone[name] = append(zone[name], line)
	}
	for i := range 100 {
		zone["big.test."] = append(zone["big.test."], fmt.Sprintf("big.test. 60 IN A 10.0.%d.%d", i/10, i%10))
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		lines, ok := zone[q.Question[0].Name]
		if !ok {
			answer.Rcode = dns.RcodeNameError
		}
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if kind := rr.Header().Rrtype; kind == q.Question[0].Qtype || kind == dns.TypeCNAME {
				answer.Answer = append(answer.Answer, rr)
			}
		}
		if w.RemoteAddr().Network() == "udp" {
			answer.Truncate(dns.MinMsgSize)
		}
		if err := w.WriteMsg(answer); err != nil {
			t.Errorf("answer: %v", err)
		}
	})
	packets, streams := bothListeners(t)
	for _, srv := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: streams, Handler: handler}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		go func() { _ = srv.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = srv.Shutdown() })
	}
	return packets.LocalAddr().String()
}

// bothListeners listens for datagrams and streams on one port.
func bothListeners(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		_ = packets.Close() // somebody else has this port for streams
	}
	t.Fatal("no port is free for both datagrams and streams")
	return nil, nil
}

// deafServer takes datagrams and never answers.
func deafServer(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = packets.Close() })
	return packets.LocalAddr().String()
}

func TestDNS(t *testing.T) {
	t.Parallel()
	server := nameServer(t)
	expect := func(values ...string) DNSExpect { return DNSExpect{Values: values} }
	tests := []struct {
		name  string
		conf  DNS
		class Class
		says  string
		code  int
	}{
		{name: "any address", conf: DNS{Name: "photos.test"}},
		{name: "exactly these", conf: DNS{Name: "photos.test", Expect: expect("192.0.2.2", "192.0.2.1")}},
		{name: "one too few", conf: DNS{Name: "photos.test", Expect: expect("192.0.2.1")}, class: ClassDNS, says: "are 192.0.2.1, 192.0.2.2, not 192.0.2.1"},
		{name: "one among them", conf: DNS{Name: "photos.test", Expect: DNSExpect{Contains: []string{"192.0.2.1"}}}},
		{name: "none among them", conf: DNS{Name: "photos.test", Expect: DNSExpect{Contains: []string{"192.0.2.9"}}}, class: ClassDNS, says: "not among"},
		{name: "AAAA in another spelling", conf: DNS{Name: "photos.test", Type: "AAAA", Expect: expect("2001:0DB8:0::1")}},
		{name: "MX", conf: DNS{Name: "photos.test", Type: "MX", Expect: expect("10 mail.Photos.test.")}},
		{name: "TXT keeps its case", conf: DNS{Name: "photos.test", Type: "TXT", Expect: expect("v=spf1 -ALL")}},
		{name: "TXT in another case", conf: DNS{Name: "photos.test", Type: "TXT", Expect: expect("v=spf1 -all")}, class: ClassDNS, says: "are"},
		{name: "NS", conf: DNS{Name: "photos.test", Type: "NS", Expect: expect("ns1.photos.test")}},
		{name: "SOA", conf: DNS{Name: "photos.test", Type: "SOA", Expect: expect("ns1.photos.test ada.photos.test 7 3600 600 86400 60")}},
		{name: "SRV", conf: DNS{Name: "_sip._tcp.photos.test", Type: "SRV", Expect: expect("0 5 5060 sip.photos.test")}},
		{name: "CNAME", conf: DNS{Name: "www.photos.test", Type: "CNAME", Expect: expect("photos.test")}},
		{name: "nothing of the type", conf: DNS{Name: "www.photos.test", Type: "TXT"}, class: ClassDNS, says: "no TXT record"},
		{name: "no such name", conf: DNS{Name: "gone.test"}, class: ClassDNS, says: "NXDOMAIN, not NOERROR", code: 3},
		{name: "no such name, as wished", conf: DNS{Name: "gone.test", Expect: DNSExpect{Rcode: "NXDOMAIN"}}, code: 3},
		{name: "too large for a datagram", conf: DNS{Name: "big.test", Expect: DNSExpect{Contains: []string{"10.0.9.9", "10.0.99.0"}}}, class: ClassDNS, says: `"10.0.99.0" is not among`},
		{name: "whole over TCP", conf: DNS{Name: "big.test", Expect: DNSExpect{Contains: []string{"10.0.0.0", "10.0.9.9"}}}},
		{name: "slow", conf: DNS{Name: "photos.test", Expect: DNSExpect{LatencyUnder: 1}}, class: ClassLatency, says: "took 1ns or more"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.conf.Server = server
			look := lookAt(t, &tc.conf)
			wantLook(t, look, tc.class, tc.says)
			if look.Code != tc.code || look.RemoteAddr != server || look.Phases.DNS <= 0 {
				t.Errorf("got code %d from %s in %+v, want %d from %s", look.Code, look.RemoteAddr, look.Phases, tc.code, server)
			}
		})
	}
}

// A datagram that gets lost costs a share of the time, not the look.
func TestDNSAsksAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool // the server answers on goroutines of its own
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if !asked.Swap(true) {
			return
		}
		answer := new(dns.Msg).SetReply(q)
		answer.Answer = append(answer.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(192, 0, 2, 1)})
		_ = w.WriteMsg(answer)
	})}
	go func() { _ = srv.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = srv.Shutdown() })
	checker, err := (&DNS{Name: "photos.test", Server: packets.LocalAddr().String()}).Checker(Env{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	if look := checker.Check(ctx); !look.OK {
		t.Errorf("got %+v, want a good look at the second try", look.Fault)
	}
}

func TestDNSSystemServers(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 192.0.2.53\nnameserver 2001:db8::53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &dnsChecker{conf: DNS{Name: "x"}, resolver: conf}
	got, err := c.servers()
	if want := "192.0.2.53:53 [2001:db8::53]:53"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("servers: got %v, %v; want %s", got, err, want)
	}
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if look := c.Check(t.Context()); !look.Blind || look.OK {
		t.Errorf("without a name server: got %+v, want a blind look", look)
	}
}

func TestICMPJudgement(t *testing.T) {
	t.Parallel()
	stats := func(received int) *probing.Statistics {
		return &probing.Statistics{PacketsRecv: received, AvgRtt: 20 * time.Millisecond}
	}
	tests := []struct {
		name    string
		conf    ICMP
		stats   *probing.Statistics
		err     [2]error // unprivileged, raw
		class   Class
		blind   bool
		wantRaw bool
	}{
		{name: "all back", conf: ICMP{Host: "127.0.0.1"}, stats: stats(3)},
		{name: "one of three lost", conf: ICMP{Host: "127.0.0.1"}, stats: stats(2)},
		{name: "two of three lost", conf: ICMP{Host: "127.0.0.1"}, stats: stats(1), class: ClassLost},
		{name: "one lost, none allowed", conf: ICMP{Host: "127.0.0.1", MaxLoss: Percent{set: true}}, stats: stats(2), class: ClassLost},
		{name: "none back", conf: ICMP{Host: "127.0.0.1"}, stats: stats(0), class: ClassLost},
		{name: "slow", conf: ICMP{Host: "127.0.0.1", LatencyUnder: 20 * time.Millisecond}, stats: stats(3), class: ClassLatency},
		{name: "raw where only that is allowed", conf: ICMP{Host: "127.0.0.1"}, stats: stats(3), err: [2]error{os.NewSyscallError("socket", syscall.EACCES)}, wantRaw: true},
		{
			name: "not allowed", conf: ICMP{Host: "127.0.0.1"}, blind: true, class: ClassBroken, wantRaw: true,
			err: [2]error{os.NewSyscallError("socket", syscall.EACCES), os.NewSyscallError("socket", syscall.EPERM)},
		},
		{name: "no way there", conf: ICMP{Host: "127.0.0.1"}, err: [2]error{&net.OpError{Op: "write", Err: syscall.EHOSTUNREACH}}, class: ClassConnect},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			made, err := tc.conf.Checker(Env{})
			if err != nil {
				t.Fatal(err)
			}
			c, _ := made.(*icmpChecker)
			usedRaw := false
			c.ping = func(_ context.Context, _ *net.IPAddr, _ int, raw bool) (*probing.Statistics, error) {
				if raw {
					usedRaw = true
					return tc.stats, tc.err[1]
				}
				return tc.stats, tc.err[0]
			}
			look := c.Check(t.Context())
			if look.Fault.Class != tc.class || look.Blind != tc.blind || look.OK != (tc.class == "") || usedRaw != tc.wantRaw {
				t.Errorf("got %+v, raw %v; want class %q, blind %v, raw %v", look, usedRaw, tc.class, tc.blind, tc.wantRaw)
			}
			if tc.blind && !strings.Contains(look.Fault.Message, "setcap") {
				t.Errorf("message %q does not say how to grant the right", look.Fault.Message)
			}
		})
	}
}

// The real thing: on a machine that may ping, loopback is good; on one that may
// not, the look is blind. It is bad on neither.
func TestICMPLoopback(t *testing.T) {
	t.Parallel()
	look := lookAt(t, &ICMP{Host: "127.0.0.1", Count: 2})
	if look.OK == look.Blind {
		t.Errorf("got %+v, want good, or blind for want of a right", look)
	}
	if look.OK && look.Latency <= 0 {
		t.Errorf("latency: got %v", look.Latency)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	const within = 5 * time.Minute
	tests := []struct {
		name  string
		beats []time.Duration // after start
		at    time.Duration
		ok    bool
		blind bool
	}{
		{name: "none yet", at: 4 * time.Minute, blind: true},
		{name: "none yet, at the edge", at: 5 * time.Minute, blind: true},
		{name: "none for too long", at: 5*time.Minute + time.Second},
		{name: "one in time", beats: []time.Duration{time.Minute}, at: 6 * time.Minute, ok: true},
		{name: "one too long ago", beats: []time.Duration{time.Minute}, at: 6*time.Minute + time.Second},
		{name: "one before watching began", beats: []time.Duration{-10 * time.Minute}, at: time.Minute, blind: true},
		{name: "one before watching began, still fresh", beats: []time.Duration{-time.Minute}, at: time.Minute, ok: true},
		{name: "an older one after a newer one", beats: []time.Duration{8 * time.Minute, time.Minute}, at: 10 * time.Minute, ok: true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			env := Env{Name: "backup", Every: time.Minute, Beats: &Beats{}}
			c := &heartbeatChecker{within: within, env: env}
			for _, after := range tc.beats {
				env.Beats.Beat("backup", start.Add(after))
			}
			env.Beats.Beat("another", start.Add(tc.at))
			var look Look
			for at := time.Duration(0); at < tc.at; at += time.Minute {
				c.judge(start.Add(at))
			}
			look = c.judge(start.Add(tc.at))
			if look.OK != tc.ok || look.Blind != tc.blind {
				t.Errorf("got %+v, want ok %v, blind %v", look, tc.ok, tc.blind)
			}
			if !look.OK && look.Fault.Class != ClassMissed {
				t.Errorf("class: got %q, want %q", look.Fault.Class, ClassMissed)
			}
		})
	}
}

// A reload makes a new checker; the silent job gets no new time from it. A check
// that was away starts afresh.
func TestHeartbeatReload(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	env := Env{Name: "backup", Every: time.Minute, Beats: &Beats{}}
	for at := time.Duration(0); at <= 6*time.Minute; at += time.Minute {
		c := &heartbeatChecker{within: 5 * time.Minute, env: env} // a reload each minute
		if got, want := c.judge(start.Add(at)).Blind, at <= 5*time.Minute; got != want {
			t.Errorf("after %v: blind %v, want %v", at, got, want)
		}
	}
	back := &heartbeatChecker{within: 5 * time.Minute, env: env}
	if look := back.judge(start.Add(24 * time.Hour)); !look.Blind {
		t.Errorf("a check that was away for a day: got %+v, want blind", look)
	}
}
