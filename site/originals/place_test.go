package originals

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseS3(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]s3Place{
		"s3://pictures":                               {bucket: "pictures"},
		"s3://pictures/":                              {bucket: "pictures"},
		"s3://pictures/a/b":                           {bucket: "pictures", prefix: "a/b/"},
		"s3://my.bucket-1//a//?region=eu-west-1":      {bucket: "my.bucket-1", prefix: "a/", region: "eu-west-1"},
		"s3://abc?endpoint=http%3A%2F%2F127.0.0.1:70": {bucket: "abc", endpoint: "http://127.0.0.1:70"},
		"s3://abc/x?endpoint=https://host/&region=r":  {bucket: "abc", prefix: "x/", region: "r", endpoint: "https://host"},
	} {
		got, err := parseS3(place)
		if diff := cmp.Diff(got, want, cmp.AllowUnexported(s3Place{})); diff != "" || err != nil {
			t.Errorf("%s: %v (-got +want):\n%s", place, err, diff)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	for place, hint := range map[string]string{
		"":                                "is empty",
		"https://example.com/x":           "neither a directory nor S3",
		"s3://":                           "names no bucket",
		"s3://ab":                         "names no bucket",
		"s3://Upper/x":                    "names no bucket",
		"s3://me:hunter2@pictures":        "holds more than",
		"s3://pictures:80/x":              "holds more than",
		"s3://pictures/x#y":               "holds more than",
		"s3://pictures?key=hunter2":       "a setting",
		"s3://pictures?region=a&region=b": "a setting",
		"s3://pictures?%zz":               "cannot be read",
		"s3://pictures/%zz":               "cannot be read",
		"s3://pictures?endpoint=ftp://h":  "no plain address",
		"s3://pictures?endpoint=http://me:hunter2@host": "no plain address",
		"s3://pictures?endpoint=host":                   "no plain address",
	} {
		err := Validate(place)
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: got %v, want it to contain %q", place, err, hint)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the message repeats a password: %v", place, err)
		}
	}
	for _, place := range []string{"./data/originals", "/mnt/photos", "s3://pictures/x?region=eu-central-1"} {
		if err := Validate(place); err != nil {
			t.Errorf("%q: %v", place, err)
		}
	}
}

func FuzzParseS3(f *testing.F) {
	for _, seed := range []string{"s3://pictures/a?region=r&endpoint=http://h", "s3://a:b@c/d", "s3://x?%", "s3://[::1]/x", "s3://pictures/../x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, place string) {
		p, err := parseS3(place)
		if err != nil {
			return
		}
		if !bucketName.MatchString(p.bucket) || strings.HasPrefix(p.prefix, "/") || p.prefix != "" && !strings.HasSuffix(p.prefix, "/") {
			t.Errorf("%q became %+v", place, p)
		}
	})
}
