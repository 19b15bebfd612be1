package api

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"keepwatch/site/answer"
	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

const (
	defaultEdge = 1024
	forever     = "private, max-age=31536000, immutable"
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
			return 0, 0, answer.ErrPath
		}
		edge = int(n)
	default:
		return 0, 0, answer.ErrNoPage
	}
	last, _ := strings.CutSuffix(parts[len(parts)-1], ".jpg")
	n, err := strconv.ParseUint(last, 10, 63)
	if err != nil {
		return 0, 0, answer.ErrPath
	}
	if edge != picture.Original && !slices.Contains(edges, edge) {
		return 0, 0, answer.ErrSize
	}
	return edge, int64(n), nil
}

// image serves renditions and originals.
func (a *API) image(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Cookie")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	edge, id, err := parseImage(r.PathValue("rest"))
	if err != nil {
		a.Writer.Fail(w, r, err)
		return
	}
	photo, err := a.allowed(r, id, edge)
	if err != nil {
		a.Writer.Fail(w, r, err)
		return
	}
	tag := `"` + picture.Key(photo, edge) + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if r.URL.Query().Get("v") == picture.Version(photo) {
		h.Set("Cache-Control", forever)
	}
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified) // before anything is opened or rendered
		return
	}
	if edge == picture.Original {
		err = a.serveOriginal(w, r, photo)
	} else {
		err = a.serveRendition(w, r, photo, edge)
	}
	if err != nil {
		a.Writer.Fail(w, r, err)
	}
}

// allowed returns the photo when the visitor may have it at this size. That it
// does not exist and that it may not be seen are one answer.
func (a *API) allowed(r *http.Request, id int64, edge int) (gallery.Photo, error) {
	v, err := a.Gate.Visitor(r)
	if err != nil {
		return gallery.Photo{}, err
	}
	if !v.Known() {
		return gallery.Photo{}, gallery.ErrForbidden
	}
	photo, err := a.Gate.Photo(r.Context(), id)
	if err != nil {
		return gallery.Photo{}, err
	}
	need := gallery.Read
	if edge == picture.Original {
		need = gallery.Download
	}
	if !photo.Deleted.IsZero() {
		need = gallery.Write // only those who can undo it
	}
	if photo.ID == 0 || v.On(photo.TagIDs()) < need {
		return gallery.Photo{}, gallery.ErrForbidden
	}
	return photo, nil
}

func (a *API) serveRendition(w http.ResponseWriter, r *http.Request, photo gallery.Photo, edge int) error {
	rd, err := a.Render.Get(r.Context(), picture.Of(photo, a.Originals), edge)
	if err != nil {
		return err
	}
	defer rd.Close()
	w.Header().Set("Content-Type", "image/jpeg")
	http.ServeContent(w, r, "", photo.Added, rd)
	return nil
}

func (a *API) serveOriginal(w http.ResponseWriter, r *http.Request, photo gallery.Photo) error {
	o, err := a.Originals.Open(r.Context(), photo.Content)
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
