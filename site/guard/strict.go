package guard

import "bytes"

// versionEnd is how much of the end of a request line is kept: " HTTP/1.1" and CR.
const versionEnd = 10

// strict looks at the raw header of each request of a connection and spoils what
// Go's server would let pass although a proxy in front may read it in another
// way (RFC 9112, 5.2 and 6.1): folded lines, a length together with a transfer
// coding, a transfer coding in HTTP/1.0. Spoilt means a NUL in the line, which the
// server answers with 400 and closes. It follows one request at a time, as proxies
// send them. Not safe for concurrent use: the reader of the connection owns it.
type strict struct {
	done   bool     // the header has ended; what comes is a body
	lines  int      // read so far
	length int      // of the line so far
	start  [24]byte // of the line
	tail   []byte   // the last bytes of an unfinished request line
	old    bool     // HTTP/1.0
	sized  bool     // Content-Length was seen
	coded  bool     // Transfer-Encoding was seen
}

// check looks at bytes that were read and spoils them where needed.
func (s *strict) check(p []byte) {
	for !s.done && len(p) > 0 {
		if s.length == 0 && s.lines > 0 && (p[0] == ' ' || p[0] == '\t') {
			p[0] = 0
		}
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		if s.length < len(s.start) {
			copy(s.start[s.length:], part)
		}
		s.length += len(part)
		if s.lines == 0 {
			s.tail = append(s.tail, part[max(0, len(part)-versionEnd):]...)
			s.tail = s.tail[max(0, len(s.tail)-versionEnd):]
		}
		if end < 0 {
			return
		}
		if s.ends() {
			p[max(end-1, 0)] = 0
		}
		p = p[end+1:]
	}
}

// ends takes the end of a line and reports whether the line must be spoilt.
func (s *strict) ends() (spoil bool) {
	line := s.start[:min(s.length, len(s.start))]
	empty := s.length == 0 || (s.length == 1 && line[0] == '\r')
	switch {
	case s.lines == 0:
		version := bytes.TrimSuffix(s.tail, []byte("\r"))
		s.old = bytes.HasSuffix(version, []byte(" HTTP/1.0"))
		// No request line: a body of requests that were sent without waiting. It must not be touched.
		s.done = len(version) < len(" HTTP/1.1") || !bytes.HasPrefix(version[len(version)-len(" HTTP/1.1"):], []byte(" HTTP/1."))
	case empty:
		s.done = true
	case named(line, "content-length"):
		s.sized = true
		spoil = s.coded
	case named(line, "transfer-encoding"):
		s.coded = true
		spoil = s.sized || s.old
	}
	s.lines++
	s.length = 0
	return spoil
}

func named(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name))
}
