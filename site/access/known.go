package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"keepwatch/site/gallery"
)

// Known returns the hash of a valid token of the request if that can be said from
// memory alone. One cookie gives one hash, whatever else it holds.
func (g *Gate) Known(r *http.Request) (token [sha256.Size]byte, ok bool) {
	hashes := g.hashes(r)
	if len(hashes) == 0 {
		return token, false
	}
	now := time.Now()
	old, ok, _ := g.knownGrants.look(string(slices.Concat(hashes...)), now)
	if !ok || now.Sub(old.at) >= max(g.knownGrants.stale, freshFor) {
		return token, false
	}
	return valid(old.value, now)
}

// Ask is like Known, and asks the store for what is not known.
func (g *Gate) Ask(r *http.Request) (token [sha256.Size]byte, ok bool) {
	grants, err := g.grantsOf(r.Context(), g.hashes(r))
	if err != nil {
		return token, false // who cannot be told from a stranger is one
	}
	return valid(grants, time.Now())
}

// hashes are those of the request's secrets, in order; none for a cookie beyond use.
func (g *Gate) hashes(r *http.Request) [][]byte {
	secrets, err := g.tokens(r)
	if err != nil {
		return nil
	}
	return hashAll(secrets)
}

func hashAll(secrets []string) [][]byte {
	hashes := make([][]byte, len(secrets))
	for i, secret := range secrets {
		hashes[i] = HashSecret(secret)
	}
	slices.SortFunc(hashes, slices.Compare)
	return hashes
}

// valid returns the first unexpired of some grants.
func valid(grants []gallery.Grant, now time.Time) (token [sha256.Size]byte, ok bool) {
	var first []byte
	for _, g := range grants {
		if (g.Expires.IsZero() || now.Before(g.Expires)) && (first == nil || bytes.Compare(g.Token, first) < 0) {
			first = g.Token
		}
	}
	ok = copy(token[:], first) == len(token)
	return token, ok
}

// Believe sets for how long answers are believed while the store is away, in
// place of [StaleFor]. Call it before the first request.
func (g *Gate) Believe(stale time.Duration) {
	g.knownGrants.stale, g.knownPhotos.stale = stale, stale
	g.known.believe(stale)
}

// grantsOf returns what tokens allow, from memory when it is there.
func (g *Gate) grantsOf(ctx context.Context, hashes [][]byte) ([]gallery.Grant, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	return g.knownGrants.get(ctx, string(slices.Concat(hashes...)), func(ctx context.Context) ([]gallery.Grant, error) {
		return g.store.Grants(ctx, hashes)
	})
}
