package probe

import (
	"time"
)

// Journey looks at a site as a visitor who does several things in a row: log
// in, find a picture, open it. Every step is one request on a connection of its
// own, judged like an http check; cookies are kept from step to step and forgotten at the end. The
// first step that fails ends the journey and names itself; the clean-up is made in any case. A value is put into a
// text by its name between double braces, as in /img/1440/{{id}}.jpg; write {{{{ for a plain {{.
type Journey struct {
	// Base is the beginning of every address that starts with a slash. Default none: every step then gives a whole
	// address. Example: https://photos.example.com
	Base string `yaml:"base,omitempty"`
	// Variables are texts for use in steps by their names. They may use {{run.id}}, which is new in each run, and secrets.
	// Default none. Example: {caption: "probe {{run.id}}"}
	Variables map[string]string `yaml:"variables,omitempty"`
	// Secrets are variables that are never printed: wherever one is sent back or said, REDACTED stands for it.
	// {{site.code}}, a code for the image site of this process, is always there. Example: {password: "${SHOP_PASSWORD}"}
	Secrets map[string]Secret `yaml:"secrets,omitempty"`
	// Steps are made one after the other until one fails. At least one; with the clean-up at most 50.
	Steps []JourneyStep `yaml:"steps"`
	// Cleanup are steps that are made after the others whatever became of them, to leave nothing behind. One that uses a value
	// which was never captured is skipped. A failure is shown, but does not make the look bad. A quarter of the check's
	// timeout, at most 5s, is kept for them. Default none.
	Cleanup []JourneyStep `yaml:"cleanup,omitempty"`
	// LatencyUnder is how long all steps may take together. Default: only the check's timeout counts. Example: 5s
	LatencyUnder time.Duration `yaml:"latency_under,omitempty"`
	// Proxy is the proxy to go through: a URL, or "environment" for HTTP_PROXY and kin. Default none: the
	// environment is not asked.
	Proxy string `yaml:"proxy,omitempty"`
	// TLS says how https answers are verified. Default: the system's authorities and the URL's host name.
	TLS TLSClient `yaml:"tls,omitempty"`
	// Signed says that requests carry a signature by which a Keepwatch site knows its own probes. Default false.
	Signed bool `yaml:"signed,omitempty"`
	// ProbeKey is the key to sign with. Default: site.probe_key.
	ProbeKey Secret `yaml:"probe_key,omitempty"`
	// AllowLinkLocal lets steps reach link-local addresses and the metadata services of clouds, which no visitor can.
	// Default false.
	AllowLinkLocal bool `yaml:"allow_link_local,omitempty"`
}

// JourneyStep is one request, what its answer must be, and what is kept of it.
type JourneyStep struct {
	// Name is what people call the step, unique in its journey, at most 40 letters. Required. Example: log in
	Name string `yaml:"name"`
	// Request is what is asked for. Required.
	Request JourneyRequest `yaml:"request"`
	// Cookies says which cookies are sent and kept: "jar", those of the journey so far, or "none", as a stranger. Default jar.
	Cookies string `yaml:"cookies,omitempty"`
	// Expect is what the answer must be; values may stand in its texts. Default: a status from 200 to 299.
	Expect HTTPExpect `yaml:"expect,omitempty"`
	// Capture names values of the answer for use in later steps. A value that is not there fails the step. Example:
	// {id: {json: "ids[0]"}}
	Capture map[string]JourneyCapture `yaml:"capture,omitempty"`
	// Timeout is how long the step may take. Default: what is left of the check's timeout.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// Redirects says how many redirects are followed: follow (10), none, or 0 to 50. Default follow.
	Redirects Redirects `yaml:"redirects,omitempty"`
	// MaxBody is how much of the answer is read. Default 1MiB, range 1KiB to 64MiB.
	MaxBody Size `yaml:"max_body,omitempty"`
	// Challenge says what a challenge, interstitial or error page that claims success (200) is: "fail" or "allow".
	// Default fail.
	Challenge string `yaml:"challenge,omitempty"`
}

// JourneyRequest is one request. At most one of form (with or without files), json and body is sent.
type JourneyRequest struct {
	// Method is the request method. Default GET, or POST when something is sent. Example: DELETE
	Method string `yaml:"method,omitempty"`
	// URL is the address: a whole one, or one that starts with a slash behind base. Values in it are escaped, but for one
	// that it begins with. Required. Example: /img/1440/{{id}}.jpg
	URL string `yaml:"url"`
	// Headers are sent with the request; their values are never printed and are not sent on to another host. Example:
	// {Authorization: "Bearer {{token}}"}
	Headers map[string]Secret `yaml:"headers,omitempty"`
	// Form are the fields of a form, in their order: names with values, or a list of {name: …, value: …} where a name comes
	// twice. Sent as application/x-www-form-urlencoded, or as multipart/form-data before the files. Example: {rc: "{{site.code}}"}
	Form []FormField `yaml:"form,omitempty"`
	// JSON is sent as application/json; values are put into it as the inside of a text. It is never printed.
	// Example: '{"caption": "{{caption}}"}'
	JSON Secret `yaml:"json,omitempty"`
	// Body is sent as it stands; it is never printed. Default none.
	Body Secret `yaml:"body,omitempty"`
	// Files are uploaded as multipart/form-data. Default none.
	Files []JourneyFile `yaml:"files,omitempty"`
}

// FormField is one field of a form.
type FormField struct {
	// Name is the field's name. Required.
	Name string `yaml:"name"`
	// Value is what is sent.
	Value string `yaml:"value"`
}

// JourneyFile is one file to upload.
type JourneyFile struct {
	// Field is the name of the form's field. Default file.
	Field string `yaml:"field,omitempty"`
	// Name is the file's name. Default probe.jpg.
	Name string `yaml:"name,omitempty"`
	// Picture says that the file is a JPEG that is drawn for the purpose. Required.
	Picture JourneyPicture `yaml:"picture"`
}

// JourneyPicture is a JPEG of colours that run into each other.
type JourneyPicture struct {
	// Width in pixels. Default 640, range 1 to 4096.
	Width int `yaml:"width,omitempty"`
	// Height in pixels. Default 480, range 1 to 4096.
	Height int `yaml:"height,omitempty"`
	// Fresh makes the bytes of the file new in each run, so that the site cannot answer from what it has. Default false.
	Fresh bool `yaml:"fresh,omitempty"`
}

// JourneyCapture says where a value is found; exactly one of the four is given.
type JourneyCapture struct {
	// JSON is a path into a JSON body. Example: $.ids[0]
	JSON string `yaml:"json,omitempty"`
	// Regex is a regular expression; the value is its first group, or the whole match. Example: 'name="csrf" value="([^"]+)"'
	Regex Regexp `yaml:"regex,omitempty"`
	// Header is the name of a header of the answer. Example: Location
	Header string `yaml:"header,omitempty"`
	// Cookie is the name of a cookie that was set. Its value is a secret in any case. Example: token
	Cookie string `yaml:"cookie,omitempty"`
	// Secret says that the value is never printed. Default false.
	Secret bool `yaml:"secret,omitempty"`
}
