package site

import (
	"context"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"keepwatch/site/render"
)

const (
	defaultEdge  = 1024
	galleryEdge  = 640
	original     = 0 // the size that asks for the untouched file
	versionChars = 8
	forever      = "private, max-age=31536000, immutable"
)

// edges are the sizes that are made; each other number would be a file of its own.
var edges = []int{192, 256, 350, 450, 640, 800, 1024, 1280, 1440, 1600, 1920} //nolint:gochecknoglobals // a constant table

// parseImage reads what follows /img/: {size}/{id}[.jpg] or {id}[.jpg].
func parseImage(rest string) (edge int, id int64, err error) {
	parts := strings.Split(rest, "/")
	edge = defaultEdge
	switch len(parts) {
	case 1:
	case 2:
		n, err := strconv.ParseUint(parts[0], 10, 31)
		if err != nil {
			return 0, 0, errPath
		}
		edge = int(n)
	default:
		return 0, 0, errNoPage
	}
	last, _ := strings.CutSuffix(parts[len(parts)-1], ".jpg")
	n, err := strconv.ParseUint(last, 10, 63)
	if err != nil {
		return 0, 0, errPath
	}
	if edge != original && !slices.Contains(edges, edge) {
		return 0, 0, errSize
	}
	return edge, int64(n), nil
}

// version is the part of a picture's address that changes with the picture; the
// same for all sizes.
func version(p Photo) string { return render.Key(p.Content, original)[:versionChars] }

// image serves renditions and originals.
func (s *Site) image(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Cookie")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	edge, id, err := parseImage(r.PathValue("rest"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	photo, err := s.allowed(r, id, edge)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	tag := `"` + render.Key(photo.Content, edge) + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if r.URL.Query().Get("v") == version(photo) {
		h.Set("Cache-Control", forever)
	}
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified) // before anything is opened or rendered
		return
	}
	if edge == original {
		err = s.serveOriginal(w, r, photo)
	} else {
		err = s.serveRendition(w, r, photo, edge)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

// allowed returns the photo when the visitor may have it at this size. That it
// does not exist and that it may not be seen are one answer.
func (s *Site) allowed(r *http.Request, id int64, edge int) (Photo, error) {
	v, err := s.visitor(r)
	if err != nil {
		return Photo{}, err
	}
	if len(v.levels) == 0 {
		return Photo{}, errForbidden
	}
	photo, err := s.photo(r.Context(), id)
	if err != nil {
		return Photo{}, err
	}
	need := Read
	if edge == original {
		need = Download
	}
	if photo.ID == 0 || v.level(photo.Tags) < need {
		return Photo{}, errForbidden
	}
	return photo, nil
}

func (s *Site) serveRendition(w http.ResponseWriter, r *http.Request, photo Photo, edge int) error {
	rd, err := s.render.Get(r.Context(), s.picture(photo), edge)
	if err != nil {
		return err
	}
	defer rd.Close()
	w.Header().Set("Content-Type", "image/jpeg")
	http.ServeContent(w, r, "", photo.Added, rd)
	return nil
}

// picture tells the renderer where the photo's bytes are.
func (s *Site) picture(photo Photo) render.Picture {
	return render.Picture{Content: photo.Content, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return s.originals.Open(ctx, photo.Content)
	}}
}

func (s *Site) serveOriginal(w http.ResponseWriter, r *http.Request, photo Photo) error {
	o, err := s.originals.Open(r.Context(), photo.Content)
	if err != nil {
		return err
	}
	defer o.Close()
	name := strconv.FormatInt(photo.ID, 10) + ".jpg"
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	http.ServeContent(w, r, "", photo.Added, o)
	return nil
}

// matches reports whether If-None-Match names the tag (RFC 9110, 13.1.2: weak
// comparison). "*" is left to the full path.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(candidate), "W/") == tag {
			return true
		}
	}
	return false
}
