// Package nginxtest starts a real nginx before servers of a test or a
// benchmark. It knows nothing of what it stands before.
package nginxtest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// startFor is how long nginx may take to answer.
const startFor = 10 * time.Second

// Front is what nginx does.
type Front struct {
	// Upstreams are addresses that requests are passed to, in turn, over kept connections.
	Upstreams []string
	// Root is a directory of files to serve when there is no upstream.
	Root string
	// Workers is the number of processes; 0 is 1.
	Workers int
	// Extra stands in the location, such as lines for a cache.
	Extra string
	// HTTP stands in the block http, such as proxy_cache_path.
	HTTP string
}

const config = `daemon off;
worker_processes {{.Workers}};
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log;
{{if .Super}}user root;{{end}}
events { worker_connections 8192; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 65;
  lingering_close off;
  keepalive_requests 1000000;
  client_max_body_size 0;
  client_body_temp_path {{.Dir}}/body;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
  types { image/jpeg jpg; }
  {{.HTTP}}
  {{- if .Upstreams}}
  upstream site {
    {{- range .Upstreams}}
    server {{.}};
    {{- end}}
    keepalive 64;
    keepalive_requests 1000000;
  }
  {{- end}}
  server {
    listen {{.Listen}} backlog=4096;
    location / {
      {{- if .Upstreams}}
      proxy_pass http://site;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      {{- else}}
      root {{.Root}};
      {{- end}}
      {{.Extra}}
    }
  }
}
`

// Start starts nginx and returns its address; it ends with the test. Without
// nginx on the machine the test fails, with -short it is skipped.
func Start(tb testing.TB, f Front) (addr string) {
	tb.Helper()
	binary, err := find()
	if err != nil {
		if testing.Short() {
			tb.Skip(err)
		}
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "keepwatch-nginx-") //nolint:usetesting // a test's own directory may have a name too long for nginx
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	addr = free(tb)
	var text bytes.Buffer
	f.Workers = max(f.Workers, 1)
	conf, err := template.New("nginx.conf").Parse(config)
	if err != nil {
		tb.Fatal(err)
	}
	err = conf.Execute(&text, struct {
		Front
		Dir, Listen string
		Super       bool
	}{f, dir, addr, os.Getuid() == 0})
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	run(tb, exec.CommandContext(context.WithoutCancel(tb.Context()), binary, "-p", dir, "-c", path, "-e", filepath.Join(dir, "error.log")), addr, dir) //nolint:gosec // our own arguments
	return addr
}

func run(tb testing.TB, cmd *exec.Cmd, addr, dir string) {
	tb.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }) // TERM ends its workers too
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startFor); ; <-tick.C {
		if c, err := (&net.Dialer{Timeout: time.Second}).DialContext(tb.Context(), "tcp", addr); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log")) //nolint:gosec // our own directory; only to say more
			tb.Fatalf("nginx does not answer on %s:\n%s%s", addr, out.String(), log)
		}
	}
}

func find() (string, error) {
	if p, err := exec.LookPath("nginx"); err == nil {
		return p, nil
	}
	for _, p := range []string{"/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", errors.New("there is no nginx on this machine: deploy/need nginx installs it")
}

func free(tb testing.TB) string {
	tb.Helper()
	ln, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
