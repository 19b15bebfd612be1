package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	probing "github.com/prometheus-community/pro-bing"
)

// pingGap is the time between two requests of one look.
const pingGap = 200 * time.Millisecond

// pingHint tells how to grant the right that pinging needs.
const pingHint = "this process may not send ICMP: allow it with `sysctl -w net.ipv4.ping_group_range='0 2147483647'` " +
	"or `setcap cap_net_raw+ep` on the program"

type icmpChecker struct {
	conf ICMP // with defaults
	ping func(ctx context.Context, addr *net.IPAddr, count int, raw bool) (*probing.Statistics, error)
}

// Checker makes the checker.
func (i *ICMP) Checker(Env) (Checker, error) {
	c := &icmpChecker{conf: *i, ping: ping}
	c.conf.SetDefaults()
	return c, nil
}

// Check resolves the name, sends the requests and counts the answers.
func (c *icmpChecker) Check(ctx context.Context) Look {
	start := time.Now()
	addr, err := resolve(ctx, c.conf.Host)
	look := Look{Limit: c.conf.LatencyUnder, Phases: Phases{DNS: time.Since(start)}}
	if err != nil {
		look.Latency = look.Phases.DNS
		look.Fault, look.Blind = netFault(ctx, err, phaseDNS)
		return look
	}
	look.RemoteAddr = addr.String()
	// The unprivileged datagram socket first; the raw one where only that is allowed.
	stats, err := c.ping(ctx, addr, c.conf.Count, false)
	if forbidden(err) {
		stats, err = c.ping(ctx, addr, c.conf.Count, true)
	}
	switch {
	case forbidden(err):
		look.Blind = true
		look.Fault = Fault{Class: ClassBroken, Phase: phaseConnect, Message: pingHint}
	case err != nil && ctx.Err() == nil:
		look.Fault, look.Blind = netFault(ctx, err, phaseFirstByte)
	default:
		c.judge(stats, &look)
	}
	look.OK = look.Fault.Class == ""
	return look
}

// judge fills the look from what came back; nil stats means nothing did.
func (c *icmpChecker) judge(stats *probing.Statistics, look *Look) {
	got := 0
	if stats != nil {
		got = stats.PacketsRecv // without the duplicates
		look.Phases.FirstByte = stats.AvgRtt
		look.Latency = stats.AvgRtt
	}
	if lost := c.conf.Count - got; float64(lost) > c.conf.MaxLoss.Share(defaultMaxLoss)*float64(c.conf.Count) {
		look.Fault = Fault{Class: ClassLost, Phase: phaseFirstByte}
		look.Fault.Message = unmet(ClassLost, "%d of %d echo requests stayed without an answer", lost, c.conf.Count).Message
		return
	}
	if limit := c.conf.LatencyUnder; limit != 0 && look.Latency >= limit {
		look.Fault = unmet(ClassLatency, "the round trip took %s or more on average", limit)
	}
}

// resolve finds the first address of a host.
func resolve(ctx context.Context, host string) (*net.IPAddr, error) {
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, errNoAddress
	}
	return &addrs[0], nil
}

// ping sends count requests and waits for the answers until ctx is done.
func ping(ctx context.Context, addr *net.IPAddr, count int, raw bool) (*probing.Statistics, error) {
	pinger := probing.New("")
	pinger.SetIPAddr(addr)
	pinger.SetLogger(probing.NoopLogger{})
	pinger.SetPrivileged(raw)
	pinger.Count, pinger.Interval, pinger.RecordRtts = count, pingGap, false
	if end, ok := ctx.Deadline(); ok {
		pinger.Timeout = time.Until(end)
	}
	err := pinger.RunWithContext(ctx)
	return pinger.Statistics(), err
}

// forbidden reports whether the system refuses the socket.
func forbidden(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.EAFNOSUPPORT)
}
