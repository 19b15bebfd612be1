package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The proof of work: find a count so that SHA-256(seed "." count) begins with so
// many zero bits. Sixteen are what Anubis asks by default: 65,536 tries on
// average, a blink for one visitor and a bill for a flood.
const (
	workBits      = 16
	seedFor       = 5 * time.Minute // how long a task may take
	passFor       = time.Hour       // how long a solved one lasts
	seedsUsed     = 65536
	maxCount      = 20 // digits
	challengeWait = 30 * time.Second
	seedBytes     = 8 + 16 + 1 // when, random, bits
)

// Where the guard's own files and the answers to its challenges are.
const (
	ownPath    = "/guard/"
	answerPath = ownPath + "answer"
)

// challenge is what API clients are told.
type challenge struct {
	Algorithm string `json:"algorithm"`
	Seed      string `json:"seed"`
	Bits      int    `json:"bits"`
	Answer    string `json:"answer"`
	Help      string `json:"help"`
}

// worker makes and judges challenges and passes. Safe for concurrent use.
type worker struct {
	key    []byte
	secure bool
	used   *once
}

func newWorker(key []byte, secure bool) *worker {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("keepwatch-pass-v1")) // a key of its own: a pass is no signature of a probe
	return &worker{key: mac.Sum(nil), secure: secure, used: newOnce(seedsUsed, seedFor, true)}
}

func (k *worker) sum(kind, text string, client netip.Addr) []byte {
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte(kind + "\n" + text + "\n" + Narrow(client).String()))
	return mac.Sum(nil)
}

// seed is a new task for one client.
func (k *worker) seed(client netip.Addr, now time.Time) string {
	raw := make([]byte, seedBytes)
	binary.BigEndian.PutUint64(raw, uint64(now.Unix())) //nolint:gosec // never before 1970
	_, _ = rand.Read(raw[8:24])                         // never fails: it ends the program instead
	raw[24] = workBits
	return base64.RawURLEncoding.EncodeToString(append(raw, k.sum("seed", string(raw), client)...))
}

// solved judges an answer: our own task, given to this client, not too old, not
// used before, and the work done.
func (k *worker) solved(seed, count string, client netip.Addr, now time.Time) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(seed)
	if err != nil || len(raw) != seedBytes+sha256.Size || len(count) > maxCount {
		return false
	}
	if _, err := strconv.ParseUint(count, 10, 64); err != nil {
		return false
	}
	said := raw[:seedBytes]
	if !hmac.Equal(raw[seedBytes:], k.sum("seed", string(said), client)) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(said)), 0)) //nolint:gosec // we wrote it
	return age < seedFor && zeroBits(sha256.Sum256([]byte(seed+"."+count))) >= int(said[24]) && k.used.first(seed, now)
}

func zeroBits(sum [sha256.Size]byte) (n int) {
	for i := 0; i < len(sum); i += 8 {
		z := bits.LeadingZeros64(binary.BigEndian.Uint64(sum[i:]))
		n += z
		if z < 64 {
			break
		}
	}
	return n
}

func (k *worker) cookieName() string {
	if k.secure {
		return "__Host-pass"
	}
	return "pass"
}

// pass is the cookie of who solved a task.
func (k *worker) pass(client netip.Addr, now time.Time) *http.Cookie {
	until := strconv.FormatInt(now.Add(passFor).Unix(), 10)
	return &http.Cookie{ //nolint:gosec // Secure follows the site's public address
		Name: k.cookieName(), Value: until + "." + base64.RawURLEncoding.EncodeToString(k.sum("pass", until, client)),
		Path: "/", MaxAge: int(passFor / time.Second), HttpOnly: true, Secure: k.secure, SameSite: http.SameSiteLaxMode,
	}
}

// passed says whether a request has a pass, and whether it has one that is not good.
func (k *worker) passed(r *http.Request, client netip.Addr, now time.Time) (good, bad bool) {
	c, err := r.Cookie(k.cookieName())
	if err != nil {
		return false, false
	}
	until, mac, _ := strings.Cut(c.Value, ".")
	unix, err := strconv.ParseInt(until, 10, 64)
	if err != nil || now.Unix() >= unix {
		return false, true
	}
	sent, err := base64.RawURLEncoding.Strict().DecodeString(mac)
	good = err == nil && hmac.Equal(sent, k.sum("pass", until, client))
	return good, !good
}

// worthy reports whether a stranger need not solve a task now.
func (g *Guard) worthy(r *http.Request, now time.Time) bool {
	good, bad := g.work.passed(r, g.Client(r), now)
	if bad {
		g.count.forged.Add(1)
	}
	return good
}

// challenge answers with a task.
func (g *Guard) challenge(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	g.count.challenges.Add(1)
	seed := g.work.seed(g.Client(r), time.Now())
	if wantsPage(r) {
		g.page(w, refusal.Status, pageData{Text: "The site is very busy just now.", Form: true, Seed: seed, Bits: workBits, Answer: answerPath})
		return
	}
	writeJSON(w, r, refusal.Status, errorBody{
		Error: errorText{refusal.Code, refusal.Text},
		Challenge: &challenge{
			Algorithm: "sha256", Seed: seed, Bits: workBits, Answer: answerPath,
			Help: "find a decimal count so that SHA-256 of seed + \".\" + count begins with so many zero bits, post seed and count to answer as a form, and repeat the request with the cookie",
		},
	})
}

// answer takes the answer to a task and gives the pass.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	now, client := time.Now(), g.Client(r)
	if r.Method != http.MethodPost || r.ParseForm() != nil || !g.work.solved(r.PostForm.Get("seed"), r.PostForm.Get("count"), client, now) {
		g.count.forged.Add(1)
		writeJSON(w, r, http.StatusForbidden, errorBody{Error: errorText{"challenge", "this is not the answer to a task that was given to you, or it is too old"}})
		return
	}
	g.count.solved.Add(1)
	http.SetCookie(w, g.work.pass(client, now))
	w.WriteHeader(http.StatusNoContent)
}
