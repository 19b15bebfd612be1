package site

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
	crockford   = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // no I, L, O, U: https://www.crockford.com/base32.html
	codeLength  = 8                                  // 40 bits
	maxCode     = 64                                 // an operator may choose the words of a code
	secretBytes = 16                                 // 128 bits
	maxTokens   = 32                                 // tokens in one cookie; the oldest go first
	cookieAge   = 365 * 24 * time.Hour
)

// errTokens is returned for a cookie with more tokens than the site ever gives.
var errTokens = errors.New("the login cookie is too large: remove it and log in again")

// NewCode returns a new random code in normal form; show it with [FormatCode].
func NewCode() string {
	raw := make([]byte, codeLength)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	for i, b := range raw {
		raw[i] = crockford[b&31]
	}
	return string(raw)
}

// FormatCode groups a code for reading: ABCD-EFGH. Codes of another length stay
// as they are.
func FormatCode(code string) string {
	if len(code) != codeLength {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// NormaliseCode returns the form in which codes are kept and compared: upper case,
// no spaces or dashes, O read as 0, I and L as 1. It returns "" for what can be
// no code.
func NormaliseCode(in string) string {
	if len(in) > 4*maxCode {
		return ""
	}
	var out strings.Builder
	for _, c := range strings.ToUpper(in) {
		switch {
		case c == ' ' || c == '-' || c == '\t':
		case c == 'O':
			out.WriteByte('0')
		case c == 'I' || c == 'L':
			out.WriteByte('1')
		case (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'):
			out.WriteRune(c)
		default:
			return ""
		}
	}
	if out.Len() > maxCode {
		return ""
	}
	return out.String()
}

// newSecret returns the secret of a new token.
func newSecret() string {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// hashSecret is what the store knows of a secret.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// cookieName follows the site's own address, not the request: behind a proxy that
// ends TLS the connection says nothing.
func cookieName(secure bool) string {
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
		if !validSecret(secret) || slices.Contains(out, secret) {
			continue
		}
		if len(out) == maxTokens {
			return nil, errTokens
		}
		out = append(out, secret)
	}
	return out, nil
}

func validSecret(s string) bool {
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
func (s *Site) tokens(r *http.Request) ([]string, error) {
	c, err := r.Cookie(cookieName(s.secure))
	if err != nil {
		return nil, nil //nolint:nilerr // no cookie is no error
	}
	return parseTokens(c.Value)
}

// setTokens gives the browser its cookie; no secrets take it away.
func (s *Site) setTokens(w http.ResponseWriter, secrets []string) {
	age := int(cookieAge.Seconds())
	if len(secrets) == 0 {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the site's public address
		Name: cookieName(s.secure), Value: strings.Join(secrets, ":"), Path: "/", MaxAge: age,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
}
