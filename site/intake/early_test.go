package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"os"
	"strings"
	"testing"
	"time"

	"keepwatch/site/gallery"
)

// earlyForm writes a form; each part is "name=text", or "file:NAME=content".
func earlyForm(t *testing.T, parts ...string) (string, string) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	for _, part := range parts {
		name, text, _ := strings.Cut(part, "=")
		var w io.Writer
		var err error
		if file, ok := strings.CutPrefix(name, "file:"); ok {
			w, err = form.CreateFormFile(fileField, file)
		} else {
			w, err = form.CreateFormField(name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), form.Boundary()
}

func earlyIntake(t *testing.T) *Intake {
	t.Helper()
	s, err := openSpool(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &Intake{spool: s, slots: make(chan struct{}, 1)}
}

// Clients of the original site may send fields and files in any order.
func TestFilesBeforeTags(t *testing.T) {
	t.Parallel()
	in := earlyIntake(t)
	body, boundary := earlyForm(t, "file:a.jpg=first", "cam=Box", "file:b.jpg=second", "tag=7", "file:c.jpg=third", "tz=UTC", "file:=")
	form, err := in.OpenForm(t.Context(), strings.NewReader(body), boundary)
	if err != nil {
		t.Fatal(err)
	}
	if len(form.Fields.Tags) != 1 || form.Fields.Tags[0] != 7 {
		t.Errorf("tags %v", form.Fields.Tags)
	}
	var got []string
	for {
		part, err := form.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(part.Data)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part.Name+" "+string(data))
	}
	if want := "a.jpg first,b.jpg second,c.jpg third"; strings.Join(got, ",") != want {
		t.Errorf("files %q, want %s", got, want)
	}
	form.Close()
	form.Close()
	if left, err := os.ReadDir(in.spool.root.Name()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if len(in.slots) != 0 {
		t.Error("the place was not given back")
	}
}

func TestFilesBeforeTagsAreBounded(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", earlyBytes/2+1)
	many := make([]string, earlyFiles+1)
	for i := range many {
		many[i] = "file:a.jpg=x"
	}
	var input gallery.InputError
	tests := map[string]struct {
		parts []string
		busy  bool
		is    error
	}{
		"too much": {parts: []string{"file:a.jpg=" + large, "file:b.jpg=" + large, "tag=7"}, is: ErrTooLarge},
		"too many": {parts: append(many, "tag=7")},
		"no tag":   {parts: []string{"file:a.jpg=x"}},
		"unknown":  {parts: []string{"file:a.jpg=x", "tag=7", "color=red"}},
		"no place": {parts: []string{"file:a.jpg=x", "tag=7"}, busy: true, is: ErrBusy},
		"no file":  {parts: []string{"file:=", "tag=7"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := earlyIntake(t)
			if tt.busy {
				in.slots <- struct{}{}
			}
			body, boundary := earlyForm(t, tt.parts...)
			form, err := in.OpenForm(context.Background(), strings.NewReader(body), boundary)
			switch {
			case err == nil:
				form.Close()
				t.Error("taken, want a refusal")
			case tt.is != nil && !errors.Is(err, tt.is), tt.is == nil && !errors.As(err, &input):
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadDir(in.spool.root.Name()); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if !tt.busy && len(in.slots) != 0 {
				t.Error("the place was not given back")
			}
		})
	}
}
