package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ackLife is how long an acknowledgement link works: longer than any shift, shorter than a leak matters.
const ackLife = 7 * 24 * time.Hour

// Signer makes and checks the links with which a page can be acknowledged by
// whoever holds it. The key is random and lives in data_dir. Safe for concurrent use.
type Signer struct{ Key []byte }

// Link returns the address of the acknowledgement page of an incident for a
// person ("" when the channel decides who reads it), valid for seven days from now.
func (s Signer) Link(base, incident, person string, now time.Time) string {
	exp := strconv.FormatInt(now.Add(ackLife).Unix(), 10)
	q := url.Values{"by": {person}, "exp": {exp}, "sig": {s.sign(incident, person, exp)}}
	return base + "/ack/" + url.PathEscape(incident) + "?" + q.Encode()
}

// Check returns ErrBadLink unless the parameters were signed by this key and are not over.
func (s Signer) Check(incident string, q url.Values, now time.Time) error {
	want := s.sign(incident, q.Get("by"), q.Get("exp"))
	if len(s.Key) == 0 || !hmac.Equal([]byte(want), []byte(q.Get("sig"))) {
		return ErrBadLink
	}
	exp, err := strconv.ParseInt(q.Get("exp"), 10, 64)
	if err != nil || now.Unix() > exp {
		return ErrBadLink
	}
	return nil
}

func (s Signer) sign(incident, person, exp string) string {
	mac := hmac.New(sha256.New, s.Key)
	// Lengths keep ("ab","c") and ("a","bc") apart.
	fmt.Fprintf(mac, "%d:%s|%d:%s|%s", len(incident), incident, len(person), person, exp)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ackPage shows a button. A GET never acknowledges: mail scanners and chat
// previews open every link, and a page stopped by a robot is a lost page.
func (s *Server) ackPage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("incident")
	if err := s.Signer.Check(id, r.URL.Query(), s.now()); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "ack.html", ackView{Incident: id, By: r.URL.Query().Get("by")})
}

// ackSigned acknowledges with a signed link.
func (s *Server) ackSigned(w http.ResponseWriter, r *http.Request) {
	id, q := r.PathValue("incident"), r.URL.Query()
	if err := s.Signer.Check(id, q, s.now()); err != nil {
		s.fail(w, r, err)
		return
	}
	by := q.Get("by")
	if by == "" {
		by = "the holder of the page"
	}
	s.ack(w, r, id, by)
}

func (s *Server) ack(w http.ResponseWriter, r *http.Request, id, by string) {
	if err := s.Actor.Ack(r.Context(), id, by, s.now().UTC()); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/incidents/"+url.PathEscape(id), http.StatusSeeOther)
}

// ackView has no address for its form: it goes to the page's own, signature and all.
type ackView struct{ Incident, By string }
