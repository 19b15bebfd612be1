package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/gallery"
)

// siteCode logs visitors in; it may write.
const siteCode = "BENCHMARKC0DE"

// album is what the processes of one site share: a database, originals, a code.
type album struct {
	b      *testing.B
	bin    string
	dir    string
	dsn    string
	limits string // lines of YAML in site.limits
}

func newAlbum(b *testing.B, limits string) *album {
	b.Helper()
	dir := b.TempDir()
	a := &album{b: b, bin: filepath.Join(dir, "keepwatch"), dir: dir, dsn: pgtest.DSN(b), limits: limits}
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", a.bin, "keepwatch/cmd/keepwatch").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	err := postgres.Photos{DB: pgtest.Open(b, a.dsn)}.MakeCode(b.Context(), gallery.ImportedCode{
		Code: gallery.Code{Code: siteCode, Level: gallery.Write}, Tag: "bench", Now: time.Now().UTC(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// siteProcess is one running site.
type siteProcess struct {
	addr  string
	cache string
	cmd   *exec.Cmd
}

// serve starts the n-th site process and waits until it is ready.
func (a *album) serve(n int) *siteProcess {
	a.b.Helper()
	p := &siteProcess{addr: freeAddr(a.b), cache: filepath.Join(a.dir, "cache"+strconv.Itoa(n))}
	config := filepath.Join(a.dir, "kw"+strconv.Itoa(n)+".yaml")
	text := fmt.Sprintf(`version: 1
data_dir: %[4]s-data
database: {url: %[2]q}
checks: [{name: site, every: 1h, tcp: {address: "%[3]s"}}]
site:
  listen: %[3]s
  admin_listen: "off"
  probe_key: "the key that all processes share"
  originals: %[1]s/originals
  cache: {dir: %[4]s}
  uploads: {dir: %[1]s/uploads}
  trusted_proxies: [127.0.0.1]
  limits:
    browse: 1000000/s
%[5]s`, a.dir, a.dsn, p.addr, p.cache, a.limits)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		a.b.Fatal(err)
	}
	p.cmd = exec.CommandContext(a.b.Context(), a.bin, "run", "--quiet", "--roles", "site", "--config", config)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log bytes.Buffer
	p.cmd.Stdout, p.cmd.Stderr = &log, &log
	if err := p.cmd.Start(); err != nil {
		a.b.Fatal(err)
	}
	a.b.Cleanup(p.stop)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		if resp, err := http.Get("http://" + p.addr + "/readyz"); err == nil { //nolint:forbidigo // a benchmark on loopback
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(end) {
			a.b.Fatalf("the site does not become ready: %s", log.String())
		}
	}
}

// stop ends the process; again is harmless.
func (p *siteProcess) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	}
}

// rss is what the process holds of memory now, in MiB.
func (p *siteProcess) rss(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}

func freeAddr(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// visitorAddr is the address that the n-th visitor's proxy tells of.
func visitorAddr(n int) string { return fmt.Sprintf("11.%d.%d.7", n/250%250, n%250) }

// login gives the n-th visitor a cookie of its own.
func login(b *testing.B, addr string, n int) string {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+addr+"/servlet/token", strings.NewReader(url.Values{"rc": {siteCode}}.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-For", visitorAddr(n))
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a benchmark on loopback
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) == 0 {
		text, _ := io.ReadAll(resp.Body)
		b.Fatalf("login %d: %d %s", n, resp.StatusCode, text)
	}
	c := resp.Cookies()[0]
	return c.Name + "=" + c.Value
}

// upload brings pictures through the site and returns their ids.
func upload(b *testing.B, addr string, files [][]byte) (ids []int64) {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 2 * time.Minute}
	do := func(path, kind string, body io.Reader, into any) {
		b.Helper()
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+addr+path, body)
		if err != nil {
			b.Fatal(err)
		}
		if body == nil {
			req.Method = http.MethodGet
		}
		req.Header.Set("Content-Type", kind)
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("%s: %d %s %v", path, resp.StatusCode, text, err)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				b.Fatal(err)
			}
		}
	}
	do("/servlet/token", "application/x-www-form-urlencoded", strings.NewReader("rc="+siteCode), nil)
	var tags []struct{ ID, Lvl int64 }
	do("/rest/tag", "", nil, &tags)
	for i, file := range files {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		if err := m.WriteField("tag", strconv.FormatInt(tags[0].ID, 10)); err != nil {
			b.Fatal(err)
		}
		part, err := m.CreateFormFile("file", strconv.Itoa(i)+".jpg")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := part.Write(file); err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		var got struct{ IDs []int64 }
		do("/rest/upload", m.FormDataContentType(), &body, &got)
		ids = append(ids, got.IDs...)
	}
	if len(ids) != len(files) {
		b.Fatalf("%d of %d pictures arrived", len(ids), len(files))
	}
	return ids
}

// scene draws a picture that is as hard to keep small as a photograph: grain says how much.
func scene(w, h, grain int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for y := range h {
		for x := range w {
			m.Y[y*m.YStride+x] = uint8(min(255, (x*200/w+y*50/h)+int(r.Uint32())%grain))
		}
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(100+seed*13%60), uint8(90+i*70/len(m.Cb))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 88}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// body fetches one answer in full.
func body(b *testing.B, addr, path, cookie string, n int) []byte {
	b.Helper()
	for try := 0; ; try++ {
		status, text, err := ask(b.Context(), addr, path, cookie, n)
		if err != nil {
			b.Fatal(err)
		}
		if status == http.StatusOK {
			return text
		}
		if try == 20 {
			b.Fatalf("%s: %d %s", path, status, text)
		}
	}
}

func ask(ctx context.Context, addr, path, cookie string, n int) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Cookie", cookie)
	req.Header.Set("X-Forwarded-For", visitorAddr(n))
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a benchmark on loopback
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}
