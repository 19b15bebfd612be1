package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"keepwatch/site/answer"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/picture"
	"keepwatch/site/render"
)

const (
	defaultEdge = 1024
	forever     = "private, max-age=31536000, immutable"
)

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
	if edge != picture.Original && !render.Allowed(edge) {
		return 0, 0, answer.ErrSize
	}
	return edge, int64(n), nil
}

// image serves renditions and originals at the original's addresses.
func (a *API) image(w http.ResponseWriter, r *http.Request) {
	edge, id, err := parseImage(r.PathValue("rest"))
	a.serveImage(w, r, a.Writer, wanted{edge: edge, id: id, err: err})
}

// imageTidy serves them under /api/v1.
func (a *API) imageTidy(w http.ResponseWriter, r *http.Request) {
	edge, id, err := parseImage(r.PathValue("size") + "/" + r.PathValue("id"))
	a.serveImage(w, r, a.tidyWriter(), wanted{edge: edge, id: id, err: err})
}

// wanted is what an address asks for, or why it asks for nothing.
type wanted struct {
	edge int
	id   int64
	err  error
}

func (a *API) serveImage(w http.ResponseWriter, r *http.Request, out answer.Writer, want wanted) {
	h := w.Header()
	h.Set("Vary", "Cookie")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	if want.err != nil {
		out.Fail(w, r, want.err)
		return
	}
	photo, err := a.allowed(r, want.id, want.edge)
	if err != nil {
		out.Fail(w, r, err)
		return
	}
	tag := `"` + picture.Key(photo, want.edge) + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if r.URL.Query().Get("v") == picture.Version(photo) {
		h.Set("Cache-Control", forever)
	}
	if matches(r.Header.Get("If-None-Match"), tag) {
		a.seen(r, photo.ID, want.edge)
		w.WriteHeader(http.StatusNotModified) // before anything is opened or rendered
		return
	}
	if want.edge == picture.Original {
		err = a.serveOriginal(w, r, photo)
	} else {
		err = a.serveRendition(w, r, photo, want.edge)
	}
	if err != nil {
		out.Fail(w, r, err)
		return
	}
	a.seen(r, photo.ID, want.edge)
}

// allowed returns the photo when the visitor may have it at this size. That it
// does not exist and that it may not be seen are one answer.
func (a *API) allowed(r *http.Request, id int64, edge int) (gallery.Photo, error) {
	v, err := a.Gate.Visitor(r)
	if err != nil {
		return gallery.Photo{}, err
	}
	photo, err := a.Desk.Photo(r.Context(), v, id)
	if err == nil && edge == picture.Original && !gallery.MayDownload(v, photo) {
		err = gallery.ErrForbidden
	}
	return photo, err
}

func (a *API) serveRendition(w http.ResponseWriter, r *http.Request, photo gallery.Photo, edge int) error {
	p := picture.Of(photo, a.Originals)
	if a.Guard != nil {
		p.Admit = func() error { return a.Guard.Spend(r, guard.Cold, units(photo)) }
	}
	rd, err := a.Render.Get(r.Context(), p, edge, render.Signed)
	if err != nil {
		return err
	}
	defer rd.Close()
	// A turned picture is as old as it was: only its ETag tells versions apart.
	r.Header.Del("If-Modified-Since")
	r.Header.Del("If-Unmodified-Since")
	if since := r.Header.Get("If-Range"); since != "" && !strings.HasPrefix(since, `"`) {
		r.Header.Del("Range") // all of it, as if the time had not matched
	}
	w.Header().Set("Content-Type", "image/jpeg")
	if rd.Data != nil && whole(r) {
		send(w, rd.Data, photo.Added)
		return nil
	}
	http.ServeContent(w, r, "", photo.Added, rd.ReadSeeker) // the file itself: the kernel sends it
	return nil
}

// whole reports whether a request asks for all of a picture, whatever the client has.
func whole(r *http.Request) bool {
	return r.Method == http.MethodGet && len(r.Header["Range"]) == 0 && len(r.Header["If-Match"]) == 0 && len(r.Header["If-None-Match"]) == 0
}

// send writes a picture that is in memory, with the headers of [http.ServeContent], which
// would copy it through a buffer of its own size first.
func send(w http.ResponseWriter, data []byte, modified time.Time) {
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) //nolint:gosec // a JPEG that the renderer made, never markup; the visitor may have left
}

// unitPixels is how much of an original one unit of [guard.Cold] pays for.
const unitPixels = 4_000_000

// units is what the first rendering of a photo costs.
func units(p gallery.Photo) int { return 1 + p.Width*p.Height/unitPixels }

func (a *API) serveOriginal(w http.ResponseWriter, r *http.Request, photo gallery.Photo) error {
	o, err := a.Originals.Open(r.Context(), photo.Content)
	if err != nil {
		return err
	}
	defer o.Close()
	name := strconv.FormatInt(photo.ID, 10) + ".jpg"
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	guard.WriteRate(w, photo.Bytes, downloadRate)
	http.ServeContent(w, r, "", photo.Added, o)
	return nil
}

// downloadRate is the slowest line, in bytes a second, that gets a whole original.
const downloadRate = 64 << 10

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
