// Package access says who a request comes from and what it may see.
//
// It owns the login cookie, the secrets of tokens and the memory of answers of
// the store, so that a picture costs no query and known visitors see pictures
// while the store is away. It knows no pages, pictures or SQL.
package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"keepwatch/site/gallery"
)

const (
	redeemFor       = 5 * time.Second // deadline of one login
	knownVisitors   = 16384
	knownPhotoCount = 65536
)

// ErrAway is returned when nothing is known and the store cannot be asked.
var ErrAway = errors.New("the site cannot reach its database just now; please try again")

// Store is what a Gate asks.
type Store interface {
	Grants(ctx context.Context, hashes [][]byte) ([]gallery.Grant, error)
	Redeem(ctx context.Context, r gallery.Redemption) (gallery.Grant, error)
	Photo(ctx context.Context, id int64) (gallery.Photo, error)
	Find(ctx context.Context, f gallery.Filter) ([]gallery.Photo, error)
}

// Tries limits how often a client may type a wrong code.
type Tries interface {
	// Try takes a place before a code is tried, or says why not. giveBack, never nil,
	// returns the place of a try that succeeded or was not judged.
	Try(r *http.Request) (giveBack func(), err error)
}

// Gate stands before everything that needs a token. Make it with [New]; safe for
// concurrent use.
type Gate struct {
	// Secure says that the site's public address is https.
	Secure bool

	store Store
	lists Lists
	tries Tries

	knownGrants *memory[[]gallery.Grant]
	knownPhotos *memory[gallery.Photo]
	known       lists
}

// New makes a gate.
func New(store Store, secure bool, tries Tries) *Gate {
	g := &Gate{
		Secure: secure, store: store, tries: tries,
		knownGrants: newMemory(knownVisitors, func(g []gallery.Grant) bool { return len(g) == 0 }),
		knownPhotos: newMemory(knownPhotoCount, func(p gallery.Photo) bool { return p.ID == 0 }),
		known:       newLists(),
	}
	g.lists, _ = store.(Lists) // becomes a part of Store as soon as the store has it
	return g
}

// grants returns what a set of secrets allows, from memory when it is there.
func (g *Gate) grants(ctx context.Context, secrets []string) ([]gallery.Grant, error) {
	return g.grantsOf(ctx, hashAll(secrets))
}

// Visitor says what the sender of a request may do. A request without a usable
// token costs the store nothing. The errors are [ErrTokens] and [ErrAway].
func (g *Gate) Visitor(r *http.Request) (gallery.Visitor, error) {
	secrets, err := g.tokens(r)
	if err != nil {
		return gallery.Visitor{}, err
	}
	grants, err := g.grants(r.Context(), secrets)
	if err != nil {
		return gallery.Visitor{}, Away(r.Context(), err)
	}
	return gallery.NewVisitor(grants, time.Now()), nil
}

// Away hides why the store failed from visitors and keeps it for the log. The
// store's answers to wrong questions pass as they are.
func Away(ctx context.Context, err error) error {
	if answered(err) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err() // the visitor left
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// Login turns a code into a token and puts it into the cookie of the answer. A
// code that cannot be one counts as wrong like any other. The errors are
// [gallery.ErrCode], [ErrAway] and those of [Tries].
func (g *Gate) Login(w http.ResponseWriter, r *http.Request, typed string) (gallery.Grant, error) {
	now := time.Now()
	giveBack, err := g.tries.Try(r)
	if err != nil {
		return gallery.Grant{}, err
	}
	code := gallery.NormaliseCode(typed)
	if code == "" {
		return gallery.Grant{}, gallery.ErrCode
	}
	secret := NewSecret()
	grant, err := g.redeem(r, code, secret, now)
	if err == nil {
		giveBack()
		g.setTokens(w, g.withToken(r, secret, now))
		return grant, nil
	}
	if !errors.Is(err, gallery.ErrCode) {
		giveBack() // our failure, not the visitor's
	}
	return gallery.Grant{}, err
}

// Logout takes the cookie away.
func (g *Gate) Logout(w http.ResponseWriter) { g.setTokens(w, nil) }

// redeem asks the store with a deadline of its own.
func (g *Gate) redeem(r *http.Request, code, secret string, now time.Time) (gallery.Grant, error) {
	ctx, cancel := context.WithTimeout(r.Context(), redeemFor)
	defer cancel()
	grant, err := g.store.Redeem(ctx, gallery.Redemption{Code: code, Token: HashSecret(secret), Now: now.UTC()})
	if err == nil || errors.Is(err, gallery.ErrCode) {
		return grant, err
	}
	return gallery.Grant{}, Away(r.Context(), err)
}

// withToken returns the secrets of the request that still allow something, and
// the new one as the last.
func (g *Gate) withToken(r *http.Request, secret string, now time.Time) []string {
	old, err := g.tokens(r)
	if err != nil {
		return []string{secret}
	}
	if grants, err := g.grants(r.Context(), old); err == nil {
		old = slices.DeleteFunc(old, func(secret string) bool {
			return !slices.ContainsFunc(grants, func(g gallery.Grant) bool {
				return bytes.Equal(g.Token, HashSecret(secret)) && (g.Expires.IsZero() || now.Before(g.Expires))
			})
		})
	}
	if len(old) >= maxTokens {
		old = old[len(old)-maxTokens+1:]
	}
	return append(old, secret)
}

// Forget drops what is remembered and has changed, so that people see at once
// what they did. The zero value means that anything may have changed. Lists and
// grants are asked again, and what is known stays for the case that the store is
// away.
func (g *Gate) Forget(c gallery.Change) {
	now := time.Now()
	switch {
	case c.Token != nil:
		g.knownGrants.doubt(now)
	case c.Photo != 0:
		g.knownPhotos.forget(strconv.FormatInt(c.Photo, 10))
	default:
		g.knownGrants.doubt(now)
		g.knownPhotos.doubt(now)
	}
	g.known.doubt(now)
}
