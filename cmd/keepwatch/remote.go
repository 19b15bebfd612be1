package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"keepwatch/config"
	"keepwatch/web"
)

// remote is the running daemon, through its console's API.
type remote struct{ base, token string }

// remote finds the daemon: that of KEEPWATCH_URL with KEEPWATCH_TOKEN, or the one
// of this machine, whose key this user must be allowed to read.
func (c *cli) remote(f *config.File) (*remote, error) {
	r := &remote{base: strings.TrimSuffix(os.Getenv("KEEPWATCH_URL"), "/"), token: os.Getenv("KEEPWATCH_TOKEN")}
	if r.base == "" {
		if r.base = f.ConsoleURL(); r.base == "" {
			return nil, errors.New("commands reach the daemon through its console: add a console block, or set KEEPWATCH_URL and KEEPWATCH_TOKEN")
		}
	}
	if r.token != "" {
		return r, nil
	}
	path := filepath.Join(f.DataDir, "secret.key")
	key, err := os.ReadFile(path) //nolint:gosec // below the operator's own data_dir
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("no daemon has run on data_dir %s: start it with keepwatch run, or set KEEPWATCH_TOKEN for one elsewhere", f.DataDir)
	case err != nil:
		return nil, fmt.Errorf("only the daemon's own user may use its key: %w (run this as that user, or set KEEPWATCH_TOKEN)", err)
	}
	r.token = web.Signer{Key: key}.Local()
	return r, nil
}

// errDown means that nothing answers where the daemon should be.
var errDown = errors.New("the daemon does not answer: is it running?")

// call makes one request. An answer that is no 2xx becomes an error with its sentence.
func (r *remote) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, send)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return fmt.Errorf("%w (%s)", errDown, r.base)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(got)))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(got, into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// incidents are those that the daemon knows; trouble is why resolved ones are missing.
func (r *remote) incidents(ctx context.Context) (list []web.IncidentFacts, trouble string, err error) {
	var got struct {
		Incidents []web.IncidentFacts `json:"incidents"`
		Trouble   string              `json:"trouble"`
	}
	err = r.call(ctx, http.MethodGet, "/api/v1/incidents", nil, &got)
	return got.Incidents, got.Trouble, err
}
