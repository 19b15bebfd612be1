package originals

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

const s3Scheme = "s3://"

// New opens the store at a place, bounded by [Bound]: a directory (made when it
// is missing; local, NFS, EFS), or s3://bucket/prefix?region=…&endpoint=…, where
// endpoint is for servers other than AWS.
func New(place string) (Store, error) {
	if err := Validate(place); err != nil {
		return nil, err
	}
	if strings.HasPrefix(place, s3Scheme) {
		s, err := NewS3(context.Background(), place) // reads settings only
		if err != nil {
			return nil, err
		}
		return Bound(s, Limits{Deadline: s3Deadline}), nil
	}
	d, err := NewDir(place)
	if err != nil {
		return nil, err
	}
	return Bound(d, Limits{}), nil
}

// Validate says what is wrong with a place, without touching it.
func Validate(place string) error {
	switch {
	case place == "":
		return errors.New("is empty; give a directory such as ./data/originals, or s3://bucket/prefix")
	case strings.HasPrefix(place, s3Scheme):
		_, err := parseS3(place)
		return err
	case strings.Contains(place, "://"):
		return errors.New("is neither a directory nor S3; give a path such as ./data/originals, or s3://bucket/prefix")
	}
	return nil
}

// s3Place is where in S3 originals are.
type s3Place struct {
	bucket   string
	prefix   string // "" or ends in a slash
	region   string
	endpoint string // base URL; "" is AWS
}

// What AWS allows as the name of a bucket, shortly.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// parseS3 reads a place in S3. It never repeats the place: somebody may have put
// a password into it.
func parseS3(place string) (s3Place, error) {
	u, err := url.Parse(place)
	if err != nil {
		return s3Place{}, errors.New("cannot be read as s3://bucket/prefix?region=…")
	}
	if u.User != nil || u.Port() != "" || u.Fragment != "" {
		return s3Place{}, errors.New("holds more than s3://bucket/prefix?region=…&endpoint=…; credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, shared files or the machine's role")
	}
	if !bucketName.MatchString(u.Host) {
		return s3Place{}, errors.New("names no bucket; write s3://bucket/prefix with a bucket of 3 to 63 lower-case letters, digits, dots and dashes")
	}
	p := s3Place{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if p.prefix != "" {
		p.prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s3Place{}, errors.New("has settings after the ? that cannot be read; write ?region=…&endpoint=…")
	}
	for name, values := range query {
		switch {
		case name == "region" && len(values) == 1:
			p.region = values[0]
		case name == "endpoint" && len(values) == 1:
			if p.endpoint, err = checkEndpoint(values[0]); err != nil {
				return s3Place{}, err
			}
		default:
			return s3Place{}, fmt.Errorf("has a setting %q; there are region and endpoint, each once", name)
		}
	}
	return p, nil
}

func checkEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("has an endpoint that is no plain address; write endpoint=https://host or endpoint=http://127.0.0.1:7070")
	}
	return strings.TrimSuffix(text, "/"), nil
}
