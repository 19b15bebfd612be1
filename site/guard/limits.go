package guard

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Class is a kind of request with a limit of its own.
type Class uint8

// The classes.
const (
	Free     Class = iota // never limited: health
	Static                // styles and scripts
	Image                 // pictures, asked by who holds a valid token
	Stranger              // pictures, asked by anybody else: all they get is a refusal
	Browse                // pages and lists, and changes to metadata
	Home                  // the front page: limited as Browse, and where a challenge is shown
	Code                  // where codes are entered: limited as Browse; failures by [Guard.Try]
	Upload                // uploads
	Cold                  // renders, in units of work; spent by [Guard.Spend]
	classes
)

// String names the class as metrics do.
func (c Class) String() string {
	names := [classes]string{"free", "static", "image", "stranger", "browse", "home", "code", "upload", "cold"}
	if int(c) >= len(names) {
		return "unknown"
	}
	return names[c]
}

// Rate is how often something may happen: text like 200/s, 10/min, 10/h, with
// "burst N" behind it for how much may come at once, or off. The zero value
// means that nothing was said.
type Rate struct {
	// Events are allowed per Per; 0 with a Per of 0 is the zero value.
	Events int
	Per    time.Duration
	// Burst is how much may come at once; it is Events when the text does not say.
	Burst int
	// Off means no limit.
	Off bool
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == "off" {
		*r = Rate{Off: true}
		return nil
	}
	wrong := fmt.Errorf("%q is no rate; write it like 20/s, 10/min, \"100/s burst 400\" or off", s)
	fields := strings.Fields(s)
	if len(fields) != 1 && (len(fields) != 3 || fields[1] != "burst") {
		return wrong
	}
	count, unit, ok := strings.Cut(fields[0], "/")
	per := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.ParseUint(count, 10, 31)
	if !ok || per == 0 || err != nil || n == 0 || n > maxEvents {
		return wrong
	}
	burst := n
	if len(fields) == 3 {
		if burst, err = strconv.ParseUint(fields[2], 10, 31); err != nil || burst == 0 || burst > maxEvents {
			return wrong
		}
	}
	*r = Rate{Events: int(n), Per: per, Burst: int(burst)}
	return nil
}

// maxEvents keeps a rate's interval above a microsecond.
const maxEvents = 1_000_000

// String writes the rate as UnmarshalText reads it; "" is the zero value.
func (r Rate) String() string {
	if r.Off {
		return "off"
	}
	unit := map[time.Duration]string{time.Second: "s", time.Minute: "min", time.Hour: "h"}[r.Per]
	if unit == "" {
		return ""
	}
	s := strconv.Itoa(r.Events) + "/" + unit
	if r.Burst != r.Events {
		s += " burst " + strconv.Itoa(r.Burst)
	}
	return s
}

// Limits is the block `site.limits`: what one client may ask for. A client is an
// IPv4 address or an IPv6 /64, its neighbourhood (/24, /48) may have ten times as
// much; who holds a valid token is counted by the token, and by address ten times
// as much. Each may be off.
type Limits struct {
	// Static is for styles and scripts. Default: 200/s. Example: 500/s burst 1000.
	Static Rate `yaml:"static"`
	// Images is for pictures with a valid token, rendered or not. Default: 100/s burst 400.
	Images Rate `yaml:"images"`
	// Strangers is for pictures without a valid token; beyond it the refusal is 429 in place of 403.
	// Default: 50/s burst 200.
	Strangers Rate `yaml:"strangers"`
	// Browse is for pages, lists and edits. Default: 20/s burst 60.
	Browse Rate `yaml:"browse"`
	// Cold is for pictures that must be rendered first, in units: one for every started 4 megapixels
	// of the original. Default: 12/s burst 360.
	Cold Rate `yaml:"cold"`
	// Uploads is for upload requests. Default: 10/min burst 100.
	Uploads Rate `yaml:"uploads"`
	// Codes is for codes that turn out wrong, by client; right ones are free. Default: 10/h.
	Codes Rate `yaml:"codes"`
	// AllCodes is for the wrong codes of all clients together. Above half of it strangers must solve
	// a challenge before their next code, beyond it they wait some seconds;
	// holders of a valid token are never held up by it.
	// Default: 1000/h.
	AllCodes Rate `yaml:"all_codes"`
	// Connections is how many connections one client may have open; trusted proxies may have any number.
	// Default: 64. Range: 1 to 4096.
	Connections int `yaml:"connections"`
}

// SetDefaults fills in what is not set.
func (l *Limits) SetDefaults() {
	for _, d := range []struct {
		rate *Rate
		text Rate
	}{
		{&l.Static, Rate{200, time.Second, 200, false}},
		{&l.Images, Rate{100, time.Second, 400, false}},
		{&l.Strangers, Rate{50, time.Second, 200, false}},
		{&l.Browse, Rate{20, time.Second, 60, false}},
		{&l.Cold, Rate{12, time.Second, 360, false}},
		{&l.Uploads, Rate{10, time.Minute, 100, false}},
		{&l.Codes, Rate{10, time.Hour, 10, false}},
		{&l.AllCodes, Rate{1000, time.Hour, 1000, false}},
	} {
		if *d.rate == (Rate{}) {
			*d.rate = d.text
		}
	}
	if l.Connections == 0 {
		l.Connections = 64
	}
}

// Validate reports every mistake; it expects defaults to be set.
func (l *Limits) Validate(report func(path, msg string)) {
	if l.Connections < 1 || l.Connections > connections {
		report("connections", "is "+strconv.Itoa(l.Connections)+"; give 1 to "+strconv.Itoa(connections))
	}
	if !l.Codes.Off && (l.Codes.Burst != l.Codes.Events || l.Codes.Events > maxFailures) {
		report("codes", "is counted exactly, without bursts; give at most "+strconv.Itoa(maxFailures)+"/h, such as 10/h, or off")
	}
}

// maxFailures is how many wrong codes of one client can be allowed: each is remembered.
const maxFailures = 100

func (l *Limits) of(c Class) Rate {
	switch c { //nolint:exhaustive // the rest is never limited
	case Static:
		return l.Static
	case Image:
		return l.Images
	case Stranger:
		return l.Strangers
	case Browse, Home, Code:
		return l.Browse
	case Cold:
		return l.Cold
	case Upload:
		return l.Uploads
	}
	return Rate{Off: true}
}

// Challenge says when strangers must show that they are worth the work.
type Challenge string

// When to challenge.
const (
	Auto   Challenge = "auto"   // under load, and when many codes turn out wrong
	Never  Challenge = "off"    // never
	Always Challenge = "always" // each stranger, once an hour
)

// Valid reports whether the word is one of the three.
func (c Challenge) Valid() bool { return c == Auto || c == Never || c == Always }
