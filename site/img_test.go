package site

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/site/picture"
	"keepwatch/site/render"
)

// sizes are what the site offers.
var sizes = []int{192, 256, 350, 450, 640, 800, 1024, 1280, 1440, 1600, 1920}

func drawn(w, h int, shade uint8) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{R: uint8(x), G: uint8(y), B: shade, A: 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestImageStatus(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	tests := map[string]struct {
		path, tokens string
		want         int
	}{
		"reader":                  {"/img/640/1.jpg", readSecret, 200},
		"reader, no suffix":       {"/img/640/1", readSecret, 200},
		"reader, alias":           {"/i/640/1.jpg", readSecret, 200},
		"reader, default size":    {"/img/1.jpg", readSecret, 200},
		"second token counts":     {"/img/640/1.jpg", otherSecret + ":" + readSecret, 200},
		"junk beside a token":     {"/img/640/1.jpg", "x:" + readSecret + ":%%%", 200},
		"no token":                {"/img/640/1.jpg", "", 403},
		"no token, default":       {"/img/1.jpg", "", 403},
		"useless token":           {"/img/640/1.jpg", "nobody-knows-this-token", 403},
		"expired token":           {"/img/640/1.jpg", expiredSecret, 403},
		"token of another tag":    {"/img/640/1.jpg", otherSecret, 403},
		"no such photo":           {"/img/640/99.jpg", readSecret, 403},
		"no such photo, no token": {"/img/640/99.jpg", "", 403},
		"original for reader":     {"/img/0/1.jpg", readSecret, 403},
		"original for downloader": {"/img/0/1.jpg", downloadSecret, 200},
		"original of another tag": {"/img/0/2.jpg", downloadSecret, 403},
		"size not offered":        {"/img/641/1.jpg", readSecret, 400},
		"enormous size":           {"/img/50000/1.jpg", readSecret, 400},
		"negative size":           {"/img/-1/1.jpg", readSecret, 400},
		"size is no number":       {"/img/big/1.jpg", readSecret, 400},
		"id is no number":         {"/img/640/one.jpg", readSecret, 400},
		"id with a sign":          {"/img/640/+1.jpg", readSecret, 400},
		"id too long":             {"/img/640/99999999999999999999.jpg", readSecret, 400},
		"another suffix":          {"/img/640/1.css", readSecret, 400},
		"no path":                 {"/img/", readSecret, 400},
		"bad before forbidden":    {"/img/x/1.jpg", "", 400},
		"too deep":                {"/img/640/1/x.css", readSecret, 404},
		"out of the tree":         {"/img/640/..%2f..%2fetc%2fpasswd", readSecret, 404},
		"too many tokens":         {"/img/640/1.jpg", manyTokens(33), 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := b.get(http.MethodGet, tt.path, tt.tokens)
			if w.Code != tt.want {
				t.Fatalf("got %d (%s), want %d", w.Code, w.Body, tt.want)
			}
			if w.Code == 200 && w.Header().Get("Content-Type") != "image/jpeg" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
			if w.Code != 200 && !strings.HasPrefix(w.Body.String(), `{"error":{"code":`) {
				t.Errorf("the error is %q", w.Body)
			}
			if vary := w.Header().Get("Vary"); vary != "Cookie" {
				t.Errorf("Vary is %q", vary)
			}
		})
	}
}

func manyTokens(n int) string {
	var out []string
	for i := range n {
		out = append(out, "token-number-"+strconv.Itoa(1000+i))
	}
	return strings.Join(out, ":")
}

// What is hidden and what does not exist must look the same to the last byte.
func TestForbiddenIsOneAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	type reply struct {
		Code   int
		Header http.Header
		Body   string
	}
	see := func(path, tokens string) reply {
		w := b.get(http.MethodGet, path, tokens)
		return reply{w.Code, w.Header(), w.Body.String()}
	}
	want := see("/img/640/1.jpg", "")
	for _, tokens := range []string{"", readSecret, "nobody-knows-this-token", expiredSecret} {
		for _, path := range []string{"/img/640/2.jpg", "/img/640/99.jpg", "/img/0/2.jpg", "/img/0/99.jpg", "/img/2.jpg?v=12345678"} {
			if diff := cmp.Diff(want, see(path, tokens)); diff != "" {
				t.Errorf("%s with %q differs (-want +got):\n%s", path, tokens, diff)
			}
		}
	}
}

func TestEverySizeDecodes(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, edge := range sizes {
		w := b.get(http.MethodGet, "/img/"+strconv.Itoa(edge)+"/1.jpg", readSecret)
		img, err := jpeg.Decode(w.Body)
		if err != nil {
			t.Fatalf("size %d: %v", edge, err)
		}
		ww, wh := render.Fit(900, 600, edge)
		if got := img.Bounds().Size(); got.X != ww || got.Y != wh || got.X != min(edge, 900) {
			t.Errorf("size %d: got %v, want %dx%d", edge, got, ww, wh)
		}
	}
	// Sizes above the picture's own are one and the same.
	if got := b.Stats(); got.Renders != 7 {
		t.Errorf("%d renders, want 7: one for each size up to 900 pixels, one for all others", got.Renders)
	}
}

func TestImageHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	photo := b.store.photos[1]
	tag := `"` + picture.Key(photo, 640) + `"`
	w := b.get(http.MethodGet, "/img/640/1.jpg", readSecret)
	got := w.Header().Clone()
	length := got.Get("Content-Length")
	got.Del("Content-Length")
	want := http.Header{
		"Accept-Ranges":                {"bytes"},
		"Cache-Control":                {"private, no-cache"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'; sandbox"},
		"Content-Type":                 {"image/jpeg"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Etag":                         {tag},
		"Last-Modified":                {"Sun, 22 Nov 2026 00:00:00 GMT"},
		"Permissions-Policy":           {"camera=(), geolocation=(), microphone=()"},
		"Referrer-Policy":              {"same-origin"},
		"Vary":                         {"Cookie"},
		"X-Content-Type-Options":       {"nosniff"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if length != strconv.Itoa(w.Body.Len()) {
		t.Errorf("Content-Length %s for %d bytes", length, w.Body.Len())
	}

	head := b.get(http.MethodHead, "/img/640/1.jpg", readSecret)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != length {
		t.Errorf("HEAD: %d, %d bytes, length %q", head.Code, head.Body.Len(), head.Header().Get("Content-Length"))
	}
	versioned := b.get(http.MethodGet, "/img/640/1.jpg?v="+picture.Version(photo), readSecret)
	if got := versioned.Header().Get("Cache-Control"); got != "private, max-age=31536000, immutable" {
		t.Errorf("with the version: %q", got)
	}
	wrong := b.get(http.MethodGet, "/img/640/1.jpg?v=00000000", readSecret)
	if got := wrong.Header().Get("Cache-Control"); got != "private, no-cache" {
		t.Errorf("with a wrong version: %q", got)
	}
	for name, match := range map[string]string{"exact": tag, "weak": "W/" + tag, "list": `"x", ` + tag} {
		if w := b.get(http.MethodGet, "/img/640/1.jpg", readSecret, "If-None-Match", match); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s: got %d with %d bytes, want 304", name, w.Code, w.Body.Len())
		}
		if w := b.get(http.MethodGet, "/img/640/1.jpg", "", "If-None-Match", match); w.Code != 403 {
			t.Errorf("%s without a token: got %d, want 403", name, w.Code)
		}
	}
	if w := b.get(http.MethodGet, "/img/640/1.jpg", readSecret, "If-None-Match", `"other"`); w.Code != 200 {
		t.Errorf("another tag: got %d, want 200", w.Code)
	}
	if w := b.get(http.MethodPost, "/img/640/1.jpg", readSecret); w.Code != 405 {
		t.Errorf("POST: got %d, want 405", w.Code)
	}
}

func TestOriginal(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	want := fixtures()[0]
	w := b.get(http.MethodGet, "/img/0/1.jpg", downloadSecret)
	if !bytes.Equal(w.Body.Bytes(), want) {
		t.Errorf("got %d bytes, want the %d that were given", w.Body.Len(), len(want))
	}
	if got := w.Header().Get("Content-Disposition"); got != "attachment; filename=1.jpg" {
		t.Errorf("disposition %q", got)
	}
	part := b.get(http.MethodGet, "/img/0/1.jpg", downloadSecret, "Range", "bytes=10-19")
	if part.Code != 206 || !bytes.Equal(part.Body.Bytes(), want[10:20]) {
		t.Errorf("range: %d, %q", part.Code, part.Body)
	}
}

func TestOriginalMissing(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	if err := b.originals.Delete(t.Context(), b.store.photos[1].Content); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/img/640/1.jpg", "/img/0/1.jpg"} {
		w := b.get(http.MethodGet, path, downloadSecret)
		if w.Code != 500 || w.Header().Get("ETag") != "" || strings.Contains(w.Body.String(), "original") {
			t.Errorf("%s: %d %q, ETag %q; want a bare 500", path, w.Code, w.Body, w.Header().Get("ETag"))
		}
	}
}

// A hundred visitors of one new picture cost one render and two questions.
func TestOneQuestionForAll(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	var wg sync.WaitGroup
	codes := make([]int, 100)
	for i := range codes {
		wg.Go(func() { codes[i] = b.get(http.MethodGet, "/img/192/1.jpg", readSecret).Code })
	}
	wg.Wait()
	for i, code := range codes {
		if code != http.StatusOK {
			t.Errorf("visitor %d got %d", i, code)
		}
	}
	for range 50 {
		b.get(http.MethodGet, "/img/192/1.jpg", readSecret)
	}
	if got := b.Stats().Renders; got != 1 {
		t.Errorf("%d renders, want 1", got)
	}
	if got := b.store.questions(); got > 4 { // one each; a late caller may start a second flight
		t.Errorf("the store was asked %d times", got)
	}
}

func TestNoTokenAsksNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	before := b.store.questions()
	for range 20 {
		b.get(http.MethodGet, "/img/640/1.jpg", "")
		b.get(http.MethodGet, "/", "")
	}
	if got := b.store.questions() - before; got != 0 {
		t.Errorf("strangers cost %d questions, want 0", got)
	}
}
