package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"keepwatch/telemetry/nrfake"
)

// nobodysKey has the length of a licence key and is none.
const nobodysKey = "0123456789abcdef0123456789abcdefNOBODYSX"

// newRelicFake is the stand-in collector of a script.
type newRelicFake struct {
	collector *nrfake.Collector
	authority *nrfake.Authority
	server    *nrfake.Server
	addr      string
}

// runCollector is the script command about the stand-in of New Relic:
//
//	collector up             serve it on $OTHER; its authority is ca.pem, its key $NRKEY
//	collector down           take it away
//	collector has TYPE [REGEXP]  wait for an event whose attributes match
//	collector timed NAME [URL]  wait for a transaction of that name; ask the URL until it comes,
//	                         because what is asked before the agent is connected is not timed
//	collector called METHOD  wait until an agent's call of that method was answered well
//	collector untouched      no agent has ever called
//	collector clean          what arrived breaks no rule and holds the key nowhere
//
// `! collector has` and `! collector timed` look once.
func runCollector(ts *testscript.TestScript, neg bool, args []string) {
	b := dayOf(ts)
	if len(args) == 0 {
		ts.Fatalf("usage: collector up|down|has|timed|called|untouched|clean …")
	}
	if b.fake == nil {
		a, err := nrfake.NewAuthority()
		ts.Check(err)
		b.fake = &newRelicFake{collector: nrfake.New(nrfake.Options{Key: nobodysKey, Period: time.Second}), authority: a, addr: ts.Getenv("OTHER")}
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), a.PEM, 0o600))
		ts.Setenv("NRKEY", nobodysKey)
		b.atEnd(b.fake.down)
	}
	f := b.fake
	switch what := args[0]; what {
	case "up":
		var err error
		f.server, err = f.authority.Serve(context.Background(), f.addr, f.collector)
		ts.Check(err)
	case "down":
		ts.Check(f.down())
	case "has":
		want := regexp.MustCompile(strings.Join(args[2:], " "))
		f.wait(ts, neg, strings.Join(args, " "), func() bool { return f.has(args[1], want) })
	case "timed":
		if len(args) == 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			poll(ctx, ts, strings.Join(args, " "), func() (string, bool) {
				_, err := call(ctx, http.MethodGet, args[2])
				return fmt.Sprint(f.names(), err), slices.Contains(f.names(), args[1])
			})
			return
		}
		f.wait(ts, neg, strings.Join(args, " "), func() bool { return slices.Contains(f.names(), args[1]) })
	case "called":
		f.wait(ts, neg, strings.Join(args, " "), func() bool { return f.collector.Posts(args[1], 200)+f.collector.Posts(args[1], 202) > 0 })
	case "untouched":
		for _, method := range []string{"preconnect", "connect"} {
			if n := f.collector.Posts(method, 200); n != 0 {
				ts.Fatalf("%s was called %d times", method, n)
			}
		}
	case "clean":
		f.clean(ts)
	default:
		ts.Fatalf("unknown: collector %s", what)
	}
}

func (f *newRelicFake) down() error {
	if f.server == nil {
		return nil
	}
	err := f.server.Close()
	f.server = nil
	return err
}

// names are those of the transactions, without what the agent puts before them.
func (f *newRelicFake) names() []string {
	var out []string
	for _, n := range f.collector.Transactions() {
		out = append(out, strings.TrimPrefix(n, "WebTransaction/Go/"))
	}
	return out
}

func (f *newRelicFake) has(kind string, want *regexp.Regexp) bool {
	return slices.ContainsFunc(f.collector.Events(), func(e nrfake.Event) bool { return e.Type == kind && want.MatchString(attributes(e)) })
}

// attributes are written as name=value, sorted, with a space around each.
func attributes(e nrfake.Event) string {
	var out []string
	for name, v := range e.Attrs {
		out = append(out, name+"="+strings.Trim(string(v), `"`))
	}
	slices.Sort(out)
	return " " + strings.Join(out, "  ") + " "
}

func (f *newRelicFake) wait(ts *testscript.TestScript, neg bool, what string, cond func() bool) {
	if neg {
		if cond() {
			ts.Fatalf("%s: it has", what)
		}
		return
	}
	patience := time.Minute
	if os.Getenv("KEEPWATCH_LONG") != "" {
		patience = 3 * time.Minute // a minute is told when it is over and a minute has passed
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if f.collector.Wait(ctx, cond) == nil {
		return
	}
	var got strings.Builder
	for _, e := range f.collector.Events() {
		fmt.Fprintln(&got, e.Type, attributes(e))
	}
	ts.Fatalf("%s: never; transactions %q, violations %q, events:\n%s", what, f.names(), f.collector.Violations(), got.String())
}

func (f *newRelicFake) clean(ts *testscript.TestScript) {
	if v := f.collector.Violations(); len(v) > 0 {
		ts.Fatalf("the collector would have refused: %q", v)
	}
	for _, body := range f.collector.Bodies() {
		if strings.Contains(string(body), nobodysKey) {
			ts.Fatalf("a body holds the licence key: %s", body)
		}
	}
}
