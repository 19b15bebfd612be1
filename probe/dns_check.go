package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// resolvConf is where the system names its name servers (resolv.conf(5)).
const resolvConf = "/etc/resolv.conf"

// dnsTries is how often a question is sent in all: UDP may lose one.
const dnsTries = 3

var errNoServer = errors.New("the system names no name server: write server in the check")

type dnsChecker struct {
	conf     DNS // with defaults
	kind     uint16
	rcode    int
	resolver string // path of resolv.conf
}

// Checker makes the checker.
func (d *DNS) Checker(Env) (Checker, error) {
	c := &dnsChecker{conf: *d, resolver: resolvConf}
	c.conf.SetDefaults()
	var ok bool
	if c.kind, ok = dns.StringToType[c.conf.Type]; !ok {
		return nil, fmt.Errorf("%q is not a type of record", c.conf.Type)
	}
	if c.rcode, ok = dns.StringToRcode[c.conf.Expect.Rcode]; !ok {
		return nil, fmt.Errorf("%q is not a response code", c.conf.Expect.Rcode)
	}
	return c, nil
}

// Check asks and judges the answer.
func (c *dnsChecker) Check(ctx context.Context) Look {
	start := time.Now()
	servers, err := c.servers()
	if err != nil {
		return Look{Blind: true, Fault: Fault{Class: ClassBroken, Phase: phaseDNS, Message: clip(err.Error(), maxMessage)}}
	}
	answer, server, err := c.ask(ctx, servers)
	took := time.Since(start)
	look := Look{Latency: took, Limit: c.conf.Expect.LatencyUnder, Phases: Phases{DNS: took}, RemoteAddr: server}
	if err != nil {
		look.Fault, look.Blind = netFault(ctx, err, phaseDNS)
		return look
	}
	look.Code, look.Bytes = answer.Rcode, int64(answer.Len())
	look.Fault = c.judge(answer)
	if look.Fault.Class == "" {
		look.Fault = slow(look.Latency, c.conf.Expect.LatencyUnder)
	}
	look.OK = look.Fault.Class == ""
	if !look.OK {
		look.Fault.Body = evidence([]byte(answer.String()))
	}
	return look
}

// servers returns the addresses to ask, in order.
func (c *dnsChecker) servers() ([]string, error) {
	if server := c.conf.Server; server != "" {
		if net.ParseIP(server) != nil {
			server = net.JoinHostPort(server, "53")
		}
		return []string{server}, nil
	}
	system, err := dns.ClientConfigFromFile(c.resolver)
	if err != nil {
		return nil, fmt.Errorf("read the system's name servers: %w", err)
	}
	if len(system.Servers) == 0 {
		return nil, errNoServer
	}
	servers := make([]string, 0, len(system.Servers))
	for _, s := range system.Servers {
		servers = append(servers, net.JoinHostPort(s, system.Port))
	}
	return servers, nil
}

// ask sends the question until a server answers; each try has an equal share of
// the time that is left, so that a lost packet costs a part of it only.
func (c *dnsChecker) ask(ctx context.Context, servers []string) (answer *dns.Msg, server string, err error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(c.conf.Name), c.kind)
	tries := max(dnsTries, len(servers))
	for i := range tries {
		server = servers[i%len(servers)]
		answer, err = c.askOnce(ctx, question, server, tries-i)
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return answer, server, err
}

// askOnce asks one server within its share of the time, over TCP when the
// answer does not fit into a datagram.
func (c *dnsChecker) askOnce(ctx context.Context, question *dns.Msg, server string, shares int) (*dns.Msg, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(shares))
		defer cancel()
	}
	answer, err := exchange(ctx, "udp", question, server)
	if err == nil && answer.Truncated {
		return exchange(ctx, "tcp", question, server)
	}
	return answer, err
}

func exchange(ctx context.Context, network string, question *dns.Msg, server string) (*dns.Msg, error) {
	client := dns.Client{Net: network}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer hold(ctx, conn)()
	answer, _, err := client.ExchangeWithConnContext(ctx, question, conn)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return answer, err
}

// judge returns the first expectation that an answer does not meet.
func (c *dnsChecker) judge(answer *dns.Msg) Fault {
	e := &c.conf.Expect
	if answer.Rcode != c.rcode {
		got := dns.RcodeToString[answer.Rcode]
		return unmet(ClassDNS, "the response code is %s, not %s", cmp.Or(got, "unknown"), e.Rcode)
	}
	var got []string
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype == c.kind {
			got = append(got, recordText(rr))
		}
	}
	slices.Sort(got)
	if len(e.Values)+len(e.Contains) == 0 && c.rcode == dns.RcodeSuccess && len(got) == 0 {
		return unmet(ClassDNS, "there is no %s record", c.conf.Type)
	}
	for _, want := range e.Contains {
		if !slices.Contains(got, c.normal(want)) {
			return unmet(ClassDNS, "%s is not among the records: %s", quoted(want), listed(got))
		}
	}
	if len(e.Values) == 0 {
		return Fault{}
	}
	wanted := make([]string, len(e.Values))
	for i, v := range e.Values {
		wanted[i] = c.normal(v)
	}
	slices.Sort(wanted)
	if !slices.Equal(slices.Compact(wanted), slices.Compact(got)) {
		return unmet(ClassDNS, "the records are %s, not %s", listed(got), listed(wanted))
	}
	return Fault{}
}

func listed(values []string) string {
	if len(values) == 0 {
		return "none"
	}
	return clip(strings.Join(values, ", "), 2*maxQuoted)
}

// recordText writes the data of a record as expectations write it.
func recordText(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.AAAA:
		return rr.AAAA.String()
	case *dns.TXT:
		return strings.Join(rr.Txt, "")
	}
	data := strings.TrimPrefix(rr.String(), rr.Header().String())
	return foldNames(data)
}

// normal brings an expected value into the form of [recordText].
func (c *dnsChecker) normal(value string) string {
	if c.kind == dns.TypeTXT {
		return value
	}
	if ip := net.ParseIP(value); ip != nil {
		return ip.String() // one spelling for an IPv6 address
	}
	return foldNames(value)
}

// foldNames lower-cases names, drops their final dots and folds spaces.
func foldNames(data string) string {
	words := strings.Fields(strings.ToLower(data))
	for i, w := range words {
		if len(w) > 1 {
			words[i] = strings.TrimSuffix(w, ".")
		}
	}
	return strings.Join(words, " ")
}
