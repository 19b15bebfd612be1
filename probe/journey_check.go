package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"
)

const (
	// maxCleanup and cleanupShare bound the time that is kept for the clean-up.
	maxCleanup   = 5 * time.Second
	cleanupShare = 4
	// lastCleanup is what the clean-up gets at least, also when the look was called
	// off. It lies below overdueAfter, so that the look still counts.
	lastCleanup = 700 * time.Millisecond
)

// journeyChecker makes a whole journey at each look.
type journeyChecker struct {
	conf      Journey // with defaults
	env       Env
	transport *http.Transport
	steps     []journeyStep // those of the clean-up behind the others
	signer    signer
	unable    bool // it should sign and has no key
}

// Checker makes the checker; it reads the CA file and draws the pictures.
func (j *Journey) Checker(env Env) (Checker, error) {
	c := &journeyChecker{conf: *j, env: env}
	c.conf.Steps, c.conf.Cleanup = slices.Clone(j.Steps), slices.Clone(j.Cleanup)
	c.conf.SetDefaults()
	for i := range c.conf.Steps {
		step, err := newJourneyStep(&c.conf, &c.conf.Steps[i], fmt.Sprintf("step %d %s", i+1, c.conf.Steps[i].Name))
		if err != nil {
			return nil, err
		}
		c.steps = append(c.steps, step)
	}
	for i := range c.conf.Cleanup {
		step, err := newJourneyStep(&c.conf, &c.conf.Cleanup[i], "clean-up "+c.conf.Cleanup[i].Name)
		if err != nil {
			return nil, err
		}
		step.cleanup = true
		c.steps = append(c.steps, step)
	}
	c.signer, c.unable = signing(c.conf.Signed, c.conf.ProbeKey, env.ProbeKey)
	var err error
	c.transport, err = newTransport(c.conf.Proxy, &c.conf.TLS, c.conf.AllowLinkLocal)
	return c, err
}

// journeyRun is one journey under way. One goroutine owns it.
type journeyRun struct {
	*journeyChecker
	began  time.Time
	jar    *cookiejar.Jar
	values map[string]journeyValue
	look   Look
}

// journeyValue is one value for the texts of the steps.
type journeyValue struct {
	text   string
	secret bool
	// given says that it came from the site: an address that begins with it may lead
	// anywhere.
	given bool
}

// errNoValue says that this process does not have a value now.
var errNoValue = errors.New("is not known to this process now")

// Check makes the journey.
func (c *journeyChecker) Check(ctx context.Context) Look {
	if c.unable {
		return noKey()
	}
	run, err := c.begin()
	if err != nil {
		return Look{Blind: true, Fault: Fault{Class: ClassBroken, Phase: phaseConnect, Message: clip(err.Error(), maxMessage)}}
	}
	run.forth(ctx)
	run.back(ctx)
	run.end()
	return run.look
}

// begin makes the values that are there before the first step.
func (c *journeyChecker) begin() (*journeyRun, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err // it never fails without options
	}
	r := &journeyRun{journeyChecker: c, began: time.Now(), jar: jar, values: map[string]journeyValue{}}
	var id [8]byte
	_, _ = rand.Read(id[:]) // crypto/rand never fails
	r.values[runID] = journeyValue{text: hex.EncodeToString(id[:])}
	for name, secret := range c.conf.Secrets {
		r.values[name] = journeyValue{text: secret.Reveal(), secret: true}
	}
	for _, name := range c.conf.FromSite() {
		secret, ok := Secret(""), false
		if c.env.Variables != nil {
			secret, ok = c.env.Variables(name)
		}
		if !ok {
			return nil, fmt.Errorf("{{%s}} %w: only a process that serves the site has it", name, errNoValue)
		}
		r.values[name] = journeyValue{text: secret.Reveal(), secret: true}
	}
	known := make(map[string]journeyValue, len(c.conf.Variables))
	for name, text := range c.conf.Variables {
		known[name] = journeyValue{text: r.fill(text, nil), secret: r.tells(text)}
	}
	maps.Copy(r.values, known)
	return r, nil
}

// FromSite lists the values that the journey uses and that only a process which
// serves the image site can give, such as "site.code".
func (j *Journey) FromSite() []string {
	var names []string
	for _, text := range j.texts() {
		used, _ := namesIn(text.text) // a text that cannot be read was refused
		for _, name := range used {
			if slices.Contains(outsideNames(), name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// forth makes the steps until one fails.
func (r *journeyRun) forth(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok && len(r.conf.Cleanup) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/cleanupShare, maxCleanup)))
		defer cancel()
	}
	for i := range r.steps {
		step := &r.steps[i]
		if step.cleanup {
			break
		}
		if r.look.Fault.Class != "" || r.look.Blind {
			r.skip(step, "an earlier step failed")
			continue
		}
		look := r.make(ctx, step)
		r.add(step, look)
		if !look.OK {
			r.look.Fault, r.look.Blind, r.look.Limit = look.Fault, look.Blind, look.Limit
			r.look.Fault.Step = step.conf.Name
			r.look.Fault.Message = clip(step.title+": "+look.Fault.Message, maxMessage)
		}
	}
	r.look.Latency = time.Since(r.began)
	if r.look.Fault.Class == "" && !r.look.Blind {
		r.look.Limit = r.conf.LatencyUnder
		r.look.Fault = slow(r.look.Latency, r.conf.LatencyUnder)
	}
}

// back makes the clean-up, whatever became of the steps. What is left of the
// deadline is its own; after the deadline it gets a moment more.
func (r *journeyRun) back(ctx context.Context) {
	if len(r.conf.Cleanup) == 0 {
		return
	}
	until := time.Now().Add(lastCleanup)
	if deadline, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || deadline.After(until)) {
		until = time.Now().Add(maxCleanup)
		if ok && deadline.Before(until) {
			until = deadline
		}
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	for i := range r.steps {
		step := &r.steps[i]
		if !step.cleanup {
			continue
		}
		if missing := r.missing(step); missing != "" {
			r.skip(step, "{{"+missing+"}} was never captured")
			continue
		}
		r.add(step, r.make(ctx, step))
	}
}

// skip notes a step that is not made.
func (r *journeyRun) skip(step *journeyStep, why string) {
	r.look.Steps = append(r.look.Steps, StepLook{
		Name: step.conf.Name, Cleanup: step.cleanup, Skipped: true, Began: time.Since(r.began), Message: why,
	})
}

// add notes a step that was made.
func (r *journeyRun) add(step *journeyStep, look Look) {
	s := StepLook{
		Name: step.conf.Name, Cleanup: step.cleanup, OK: look.OK, Code: look.Code, Latency: look.Latency,
		Phases: look.Phases, Bytes: look.Bytes, Message: look.Fault.Message,
	}
	s.Began = max(0, time.Since(r.began)-look.Latency)
	r.look.Steps = append(r.look.Steps, s)
	if step.cleanup {
		return
	}
	l := &r.look
	l.Code, l.RemoteAddr = look.Code, look.RemoteAddr
	l.Bytes += look.Bytes
	l.Phases = l.Phases.plus(look.Phases)
	if end := look.CertNotAfter; !end.IsZero() && (l.CertNotAfter.IsZero() || end.Before(l.CertNotAfter)) {
		l.CertNotAfter = end
	}
}

// end says what the whole was.
func (r *journeyRun) end() { r.look.OK = r.look.Fault.Class == "" && !r.look.Blind }

// make makes one step.
func (r *journeyRun) make(ctx context.Context, step *journeyStep) Look {
	if step.conf.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, step.conf.Timeout)
		defer cancel()
	}
	request, err := step.request(r)
	if err != nil {
		return Look{Fault: Fault{Class: ClassBody, Phase: phaseExpect, Message: r.tame(err.Error())}}
	}
	judge := step.judge
	judge.fill = r.fill
	look, answer := request.ask(ctx, r.transport, &judge)
	r.cookieSecrets(request.url, answer)
	if look.OK {
		look.Fault = r.keep(step, answer)
		look.OK = look.Fault.Class == ""
	}
	if step.conf.Timeout > 0 && (look.Limit == 0 || step.conf.Timeout < look.Limit) && look.Fault.Class == ClassTimeout {
		look.Limit = step.conf.Timeout
	}
	look.Fault.Message = r.tame(look.Fault.Message)
	if !look.OK && answer != nil {
		look.Fault.Body = evidence(answer.body, r.secrets(request)...)
	}
	return look
}

// cookieSecrets remembers the cookies that were set: they are as good as the
// codes that got them.
func (r *journeyRun) cookieSecrets(asked *url.URL, answer *webAnswer) {
	cookies := r.jar.Cookies(asked)
	if answer != nil {
		cookies = slices.Concat(cookies, r.jar.Cookies(answer.Request.URL), answer.Cookies())
	}
	for _, cookie := range cookies {
		if cookie.Value != "" {
			r.values[cookiePrefix+cookie.Value] = journeyValue{text: cookie.Value, secret: true}
		}
	}
}

// plus is the sum of two.
func (p Phases) plus(q Phases) Phases {
	return Phases{
		DNS: p.DNS + q.DNS, Connect: p.Connect + q.Connect, TLS: p.TLS + q.TLS,
		FirstByte: p.FirstByte + q.FirstByte, Transfer: p.Transfer + q.Transfer,
	}
}
