package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// ProbeHeader carries the signature of our own probes; decision 8 describes it.
const ProbeHeader = "X-Keepwatch-Probe"

// minKey is how many bytes a key must have.
const minKey = 16

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

// LoadKey returns the key that a file holds, and writes a new random one there
// first when there is none. Many processes may do so at once and get the same.
func LoadKey(string) ([]byte, error) { panic("not yet") }
