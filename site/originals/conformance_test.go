package originals_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"keepwatch/site/originals"
	"keepwatch/site/originals/storetest"
)

func TestDirConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) func() originals.Store {
		t.Helper()
		dir := t.TempDir()
		return func() originals.Store {
			d, err := originals.NewDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	})
}

func TestBoundedConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) func() originals.Store {
		t.Helper()
		dir := t.TempDir()
		return func() originals.Store { return mustNew(t, dir) }
	})
}

// The fake does not check signatures: make test-s3 runs the same against a server
// that does.
func TestS3ConformsOnFake(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) func() originals.Store {
		t.Helper()
		place := fakeS3(t, nil)
		return func() originals.Store { return mustNew(t, place) }
	})
}

func mustNew(t *testing.T, place string) originals.Store {
	t.Helper()
	s, err := originals.New(place)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// setCredentials also keeps the SDK away from files and machine roles.
func setCredentials() error {
	var all error
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret-of-the-test", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
	} {
		all = errors.Join(all, os.Setenv(name, value))
	}
	return all
}

// fakeS3 starts a fake with an empty bucket; wrap may stand in front of it.
func fakeS3(t *testing.T, wrap func(http.Handler) http.Handler) (place string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(backend).Server()
	if wrap != nil {
		handler = wrap(handler)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return "s3://pictures/some/prefix?endpoint=" + url.QueryEscape(srv.URL)
}
