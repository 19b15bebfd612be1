package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"keepwatch/probe"
)

// Role is what the holder of a token may do.
type Role string

// The roles, each with all that the one before it may.
const (
	View  Role = "view"  // read incidents, pages and plans
	Acker Role = "ack"   // acknowledge, note, silence and close incidents
	Admin Role = "admin" // page people by hand
)

// allows reports whether a role includes another.
func (r Role) allows(need Role) bool {
	rank := map[Role]int{View: 1, Acker: 2, Admin: 3}
	return rank[r] >= rank[need] && rank[need] > 0
}

// Token lets somebody use the console's API, and its pages when they ask for a log-in.
type Token struct {
	// Name says whose token it is; changes made with it are recorded under this name. Required. Example: phone-of-ada.
	Name string `yaml:"name"`
	// Role is what its holder may do: view (read), ack (acknowledge, note, silence and close incidents) or admin
	// (page people by hand too). Default: view.
	Role Role `yaml:"role"`
	// Token is the secret itself, at least 20 characters. Required. Example: "${KEEPWATCH_TOKEN_PHONE}".
	Token probe.Secret `yaml:"token"`
}

// minToken is the fewest characters of a token that cannot be guessed.
const minToken = 20

// Validate reports every mistake.
func (c *Config) Validate(report func(path, msg string)) {
	names := map[string]bool{}
	for i, t := range c.Tokens {
		at := fmt.Sprintf("tokens[%d].", i)
		switch {
		case t.Name == "":
			report(at+"name", "is missing (write whose token it is)")
		case names[t.Name]:
			report(at+"name", "stands there twice (give each token a name of its own)")
		}
		names[t.Name] = true
		switch t.Role {
		case "", View, Acker, Admin:
		default:
			report(at+"role", "must be view, ack or admin")
		}
		if len(t.Token.Reveal()) < minToken {
			report(at+"token", "is missing or too short to be safe (at least 20 characters; openssl rand -base64 24 makes one)")
		}
	}
	if c.LogIn && len(c.Tokens) == 0 {
		report("log_in", "needs at least one token, or nobody could log in (add tokens)")
	}
}

// Local is the bearer with which commands on this machine use the API: whoever may
// read the key in data_dir may do everything.
func (s Signer) Local() string { return s.mac("local control") }

// FeedToken is what makes the address of a calendar unguessable; kind is "rotation"
// or "person".
func (s Signer) FeedToken(kind, name string) string { return s.mac("calendar " + kind + " " + name) }

// FeedURL is the address of a calendar for subscriptions. It holds for good:
// only a new key ends it.
func (s Signer) FeedURL(base, kind, name string) string {
	return base + "/calendar/" + kind + "/" + url.PathEscape(name) + ".ics?token=" + s.FeedToken(kind, name)
}

// mac signs a text that begins with a word; those of links begin with a number, so
// that neither can pass for the other.
func (s Signer) mac(text string) string {
	h := hmac.New(sha256.New, s.Key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// same compares secrets in constant time; an empty one is never right.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return a != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// caller is who makes a request.
type caller struct {
	name string // "" for somebody at this machine
	role Role
}

// knows returns whose secret this is.
func (s *Server) knows(secret string) (caller, bool) {
	var found caller
	ok := false
	if len(s.Signer.Key) > 0 && same(secret, s.Signer.Local()) {
		found, ok = caller{role: Admin}, true
	}
	for _, t := range s.tokens() {
		if same(secret, t.Token.Reveal()) && !ok {
			role := t.Role
			if role == "" {
				role = View
			}
			found, ok = caller{name: t.Name, role: role}, true
		}
	}
	return found, ok
}

// tokens are those in force.
func (s *Server) tokens() []Token {
	if s.Tokens != nil {
		return s.Tokens()
	}
	return s.Config.Tokens
}

// bearer returns who sent an Authorization header.
func (s *Server) bearer(r *http.Request) (caller, bool) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return caller{}, false
	}
	return s.knows(strings.TrimSpace(secret))
}

// visitor is who looks at a page: anybody while no log-in is asked for, as
// somebody of no name. The password is a token; the user's name is for people.
func (s *Server) visitor(r *http.Request) (caller, bool) {
	if !s.Config.LogIn {
		return caller{role: Admin}, true
	}
	if c, ok := s.bearer(r); ok {
		return c, true
	}
	_, password, ok := r.BasicAuth()
	if !ok {
		return caller{}, false
	}
	return s.knows(password)
}

// page lets a request pass to a page for people of at least a role.
func (s *Server) page(need Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := s.visitor(r)
		switch {
		case !ok:
			w.Header().Set("WWW-Authenticate", `Basic realm="Keepwatch: any name, a token as password", charset="UTF-8"`)
			s.fail(w, r, ErrLogIn)
		case !who.role.allows(need):
			s.fail(w, r, ErrRole)
		default:
			next(w, r)
		}
	}
}

// api lets a request pass to the API: there is no access without a bearer.
func (s *Server) api(need Role, next func(w http.ResponseWriter, r *http.Request, who caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := s.bearer(r)
		switch {
		case !ok:
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.fail(w, r, ErrLogIn)
		case !who.role.allows(need):
			s.fail(w, r, ErrRole)
		default:
			next(w, r, who)
		}
	}
}
