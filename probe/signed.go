package probe

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// probeHeader carries the signature of our own probes; docs/decisions/0008 says how.
const probeHeader = "X-Keepwatch-Probe"

// minProbeKey is the least number of bytes of a key, as decision 8 has it.
const minProbeKey = 16

// signer signs requests; the zero value leaves them unsigned.
type signer struct{ key Secret }

// sign signs one request at this moment. Each request is signed anew: a nonce is
// good once.
func (s signer) sign(header http.Header, method string, u *url.URL) {
	if s.key == "" {
		return
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // crypto/rand never fails
	header.Set(probeHeader, s.value(time.Now(), base64.RawURLEncoding.EncodeToString(nonce[:]), method, u.EscapedPath()))
}

// value is the header's value.
func (s signer) value(at time.Time, nonce, method, path string) string {
	if path == "" {
		path = "/"
	}
	unix := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.key.Reveal()))
	mac.Write([]byte("keepwatch-probe-v1\n" + unix + "\n" + nonce + "\n" + method + "\n" + path))
	return unix + "." + nonce + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// signing says with what a check signs: its own key, else the site's. unable
// means that it should sign and cannot.
func signing(wanted bool, own, site Secret) (s signer, unable bool) {
	if !wanted {
		return signer{}, false
	}
	if own == "" {
		own = site
	}
	return signer{own}, own == ""
}

// noKey is the look of a check that cannot sign: as a stranger it would tell
// something else than it was asked.
func noKey() Look {
	return Look{Blind: true, Fault: Fault{
		Class: ClassBroken, Phase: phaseConnect, Message: "there is no key to sign requests with: give probe_key, or site.probe_key",
	}}
}

// validateSigned reports mistakes around the signature.
func validateSigned(signed bool, key Secret, report func(path, msg string)) {
	switch {
	case key != "" && !signed:
		report("probe_key", "probe_key has no meaning without signed: true")
	case key != "" && len(key) < minProbeKey:
		report("probe_key", "the key is shorter than 16 bytes: write a longer one, such as openssl rand -hex 32 prints")
	}
}
