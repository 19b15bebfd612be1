package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	secretBytes = 16 // 128 bits
	maxTokens   = 32 // tokens in one cookie; the oldest go first
	cookieAge   = 365 * 24 * time.Hour
)

// ErrTokens is returned for a cookie with more tokens than the site ever gives.
var ErrTokens = errors.New("the login cookie is too large: remove it and log in again")

// NewSecret returns the secret of a new token.
func NewSecret() string {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// HashSecret is what the store knows of a secret.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// CookieName follows the site's own address, not the request: behind a proxy that
// ends TLS the connection says nothing.
func CookieName(secure bool) string {
	if secure {
		return "__Host-token"
	}
	return "token"
}

// parseTokens reads the cookie's value: secrets joined by colons. What cannot be
// a secret is left out.
func parseTokens(value string) ([]string, error) {
	var out []string
	for secret := range strings.SplitSeq(value, ":") {
		if !ValidSecret(secret) || slices.Contains(out, secret) {
			continue
		}
		if len(out) == maxTokens {
			return nil, ErrTokens
		}
		out = append(out, secret)
	}
	return out, nil
}

// ValidSecret reports whether a text can be the secret of a token.
func ValidSecret(s string) bool {
	if len(s) < 16 || len(s) > 64 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// tokens returns the secrets that a request carries.
func (g *Gate) tokens(r *http.Request) ([]string, error) {
	c, err := r.Cookie(CookieName(g.Secure))
	if err != nil {
		return nil, nil //nolint:nilerr // no cookie is no error
	}
	return parseTokens(c.Value)
}

// setTokens gives the browser its cookie; no secrets take it away.
func (g *Gate) setTokens(w http.ResponseWriter, secrets []string) {
	age := int(cookieAge.Seconds())
	if len(secrets) == 0 {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the site's public address
		Name: CookieName(g.Secure), Value: strings.Join(secrets, ":"), Path: "/", MaxAge: age,
		HttpOnly: true, Secure: g.Secure, SameSite: http.SameSiteLaxMode,
	})
}
