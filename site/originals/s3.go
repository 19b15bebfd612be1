package originals

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

const (
	s3Attempts  = 3                // of each request
	s3Backoff   = 2 * time.Second  // at most between two attempts; the SDK adds jitter
	s3Dial      = 3 * time.Second  // to connect, and again for TLS
	s3Header    = 10 * time.Second // from the end of a request to the start of its answer
	s3Page      = 1000             // keys of one answer: what S3 allows
	s3Conflicts = 5                // times that a put may meet another put of the same key
	s3ShortSkip = 128 << 10        // bytes that are cheaper to read than to ask anew
	s3Deadline  = 30 * time.Second // of a whole call with its attempts
	octetStream = "application/octet-stream"
)

// S3 keeps originals in a bucket of S3 or of a server that speaks its protocol,
// as PREFIX/CONTENT.jpg. Credentials come from where the AWS tools look for them:
// environment, shared files, the role of the task or machine.
type S3 struct {
	client *s3.Client
	place  s3Place
}

// NewS3 makes the store of a place as [New] takes it; it does not connect yet.
func NewS3(ctx context.Context, place string) (*S3, error) {
	p, err := parseS3(place)
	if err != nil {
		return nil, err
	}
	client := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = s3Dial }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = s3Dial
			t.ResponseHeaderTimeout = s3Header
		})
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = s3Attempts, s3Backoff
			})
		}),
	}
	if p.region != "" {
		options = append(options, config.WithRegion(p.region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("read the settings of S3: %w", err)
	}
	switch {
	case cfg.Region == "" && p.endpoint != "":
		cfg.Region = "us-east-1" // what compatible servers take
	case cfg.Region == "":
		return nil, errors.New("the region of the bucket is not known: add ?region=… to the place, or set AWS_REGION")
	}
	return &S3{place: p, client: s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // Put sends SHA-256
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		if p.endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = &p.endpoint, true
		}
	})}, nil
}

func (s *S3) key(content string) *string { return aws.String(s.place.prefix + content + suffix) }

// Put implements [Store] with a conditional put: an object that is there stays.
func (s *S3) Put(ctx context.Context, content string, r io.ReadSeeker) error {
	if !valid(content) {
		return ErrContent
	}
	is, size, err := Content(r)
	if err != nil {
		return err
	}
	if is != content {
		return ErrContent
	}
	sum, err := hex.DecodeString(content)
	if err != nil {
		return ErrContent
	}
	checksum := base64.StdEncoding.EncodeToString(sum)
	for try := 1; ; try++ {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read picture: %w", err)
		}
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.place.bucket, Key: s.key(content), Body: r, ContentLength: &size, ContentType: aws.String(octetStream),
			IfNoneMatch: aws.String("*"), ChecksumSHA256: &checksum,
		})
		status := statusOf(err)
		if status == http.StatusPreconditionFailed {
			err = s.hasSize(ctx, content, size)
			status = statusOf(err)
		}
		// Another put of the same key was under way, or it was removed meanwhile.
		again := status == http.StatusConflict || status == http.StatusNotFound && !noBucket(err)
		if err == nil || errors.Is(err, ErrContent) || !again || try == s3Conflicts {
			return translate(ctx, "PutObject", err)
		}
		if err := sleep(ctx, time.Duration(try)*100*time.Millisecond); err != nil {
			return err
		}
	}
}

// hasSize reports whether the object that is there can be the one that was to be put.
func (s *S3) hasSize(ctx context.Context, content string, size int64) error {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.place.bucket, Key: s.key(content)})
	if err != nil {
		return err
	}
	if aws.ToInt64(head.ContentLength) != size {
		return ErrContent
	}
	return nil
}

// Open implements [Store]. The object is read as it comes; nothing but the
// network's buffers is in memory. A connection that breaks is opened anew.
func (s *S3) Open(ctx context.Context, content string) (*Object, error) {
	if !valid(content) {
		return nil, ErrNotFound
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.place.bucket, Key: s.key(content)})
	if err != nil {
		return nil, translate(ctx, "GetObject", err)
	}
	size := aws.ToInt64(out.ContentLength)
	get := func(at int64) (io.ReadCloser, error) {
		part, err := s.client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &s.place.bucket, Key: s.key(content), IfMatch: out.ETag, Range: aws.String(fmt.Sprintf("bytes=%d-", at)),
		})
		if err != nil {
			return nil, translate(ctx, "GetObject", err)
		}
		if want := fmt.Sprintf("bytes %d-", at); !strings.HasPrefix(aws.ToString(part.ContentRange), want) {
			return nil, errors.Join(errors.New("s3 GetObject: the server does not answer with the range that was asked for"), part.Body.Close())
		}
		return part.Body, nil
	}
	again := func(try int) error {
		return sleep(ctx, time.Duration(try)*100*time.Millisecond)
	}
	o := &s3Object{get: get, again: again, body: out.Body, size: size}
	return &Object{ReadSeekCloser: o, Size: size, Mod: aws.ToTime(out.LastModified).UTC()}, nil
}

// Delete implements [Store].
func (s *S3) Delete(ctx context.Context, content string) error {
	if !valid(content) {
		return nil
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.place.bucket, Key: s.key(content)})
	if statusOf(err) == http.StatusNotFound && !noBucket(err) {
		return nil
	}
	return translate(ctx, "DeleteObject", err)
}

// List implements [Store].
func (s *S3) List(ctx context.Context, after string, limit int) ([]Entry, error) {
	start := s.place.prefix + after
	if valid(after) {
		start = *s.key(after)
	}
	var out []Entry
	for len(out) < limit {
		page, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &s.place.bucket, Prefix: &s.place.prefix, StartAfter: &start,
			MaxKeys: aws.Int32(int32(min(limit-len(out), s3Page))), //nolint:gosec // at most 1000
		})
		if err != nil {
			return nil, translate(ctx, "ListObjectsV2", err)
		}
		for _, item := range page.Contents {
			start = aws.ToString(item.Key)
			content, ok := strings.CutSuffix(strings.TrimPrefix(start, s.place.prefix), suffix)
			if ok && valid(content) && content > after {
				out = append(out, Entry{Content: content, Bytes: aws.ToInt64(item.Size), Mod: aws.ToTime(item.LastModified).UTC()})
			}
		}
		if !aws.ToBool(page.IsTruncated) || len(page.Contents) == 0 {
			break
		}
	}
	return out, nil
}

// Check implements [Store]: the bucket answers and lets itself be listed.
func (s *S3) Check(ctx context.Context) error {
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &s.place.bucket, Prefix: &s.place.prefix, MaxKeys: aws.Int32(1),
	})
	return translate(ctx, "ListObjectsV2", err)
}

// statusOf returns the HTTP status of an answer that was an error, else 0.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	return ""
}

func noBucket(err error) bool { return codeOf(err) == "NoSuchBucket" }

// translate turns an error of the SDK into one of ours, short and without
// anything of the request's headers.
func translate(ctx context.Context, what string, err error) error {
	status, code := statusOf(err), codeOf(err)
	switch {
	case err == nil || errors.Is(err, ErrContent):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case status == http.StatusNotFound && !noBucket(err):
		return ErrNotFound
	case status == http.StatusInsufficientStorage || code == "QuotaExceeded" || code == "XMinioStorageFull":
		return ErrFull
	case status != 0:
		return fmt.Errorf("s3 %s: answer %d %s", what, status, code)
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("s3 %s: %w", what, err)
}

// sleep waits a time and up to half of it more, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d + rand.N(d/2)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
