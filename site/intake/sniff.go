package intake

import "bytes"

// Kind is what a file is by its first bytes.
type Kind int

// The kinds.
const (
	Other Kind = iota // nothing that is taken in
	JPEG
	PNG
	WebP
	ZIP
)

// SniffLen is how many bytes of a file [Sniff] looks at.
const SniffLen = 16

// Sniff tells what a file is by its first bytes, never by its name or by what the
// client says.
func Sniff(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return JPEG
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return PNG
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return WebP
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return ZIP
	}
	return Other
}
