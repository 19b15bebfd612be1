// Package ownprobe owns what a site and its own probes share, so that they are let in and
// nobody else sees them. It knows neither of other checks nor of what a probe finds.
package ownprobe

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"path/filepath"
	"sync/atomic"
	"time"

	"keepwatch/cmd/keepwatch/datadir"
	"keepwatch/config"
	"keepwatch/probe"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
)

// Tag is the tag of the pictures that our own probes bring. Nobody else has a
// code for it, so visitors do not see them.
const Tag = "probe"

// probeToken is how long a token of our own probes lives: longer than any journey.
const probeToken = time.Hour

// siteCode is the variable by which journeys know their code.
const siteCode = "site.code"

// Pass is what the site of this file and its own probes share: the key of
// their signatures and the code they log in with, which is made of that key. A
// process that probes, one that serves, and `keepwatch probe` thereby agree
// without a word between them.
type Pass struct {
	key  probe.Secret
	code string
	// awaits says that this process serves the site and has yet to store the code:
	// until then nobody has one.
	awaits bool
	stored atomic.Bool
}

// New takes the key of the file, or that of data_dir, which is made first
// when there is none; nil without a site.
func New(f *config.File, serves bool) (*Pass, error) {
	if f.Site == nil {
		return nil, nil //nolint:nilnil // a nil *Pass has neither key nor code
	}
	if key := f.Site.ProbeKey; key != "" {
		return &Pass{key: key, code: codeOf([]byte(key.Reveal())), awaits: serves}, nil
	}
	if err := datadir.Make(f.DataDir); err != nil {
		return nil, err
	}
	key, err := guard.LoadKey(filepath.Join(f.DataDir, "probe.key"))
	if err != nil {
		return nil, err
	}
	return &Pass{key: probe.Secret(key), code: codeOf(key), awaits: serves}, nil
}

// Key signs what the probes send; "" for nil.
func (o *Pass) Key() probe.Secret {
	if o == nil {
		return ""
	}
	return o.key
}

// codeOf makes the code of a key: 24 characters of Crockford's alphabet, 120 bits.
func codeOf(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("keepwatch-probe-code-v1"))
	return base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").EncodeToString(mac.Sum(nil)[:15])
}

// Is reports whether a code is that of the probes, which is for nobody else.
func (o *Pass) Is(code string) bool { return o != nil && code == o.code }

// Env adds what own probes need to what every check is given.
func (o *Pass) Env(env probe.Env) probe.Env {
	if o == nil {
		return env
	}
	env.ProbeKey = o.key
	env.Variables = func(name string) (probe.Secret, bool) {
		if name != siteCode || o.awaits && !o.stored.Load() {
			return "", false
		}
		return probe.Secret(o.code), true
	}
	return env
}

const (
	foundWithin = 10 * time.Second // how long an empty site may take to get its first pictures
	storeAgain  = 2 * time.Second
)

// Store keeps trying to store the code until the site has it, then waits for the
// end. An empty site is left alone for a moment: a tag of ours would make it look
// as if it were in use, and it would get no sample pictures.
func (o *Pass) Store(site gallery.Founding) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		patience := time.Now().Add(foundWithin)
		again := time.NewTicker(storeAgain)
		defer again.Stop()
		for !o.storeOnce(ctx, site, time.Now().After(patience)) {
			select {
			case <-ctx.Done():
				return nil
			case <-again.C:
			}
		}
		<-ctx.Done()
		return nil
	}
}

// storeOnce reports whether the site has the code now. Errors are the database's
// being away: health tells of that, and journeys are blind meanwhile.
func (o *Pass) storeOnce(ctx context.Context, site gallery.Founding, evenEmpty bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	w, err := site.Welcome(ctx)
	if err != nil || w.Empty && !evenEmpty {
		return false
	}
	err = site.MakeCode(ctx, gallery.ImportedCode{
		Tag: Tag, Now: time.Now().UTC(), Code: gallery.Code{Code: o.code, Level: gallery.Write, TokenLife: probeToken},
	})
	if err != nil && !errors.Is(err, gallery.ErrTaken) {
		return false
	}
	o.stored.Store(true)
	return true
}
