package originals

import (
	"errors"
	"io"
)

// s3Object reads an object of S3 from where the caller is, by one request as long
// as the caller reads on, and a new one after a jump.
type s3Object struct {
	get   func(at int64) (io.ReadCloser, error)
	again func(try int) error // waits before a further try
	size  int64

	at     int64         // where the caller is
	body   io.ReadCloser // nil when there is no request
	bodyAt int64         // where body is
	closed bool
}

// Read implements io.Reader.
func (o *s3Object) Read(p []byte) (int, error) {
	if o.closed {
		return 0, errClosed
	}
	if o.at >= o.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	for try := 1; ; try++ {
		n, err := o.read(p)
		if n > 0 {
			return n, nil // an error comes again
		}
		if errors.Is(err, ErrNotFound) || try == s3Attempts {
			return 0, err
		}
		o.drop()
		if err := o.again(try); err != nil {
			return 0, err
		}
	}
}

// read makes one try.
func (o *s3Object) read(p []byte) (int, error) {
	if gap := o.at - o.bodyAt; o.body != nil && gap != 0 {
		if gap < 0 || gap > s3ShortSkip {
			o.drop()
		} else if n, err := io.CopyN(io.Discard, o.body, gap); err != nil {
			o.bodyAt += n
			return 0, err
		}
	}
	if o.body == nil {
		body, err := o.get(o.at)
		if err != nil {
			return 0, err
		}
		o.body = body
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	o.bodyAt = o.at
	if n == 0 && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the object is longer
	}
	return n, err
}

// drop ends the request.
func (o *s3Object) drop() {
	if o.body != nil {
		_ = o.body.Close() // nothing was written
		o.body = nil
	}
}

// Seek implements io.Seeker. It asks nothing of the server.
func (o *s3Object) Seek(offset int64, whence int) (int64, error) {
	at, err := seek(o.at, o.size, offset, whence)
	if err == nil {
		o.at = at
	}
	return at, err
}

// Close implements io.Closer.
func (o *s3Object) Close() error {
	if o.closed {
		return errClosed
	}
	o.closed = true
	o.drop()
	return nil
}

// seek computes where a seek leads.
func seek(at, size, offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += at
	case io.SeekEnd:
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of an original")
	}
	return offset, nil
}
