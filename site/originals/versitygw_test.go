package originals_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keepwatch/site/originals"
	"keepwatch/site/originals/storetest"
)

// gatewayEnv names the program versitygw: make test-s3 sets it.
const gatewayEnv = "KEEPWATCH_TEST_VERSITYGW"

// startGateway starts a real S3 server that keeps buckets as folders of the
// returned directory, and ends it with the test.
func startGateway(t *testing.T) (dir, endpoint string) {
	t.Helper()
	program := os.Getenv(gatewayEnv)
	if program == "" {
		t.Skip("needs versitygw: run make test-s3")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "--port", address, "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID=access", "ROOT_SECRET_ACCESS_KEY=secret-of-the-test")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // by its id; it may have ended by itself
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", output.String())
		}
	})
	for start := time.Now(); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return dir, "http://" + address
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("the server does not listen: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// TestRealS3 runs the suite on a server that checks signatures and checksums.
//
//nolint:paralleltest // one of its parts changes the environment
func TestRealS3(t *testing.T) {
	dir, endpoint := startGateway(t)
	var buckets atomic.Int32
	fresh := func(t *testing.T) string {
		t.Helper()
		bucket := fmt.Sprintf("pictures-%d", buckets.Add(1))
		if err := os.Mkdir(filepath.Join(dir, bucket), 0o700); err != nil {
			t.Fatal(err)
		}
		return "s3://" + bucket + "/some/prefix?endpoint=" + url.QueryEscape(endpoint)
	}
	t.Run("conforms", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) func() originals.Store {
			t.Helper()
			place := fresh(t)
			return func() originals.Store { return mustNew(t, place) }
		})
	})
	t.Run("a bucket that is not there", func(t *testing.T) {
		s := mustNew(t, "s3://nobody-made-this?endpoint="+url.QueryEscape(endpoint))
		_, content := storetest.Make(1, 1)
		_, err := s.Open(t.Context(), content)
		for what, err := range map[string]error{"Check": s.Check(t.Context()), "Open": err} {
			if err == nil || errors.Is(err, originals.ErrNotFound) || !strings.Contains(err.Error(), "NoSuchBucket") {
				t.Errorf("%s: %v, want NoSuchBucket", what, err)
			}
		}
	})
	t.Run("a wrong secret", func(t *testing.T) {
		place := fresh(t)
		data, content := storetest.Make(1, 1000)
		if err := mustNew(t, place).Put(t.Context(), content, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
		s := mustNew(t, place)
		_, openErr := s.Open(t.Context(), content)
		_, listErr := s.List(t.Context(), "", 1)
		for what, err := range map[string]error{
			"Put": s.Put(t.Context(), content, bytes.NewReader(data)), "Open": openErr, "List": listErr,
			"Delete": s.Delete(t.Context(), content), "Check": s.Check(t.Context()),
		} {
			if err == nil || !strings.Contains(err.Error(), "403 SignatureDoesNotMatch") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want 403 SignatureDoesNotMatch and no secret", what, err)
			}
		}
	})
}
