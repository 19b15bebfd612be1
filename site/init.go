package site

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"keepwatch/site/gallery"
	"keepwatch/site/originals"
	"keepwatch/site/picture"
	"keepwatch/site/render"
)

const (
	sampleTag     = "samples"
	sampleZone    = "Europe/Berlin"
	sampleQuality = 90
	warmEdge      = 640 // what the gallery shows first
)

// Init fills an empty site with pictures that the program draws itself, and with
// a login code that may do everything with them. It returns the code, formatted for people,
// until somebody has used it, then "". It may be killed at any point and run
// again, also by several machines at once: files have the names of their content,
// and all rows are one transaction.
func (s *Site) Init(ctx context.Context) (code string, err error) {
	w, err := s.store.Welcome(ctx)
	if err != nil {
		return "", fmt.Errorf("look at the site: %w", err)
	}
	if !w.Empty {
		return gallery.FormatCode(w.Code), nil
	}
	photos, err := s.drawSamples(ctx)
	if err != nil {
		return "", err
	}
	seed := gallery.Seed{Now: time.Now().UTC(), Tag: sampleTag, Level: gallery.Write, Code: gallery.NewCode(), Photos: photos}
	if err := s.store.Seed(ctx, seed); err != nil {
		return "", fmt.Errorf("store the sample pictures: %w", err)
	}
	// Another machine may have been first: its code is the one that counts.
	w, err = s.store.Welcome(ctx)
	if err != nil {
		return "", fmt.Errorf("look at the site: %w", err)
	}
	s.log.Info("sample pictures stored", "pictures", len(photos))
	s.warm(ctx, photos)
	return gallery.FormatCode(w.Code), nil
}

// warm renders what the first visitor of the gallery will ask for, one picture
// after another so that the pool stays free. It may fail: they are then rendered
// when they are asked for.
func (s *Site) warm(ctx context.Context, photos []gallery.Photo) {
	for _, p := range photos {
		rd, err := s.render.Get(ctx, picture.Of(p, s.originals), warmEdge, render.Stranger)
		if err != nil {
			s.log.Warn("sample picture not rendered", "content", p.Content, "err", err)
			continue
		}
		_ = rd.Close() // only made to be in the cache
	}
}

// drawSamples draws the pictures, a few at once, and puts them among the originals.
func (s *Site) drawSamples(ctx context.Context) ([]gallery.Photo, error) {
	all := samples()
	photos := make([]gallery.Photo, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, runtime.GOMAXPROCS(0)))
	for i, sample := range all {
		group.Go(func() (err error) {
			photos[i], err = s.drawSample(ctx, sample)
			photos[i].Taken = time.Date(2026, time.January, 5+i, 9, 30, 0, 0, time.UTC)
			return err
		})
	}
	return photos, group.Wait()
}

func (s *Site) drawSample(ctx context.Context, sample sample) (gallery.Photo, error) {
	if err := ctx.Err(); err != nil {
		return gallery.Photo{}, err
	}
	img := sample.draw(s.sampleEdge, s.sampleEdge*2/3)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: sampleQuality}); err != nil {
		return gallery.Photo{}, fmt.Errorf("encode sample picture: %w", err)
	}
	content, size, err := originals.Content(bytes.NewReader(file.Bytes()))
	if err != nil {
		return gallery.Photo{}, err
	}
	if err := s.originals.Put(ctx, content, bytes.NewReader(file.Bytes())); err != nil {
		return gallery.Photo{}, fmt.Errorf("keep sample picture: %w", err)
	}
	var people []gallery.Person
	for _, name := range sample.people {
		people = append(people, gallery.PersonOf(name))
	}
	return gallery.Photo{
		People: people, Location: gallery.Ref{Name: sample.place}, Shot: sample.shot, Zone: sampleZone,
		Content: content, FileName: sample.name, Bytes: size, Width: img.Rect.Dx(), Height: img.Rect.Dy(),
		Title: sample.title, Caption: sample.caption,
	}, nil
}
