package api_test

import (
	"context"
	"errors"
	"sync/atomic"

	"keepwatch/postgres"
	"keepwatch/site/gallery"
)

var errDown = errors.New("dial tcp 10.0.0.3:5432: connection refused: SELECT secret FROM tables")

// flaky counts the questions to the database and may be away.
type flaky struct {
	postgres.Photos

	away  atomic.Bool
	asked atomic.Int64
}

// enter counts a question, or refuses it.
func (f *flaky) enter() error {
	f.asked.Add(1)
	if f.away.Load() {
		return errDown
	}
	return nil
}

func (f *flaky) Grants(ctx context.Context, hashes [][]byte) ([]gallery.Grant, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	return f.Photos.Grants(ctx, hashes)
}

func (f *flaky) Redeem(ctx context.Context, r gallery.Redemption) (gallery.Grant, error) {
	if err := f.enter(); err != nil {
		return gallery.Grant{}, err
	}
	return f.Photos.Redeem(ctx, r)
}

func (f *flaky) Photo(ctx context.Context, id int64) (gallery.Photo, error) {
	if err := f.enter(); err != nil {
		return gallery.Photo{}, err
	}
	return f.Photos.Photo(ctx, id)
}

func (f *flaky) Find(ctx context.Context, q gallery.Filter) ([]gallery.Photo, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	return f.Photos.Find(ctx, q)
}

func (f *flaky) Groups(ctx context.Context, g gallery.Grouping) ([]gallery.Group, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	return f.Photos.Groups(ctx, g)
}

func (f *flaky) Count(ctx context.Context, q gallery.Filter) (int64, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	return f.Photos.Count(ctx, q)
}

func (f *flaky) Place(ctx context.Context, id int64) (gallery.Place, error) {
	if err := f.enter(); err != nil {
		return gallery.Place{}, err
	}
	return f.Photos.Place(ctx, id)
}

func (f *flaky) Tags(ctx context.Context, ask gallery.Asking) ([]gallery.TagFacts, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	return f.Photos.Tags(ctx, ask)
}

func (f *flaky) Hints(ctx context.Context, h gallery.HintRequest) (gallery.Hints, error) {
	if err := f.enter(); err != nil {
		return gallery.Hints{}, err
	}
	return f.Photos.Hints(ctx, h)
}

func (f *flaky) Edit(ctx context.Context, e gallery.Edit, decide func(gallery.EditFacts) ([]gallery.Plan, error)) ([]gallery.Photo, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	return f.Photos.Edit(ctx, e, decide)
}

func (f *flaky) Share(ctx context.Context, tag int64, ask gallery.Asking, decide func(gallery.TagFacts) (gallery.Code, error)) (gallery.Code, error) {
	if err := f.enter(); err != nil {
		return gallery.Code{}, err
	}
	return f.Photos.Share(ctx, tag, ask, decide)
}

func (f *flaky) Unshare(ctx context.Context, code string, ask gallery.Asking, decide func(gallery.TagFacts, gallery.Code) error) error {
	if err := f.enter(); err != nil {
		return err
	}
	return f.Photos.Unshare(ctx, code, ask, decide)
}

func (f *flaky) Tag(ctx context.Context, id int64, name string, ask gallery.Asking) (gallery.TagFacts, error) {
	if err := f.enter(); err != nil {
		return gallery.TagFacts{}, err
	}
	return f.Photos.Tag(ctx, id, name, ask)
}
