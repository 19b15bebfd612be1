package api_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"keepwatch/site/gallery"
)

// The original's own form had the file chooser first: such clients go on working,
// and may no more than others.
func TestFileBeforeItsTag(t *testing.T) {
	t.Parallel()
	b := newRig(t)
	mine, reader := b.token("mine", gallery.Write), b.token("mine", gallery.Read)
	b.token("theirs", gallery.Write)
	send := func(token string, tags ...string) *httptest.ResponseRecorder {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		file, err := form.CreateFormFile("file", "a.jpg")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = file.Write(draw(300, 200, 3))
		for _, tag := range tags {
			_ = form.WriteField("tag", strconv.FormatInt(b.tagID(tag), 10))
		}
		_ = form.WriteField("cam", "Box camera")
		_ = form.Close()
		r := httptest.NewRequest(http.MethodPost, "/rest/upload", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		return b.ask(r, token)
	}
	if w := send(reader, "mine"); w.Code != 403 {
		t.Errorf("a reader: %d %s, want 403", w.Code, w.Body)
	}
	if w := send(mine, "mine", "theirs"); w.Code != 403 {
		t.Errorf("into somebody's album: %d %s, want 403", w.Code, w.Body)
	}
	if n := b.number("SELECT count(*) FROM photo"); n != 0 {
		t.Fatalf("%d photos after refusals", n)
	}
	if w := send(mine, "mine"); w.Code != 200 {
		t.Fatalf("a writer: %d %s", w.Code, w.Body)
	}
	if n := b.number("SELECT count(*) FROM photo WHERE camera = 'Box camera'"); n != 1 {
		t.Errorf("%d photos with the field that came after the file, want 1", n)
	}
}
