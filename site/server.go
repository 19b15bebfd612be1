package site

import (
	"context"
	"log/slog"
	"net/http"
)

// Site is the running image site. Make it with [New].
type Site struct{ cfg Config }

// New opens the directories and prepares the site; nothing listens yet.
func New(cfg Config, store Store, log *slog.Logger) (*Site, error) { panic("not yet") }

// Handler answers everything the site answers. Safe for concurrent use.
func (s *Site) Handler() http.Handler { panic("not yet") }

// Run listens and serves until ctx is done, then drains. It returns nil after an orderly stop.
func (s *Site) Run(ctx context.Context) error { panic("not yet") }

// Init fills an empty site with pictures the program draws itself and returns the login code, ""
// once somebody has used it.
func (s *Site) Init(ctx context.Context) (code string, err error) { panic("not yet") }
