package site

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"

	"keepwatch/site/answer"
	"keepwatch/site/api"
	"keepwatch/site/archive"
	"keepwatch/site/desk"
	"keepwatch/site/gallery"
	"keepwatch/site/guard"
	"keepwatch/site/intake"
	"keepwatch/site/pages"
	"keepwatch/site/picture"
)

const (
	recoverFor = 10 * time.Second // deadline of the cleaning at the start
	watchAgain = time.Second      // before a lost watch is begun anew; up to twice as long
)

// serveWith makes what answers requests. Gate, originals and renderer must be there.
func (s *Site) serveWith(store Store) (err error) {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("the name of this machine: %w", err)
	}
	s.owner = name + " " + s.cfg.Listen
	s.intake, err = intake.New(s.cfg.Uploads, intake.Parts{
		Store: store, Originals: s.originals, Owner: s.owner, Log: s.log,
		Prepare: func(p gallery.Photo) { s.render.Prepare(picture.Of(p, s.originals)) },
	})
	if err != nil {
		return fmt.Errorf("site.uploads: %w", err)
	}
	s.desk = &desk.Desk{Gate: s.gate, Store: store, Originals: s.originals, Uploads: s.intake, Log: s.log}
	if keep := *s.cfg.Views.Keep; keep > 0 {
		s.views = api.NewViews(store, keep, nil, s.log)
		s.views.Spare = func() bool { return s.guard.Level() >= guard.Spare }
	}
	s.api = &api.API{
		Gate: s.gate, Desk: s.desk, Render: s.render, Originals: s.originals, Client: s.client, Views: s.views,
		Guard: s.guard, Writer: answer.Writer{Log: s.log, Refuse: s.refuse},
	}
	s.pages, err = pages.New(pages.Parts{Gate: s.gate, Album: s.desk, Forms: s.desk, Log: s.log})
	return err
}

// recoverUploads cleans up what this process left when it was killed. When the
// database is away `keepwatch site gc` does it later.
func (s *Site) recoverUploads(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recoverFor)
	defer cancel()
	files, err := archive.Recover(ctx, s.store, s.originals, s.owner, time.Now().UTC())
	if err != nil && ctx.Err() == nil {
		s.log.Warn("killed uploads not cleaned up", "err", err)
	}
	if files > 0 {
		s.log.Info("killed uploads cleaned up", "files", files)
	}
}

// watch drops what other processes changed from memory, until ctx is done.
func (s *Site) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		err := s.store.Watch(ctx, s.gate.Forget)
		if ctx.Err() != nil {
			break // told to end
		}
		s.log.Debug("changes not heard", "err", err)
		again := time.NewTimer(watchAgain + rand.N(watchAgain))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
	}
	return nil //nolint:nilerr // told to end: what the watch says then is no news
}

// unknown answers programs in JSON where there is no such address or method; the
// rest is left to next.
func (s *Site) unknown(mux *http.ServeMux, next http.Handler) http.Handler {
	programs := []string{"/api/", "/rest/", "/servlet/"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range programs {
			if !strings.HasPrefix(r.URL.Path, prefix) {
				continue
			}
			h, pattern := mux.Handler(r)
			if pattern != "" {
				break
			}
			err := answer.ErrNoPage
			refused := refusal{header: w.Header()}
			h.ServeHTTP(&refused, r)
			if refused.status == http.StatusMethodNotAllowed {
				err = answer.ErrMethod
			}
			s.api.Writer.Fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusal takes what the mux says about an unknown address: the status and the
// header Allow.
type refusal struct {
	header http.Header
	status int
}

// Header returns the header of the real answer.
func (r *refusal) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *refusal) WriteHeader(status int) { r.status = status }

// Write drops the text.
func (r *refusal) Write(b []byte) (int, error) { return len(b), nil }
