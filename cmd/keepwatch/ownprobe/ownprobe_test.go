package ownprobe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/config"
	"keepwatch/probe"
	"keepwatch/site/gallery"
)

// founding is a site that is empty or away for a while.
type founding struct {
	start   time.Time
	away    time.Duration // since start
	empty   time.Duration // since start
	made    []gallery.ImportedCode
	madeAt  time.Duration
	refuses error
}

var errSiteAway = errors.New("the database is away")

func (f *founding) Welcome(context.Context) (gallery.Welcome, error) {
	since := time.Since(f.start)
	if since < f.away {
		return gallery.Welcome{}, errSiteAway
	}
	return gallery.Welcome{Empty: since < f.empty}, nil
}

func (f *founding) Seed(context.Context, gallery.Seed) error { return errSiteAway }

func (f *founding) MakeCode(_ context.Context, c gallery.ImportedCode) error {
	f.made, f.madeAt = append(f.made, c), time.Since(f.start)
	return f.refuses
}

// TestOwnProbesStoreTheirCode: once, after the site was founded, and journeys are
// blind until then.
func TestOwnProbesStoreTheirCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		away, empty  time.Duration
		refuses      error
		early, later time.Duration // when the code is stored
	}{
		{name: "at once", early: 0, later: 0},
		{name: "after the first pictures", empty: 5 * time.Second, early: 5 * time.Second, later: 5*time.Second + storeAgain},
		{name: "a site that stays empty", empty: time.Hour, early: foundWithin, later: foundWithin + storeAgain},
		{name: "after an hour without a database", away: time.Hour, early: time.Hour, later: time.Hour + storeAgain},
		{name: "another process was first", refuses: gallery.ErrTaken},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				site := &founding{start: time.Now(), away: tc.away, empty: tc.empty, refuses: tc.refuses}
				o := &Pass{key: "0123456789abcdef", code: "PR0BE", awaits: true}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- o.Store(site)(ctx) }()
				variables := o.Env(probe.Env{}).Variables
				if tc.early > 0 {
					time.Sleep(tc.early - time.Millisecond)
					synctest.Wait()
					if _, ok := variables(siteCode); ok {
						t.Error("the code is told before the site has it")
					}
				}
				time.Sleep(2 * time.Hour)
				if code, ok := variables(siteCode); !ok || code.Reveal() != "PR0BE" {
					t.Errorf("got %v, want the code", ok)
				}
				if _, ok := variables("site.key"); ok {
					t.Error("another name is known")
				}
				if len(site.made) != 1 || site.madeAt < tc.early || site.madeAt > tc.later {
					t.Fatalf("stored %d times, last after %v; want once between %v and %v", len(site.made), site.madeAt, tc.early, tc.later)
				}
				if c := site.made[0]; c.Tag != "probe" || c.Code.Level != gallery.Write || c.Code.Code != "PR0BE" || c.Code.MaxUses != 0 || !c.Code.Expires.IsZero() {
					t.Errorf("stored %+v", c)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestOwnProbesAgree: a daemon and a command on the same data_dir have the same
// key and code, which a code of the site can be.
func TestOwnProbesAgree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kw.yaml")
	data := filepath.Join(t.TempDir(), "data")
	text := "version: 1\ndata_dir: " + data + "\nsite: {originals: " + data + "/originals}\nchecks: [{name: a, tcp: {address: \"127.0.0.1:1\"}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(config.Options{Path: path, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	daemon, err := New(f, true)
	if err != nil {
		t.Fatal(err)
	}
	command, err := New(f, false)
	if err != nil {
		t.Fatal(err)
	}
	if daemon.key != command.key || daemon.code != command.code || len(daemon.code) != 24 || gallery.NormaliseCode(daemon.code) != daemon.code {
		t.Errorf("codes of %d and %d characters; want the same 24", len(daemon.code), len(command.code))
	}
	if code, ok := command.Env(probe.Env{}).Variables(siteCode); !ok || !command.Is(code.Reveal()) || strings.Contains(code.String(), daemon.code) {
		t.Error("the command does not have the code")
	}
	f.Site = nil
	none, err := New(f, true)
	if env := none.Env(probe.Env{}); err != nil || env.Variables != nil || env.ProbeKey != "" || none.Is("") {
		t.Errorf("without a site: %+v, %v", env, err)
	}
}
