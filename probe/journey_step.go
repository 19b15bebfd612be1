package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// maxCaptured bounds one captured value: an id or a token, not a page.
const maxCaptured = 4 << 10

// journeyStep is one step, made ready. It is not changed by making it, so safe for
// concurrent use.
type journeyStep struct {
	conf    *JourneyStep // with defaults
	title   string       // as messages call it: "step 3 picture"
	cleanup bool
	judge   webJudge
	paths   map[string][]step // captures from JSON
	names   []string          // every value that the request and the expectations use
	files   []drawn
}

// drawn is a file to upload.
type drawn struct {
	header textproto.MIMEHeader
	bytes  []byte
	fresh  bool
}

func newJourneyStep(j *Journey, conf *JourneyStep, title string) (journeyStep, error) {
	s := journeyStep{conf: conf, title: title, paths: map[string][]step{}}
	var err error
	if s.judge, err = newWebJudge(&conf.Expect, conf.Challenge == "allow"); err != nil {
		return s, fmt.Errorf("%s: %w", title, err)
	}
	for name, c := range conf.Capture {
		s.judge.wants = s.judge.wants || c.JSON != "" || !c.Regex.IsZero()
		if c.JSON == "" {
			continue
		}
		if s.paths[name], err = parsePath(c.JSON); err != nil {
			return s, fmt.Errorf("%s: %w", title, err)
		}
	}
	for _, t := range conf.texts("") {
		names, err := namesIn(t.text)
		if err != nil {
			return s, fmt.Errorf("%s: %w", title, err)
		}
		s.names = append(s.names, names...)
	}
	if strings.HasPrefix(conf.Request.URL, "/") && j.Base == "" {
		return s, fmt.Errorf("%s: its address has no base", title)
	}
	for _, f := range conf.Request.Files {
		picture, err := draw(f.Picture.Width, f.Picture.Height)
		if err != nil {
			return s, fmt.Errorf("%s: %w", title, err)
		}
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", multipart.FileContentDisposition(f.Field, f.Name))
		header.Set("Content-Type", "image/jpeg")
		s.files = append(s.files, drawn{header, picture, f.Picture.Fresh})
	}
	return s, nil
}

// request makes the request of a step in a run.
func (s *journeyStep) request(r *journeyRun) (*webRequest, error) {
	q := &s.conf.Request
	given := make(map[string]string, len(q.Headers))
	for name, value := range q.Headers {
		given[name] = r.fill(value.Reveal(), nil)
		if strings.ContainsAny(given[name], "\r\n\x00") {
			return nil, fmt.Errorf("a value in the header %s has a line break in it", name)
		}
	}
	req := &webRequest{
		method: q.Method, hops: s.conf.Redirects.Hops(), open: r.conf.AllowLinkLocal,
		limit: bodyLimit(s.conf.MaxBody, s.conf.Expect.MaxSize),
	}
	req.header, req.private, req.host = headers(given)
	if s.conf.Cookies != cookiesNone {
		req.jar = r.jar
	}
	ours, err := s.address(r, req)
	if err != nil {
		return nil, err
	}
	if ours {
		req.signer = r.signer
	} else {
		for _, name := range req.private {
			req.header.Del(name)
		}
		req.host = ""
	}
	return req, s.fillBody(r, req)
}

// address fills the URL of a request and reports whether the file, not the site,
// says which host that is.
func (s *journeyStep) address(r *journeyRun, req *webRequest) (ours bool, err error) {
	source := s.conf.Request.URL
	places, err := parseText(source)
	if err != nil {
		return false, err
	}
	var b strings.Builder
	if strings.HasPrefix(source, "/") {
		b.WriteString(strings.TrimSuffix(r.conf.Base, "/"))
	}
	ours = true
	for i, p := range places {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		v := r.values[p.name]
		switch {
		case i == 0 && p.text == "": // a whole address, or the path of one
			ours = !v.given
			b.WriteString(v.text)
		case strings.Contains(b.String(), "?"):
			b.WriteString(url.QueryEscape(v.text))
		default:
			b.WriteString(url.PathEscape(v.text))
		}
	}
	text := b.String()
	if !ours && strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") && r.conf.Base != "" {
		text = strings.TrimSuffix(r.conf.Base, "/") + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false, errors.New("the address is not a web address once its values are put in")
	}
	if !ours && r.conf.Base != "" {
		base, err := url.Parse(r.conf.Base)
		ours = err == nil && base.Host == u.Host && base.Scheme == u.Scheme
	}
	req.url = u
	return ours, nil
}

// fillBody fills what is sent.
func (s *journeyStep) fillBody(r *journeyRun, req *webRequest) error {
	q := &s.conf.Request
	kind := ""
	switch {
	case len(s.files) > 0:
		var err error
		if req.body, kind, err = s.multipart(r); err != nil {
			return err
		}
	case len(q.Form) > 0:
		var b strings.Builder
		for i, f := range q.Form {
			if i > 0 {
				b.WriteByte('&')
			}
			b.WriteString(url.QueryEscape(r.fill(f.Name, nil)) + "=" + url.QueryEscape(r.fill(f.Value, nil)))
		}
		req.body, kind = []byte(b.String()), "application/x-www-form-urlencoded"
	case q.JSON != "":
		req.body, kind = []byte(r.fill(q.JSON.Reveal(), insideJSON)), "application/json"
	default:
		req.body = []byte(r.fill(q.Body.Reveal(), nil))
	}
	if kind != "" && req.header.Get("Content-Type") == "" {
		req.header.Set("Content-Type", kind)
	}
	return nil
}

// insideJSON writes a text as it stands between the quotes of a JSON text.
func insideJSON(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		return "" // a text always marshals
	}
	return string(q[1 : len(q)-1])
}

// multipart writes the fields in their order, then the files.
func (s *journeyStep) multipart(r *journeyRun) (body []byte, kind string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range s.conf.Request.Form {
		if err := w.WriteField(r.fill(f.Name, nil), r.fill(f.Value, nil)); err != nil {
			return nil, "", fmt.Errorf("write form: %w", err)
		}
	}
	for _, f := range s.files {
		part, err := w.CreatePart(f.header)
		if err != nil {
			return nil, "", fmt.Errorf("write form: %w", err)
		}
		picture := f.bytes
		if f.fresh {
			picture = remark(picture, "keepwatch probe "+r.values[runID].text)
		}
		if _, err := part.Write(picture); err != nil {
			return nil, "", fmt.Errorf("write form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("write form: %w", err)
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

// missing names a value that a step needs and that was never captured.
func (r *journeyRun) missing(s *journeyStep) string {
	for _, name := range s.names {
		if _, ok := r.values[name]; !ok {
			return name
		}
	}
	return ""
}

// keep takes the captures of a step out of an answer.
func (r *journeyRun) keep(s *journeyStep, a *webAnswer) Fault {
	for _, name := range slices.Sorted(maps.Keys(s.conf.Capture)) {
		c := s.conf.Capture[name]
		value, fault := s.find(r, name, c, a)
		if fault.Class != "" {
			return fault
		}
		if len(value) > maxCaptured {
			return unmet(ClassBody, "the value of %s is longer than %s", name, Size(maxCaptured))
		}
		r.values[name] = journeyValue{text: value, secret: c.Secret || c.Cookie != "", given: true}
	}
	return Fault{}
}

// find finds one value.
func (s *journeyStep) find(r *journeyRun, name string, c JourneyCapture, a *webAnswer) (string, Fault) {
	switch {
	case c.JSON != "":
		value, err := lookup(a.body, s.paths[name])
		if err != nil {
			return "", unmet(ClassBody, "there is no %s in the body to keep as %s: %v", c.JSON, name, err)
		}
		return value, Fault{}
	case !c.Regex.IsZero():
		groups := c.Regex.re.FindSubmatch(a.body)
		if groups == nil {
			return "", unmet(ClassBody, "nothing in the body matches %s to be kept as %s", quoted(c.Regex.String()), name)
		}
		return string(groups[min(1, len(groups)-1)]), Fault{}
	case c.Header != "":
		if values := a.Header.Values(c.Header); len(values) > 0 {
			return values[0], Fault{}
		}
		return "", unmet(ClassHeader, "there is no header %s to keep as %s", c.Header, name)
	}
	for _, cookie := range slices.Concat(a.Cookies(), r.cookies(s, a.Request.URL)) {
		if cookie.Name == c.Cookie {
			return cookie.Value, Fault{}
		}
	}
	return "", unmet(ClassHeader, "there is no cookie %s to keep as %s", c.Cookie, name)
}

// cookies are those that the jar has for an address; a step without the jar has none.
func (r *journeyRun) cookies(s *journeyStep, u *url.URL) []*http.Cookie {
	if s.conf.Cookies == cookiesNone {
		return nil
	}
	return r.jar.Cookies(u)
}
