package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this very program as the command keepwatch.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"keepwatch": func() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts is the program as a user meets it: commands, daemons, signals.
func TestScripts(t *testing.T) {
	t.Parallel()
	// The server of an embedded database runs as another user when the tests run
	// as root, and must be able to reach the scripts' directories.
	root, err := os.MkdirTemp("", "keepwatch-scripts-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		WorkdirRoot:         root,
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Condition:           scriptCondition,
		Cmds: withBadDays(t, map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await, "acknowledge": acknowledge, "target": switchTarget, "page": seePage,
		}),
	})
}

// setupScript gives each script ports of its own and a target to watch.
func setupScript(env *testscript.Env) error {
	env.Setenv("KEEPWATCH_POSTGRES_BIN", os.Getenv("KEEPWATCH_POSTGRES_BIN"))
	example, err := filepath.Abs(filepath.Join("..", "..", "keepwatch.example.yaml"))
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLE", example)
	env.Setenv("SCENARIOS", filepath.Join(filepath.Dir(example), "docs", "scenarios"))
	for _, name := range []string{"CONSOLE", "SITE", "STANDIN", "TARGET", "GATE", "CATCH", "OTHER"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		env.Setenv(name, ln.Addr().String())
		if err := ln.Close(); err != nil {
			return err
		}
	}
	s := &target{}
	env.Values[targetKey{}] = s
	env.Defer(s.stop)
	setupBadDays(env)
	return os.Chmod(env.WorkDir, 0o755)
}

type targetKey struct{}

// target is the site that a script watches, in the test's own process.
type target struct{ srv *http.Server }

func (s *target) stop() {
	if s.srv != nil {
		_ = s.srv.Close()
		s.srv = nil
	}
}

// switchTarget is the script command `target up|down|PATH`: with a path that one
// answers 507, the others are fine.
func switchTarget(ts *testscript.TestScript, _ bool, args []string) {
	s, ok := ts.Value(targetKey{}).(*target)
	if !ok || len(args) != 1 {
		ts.Fatalf("usage: target up|down|PATH")
	}
	s.stop()
	if args[0] == "down" {
		return
	}
	ln, err := net.Listen("tcp", ts.Getenv("TARGET"))
	ts.Check(err)
	s.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == args[0] {
			w.WriteHeader(http.StatusInsufficientStorage)
			_, _ = io.WriteString(w, "no room for "+r.FormValue("password")) // some sites say back what they were sent
		}
		_, _ = io.WriteString(w, "<title>fine</title>")
	})}
	go func() { _ = s.srv.Serve(ln) }() // ends with stop
}

// await is the script command `await URL REGEXP`: it polls until the answer
// matches. `! await` polls until it matches no more. It gives up after a minute.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await URL REGEXP")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		body, err := call(ctx, http.MethodGet, args[0])
		if err == nil && want.MatchString(body) != neg {
			return
		}
		if last = body; err != nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s never matched %q (negated: %v); last:\n%s", args[0], args[1], neg, last)
		case <-tick.C:
		}
	}
}

// acknowledge is the script command `acknowledge STANDIN FILE PERSON`: a person
// acknowledges, at the stand-in, the incident that the file's first JSON object names.
func acknowledge(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: acknowledge STANDIN FILE PERSON")
	}
	var in incidentLine
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile(args[1]))).Decode(&in))
	_, err := call(context.Background(), http.MethodPost, "http://"+args[0]+"/_ack?dedup_key="+in.ID+"&by="+args[2])
	ts.Check(err)
}

// seePage is the script command `page FILE REGEXP`: the console's page of the
// incident that the file's first JSON object names matches.
func seePage(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: page FILE REGEXP")
	}
	var in incidentLine
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile(args[0]))).Decode(&in))
	await(ts, neg, []string{"http://" + ts.Getenv("CONSOLE") + "/incidents/" + in.ID, args[1]})
}

// call returns the body whatever the status of a GET is: health answers 503 too.
func call(ctx context.Context, method, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test, with a deadline
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if method != http.MethodGet && resp.StatusCode >= http.StatusBadRequest {
		err = errors.Join(err, fmt.Errorf("%s %s: status %d: %s", method, url, resp.StatusCode, strings.TrimSpace(string(body))))
	}
	return string(body), err
}
