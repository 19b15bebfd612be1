package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ProbeHeader carries the signature of our own probes; decision 8 describes it.
const ProbeHeader = "X-Keepwatch-Probe"

const (
	minKey     = 16 // bytes a key must have
	signedFor  = time.Minute
	nonces     = 8192
	isSigned   = "valid" // stands in ProbeHeader behind the guard
	minNonce   = 16
	maxNonce   = 43
	longSigned = 128 // no signature is longer
)

// Sign returns the value of [ProbeHeader] for one request: its method, and its
// path as it stands in the request line, without query. nonce is 16 to 43
// characters of [A-Za-z0-9_-] that are used once.
func Sign(key []byte, at time.Time, nonce, method, path string) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	return unix + "." + nonce + "." + base64.RawURLEncoding.EncodeToString(signature(key, unix, nonce, method, path))
}

func signature(key []byte, unix, nonce, method, path string) []byte {
	if path == "" {
		path = "/"
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("keepwatch-probe-v1\n" + unix + "\n" + nonce + "\n" + method + "\n" + path))
	return mac.Sum(nil)
}

// Signed reports whether a request that came through [Guard.Handler] was signed
// by one of our own probes.
func Signed(r *http.Request) bool { return r.Header.Get(ProbeHeader) == isSigned }

// signed checks the signature of a request and puts its verdict where [Signed]
// finds it; what the sender wrote there does not get past.
func (g *Guard) signed(r *http.Request, now time.Time) bool {
	values := r.Header[ProbeHeader]
	if len(values) == 0 {
		return false
	}
	r.Header.Del(ProbeHeader)
	if len(values) != 1 || !g.validSignature(values[0], r, now) {
		g.count.badSigned.Add(1)
		return false
	}
	r.Header.Set(ProbeHeader, isSigned)
	g.count.signed.Add(1)
	return true
}

func (g *Guard) validSignature(value string, r *http.Request, now time.Time) bool {
	if len(value) > longSigned {
		return false
	}
	unix, rest, _ := strings.Cut(value, ".")
	nonce, mac, _ := strings.Cut(rest, ".")
	at, err := strconv.ParseInt(unix, 10, 64)
	if err != nil || now.Sub(time.Unix(at, 0)).Abs() > signedFor || !validNonce(nonce) {
		return false
	}
	sent, err := base64.RawURLEncoding.Strict().DecodeString(mac)
	if err != nil || !hmac.Equal(sent, signature(g.opts.Key, unix, nonce, r.Method, r.URL.EscapedPath())) {
		return false
	}
	return g.nonces.first(nonce, now) // last: only right signatures take memory
}

func validNonce(s string) bool {
	if len(s) < minNonce || len(s) > maxNonce {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
