package site

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errAway is returned when nothing is known and the store cannot be asked.
var errAway = errors.New("the site cannot reach its database just now; please try again")

// galleryLimit is how many photos the gallery shows.
const galleryLimit = 200

// visitor is what the tokens of a request allow, unexpired ones only.
type visitor struct{ levels map[int64]Level }

// level returns the highest level over the tags of a photo.
func (v visitor) level(tags []int64) Level {
	best := None
	for _, t := range tags {
		best = max(best, v.levels[t])
	}
	return best
}

// readable returns the tags whose photos may be seen, ascending.
func (v visitor) readable() []int64 {
	var out []int64
	for t, l := range v.levels {
		if l >= Read {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out
}

// levelsOf folds grants at an instant.
func levelsOf(grants []Grant, now time.Time) visitor {
	v := visitor{levels: map[int64]Level{}}
	for _, g := range grants {
		if g.Expires.IsZero() || now.Before(g.Expires) {
			v.levels[g.Tag.ID] = max(v.levels[g.Tag.ID], g.Level)
		}
	}
	return v
}

// grants returns what a set of secrets allows, from memory when it is there.
func (s *Site) grantsOf(ctx context.Context, secrets []string) ([]Grant, error) {
	if len(secrets) == 0 {
		return nil, nil
	}
	hashes := make([][]byte, len(secrets))
	for i, secret := range secrets {
		hashes[i] = hashSecret(secret)
	}
	slices.SortFunc(hashes, slices.Compare)
	key := string(slices.Concat(hashes...))
	return s.knownGrants.get(ctx, key, func(ctx context.Context) ([]Grant, error) { return s.store.Grants(ctx, hashes) })
}

// visitor says what the sender of a request may do. A request without a usable
// token costs the store nothing.
func (s *Site) visitor(r *http.Request) (visitor, error) {
	secrets, err := s.tokens(r)
	if err != nil {
		return visitor{}, err
	}
	grants, err := s.grantsOf(r.Context(), secrets)
	if err != nil {
		return visitor{}, s.away(r.Context(), err)
	}
	return levelsOf(grants, time.Now()), nil
}

// photo returns a photo, from memory when it is there; ID 0 means there is none.
func (s *Site) photo(ctx context.Context, id int64) (Photo, error) {
	p, err := s.knownPhotos.get(ctx, strconv.FormatInt(id, 10), func(ctx context.Context) (Photo, error) {
		p, err := s.store.Photo(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return Photo{}, nil // an answer, worth remembering
		}
		return p, err
	})
	if err != nil {
		return Photo{}, s.away(ctx, err)
	}
	return p, nil
}

// gallery returns the newest photos that carry one of the tags.
func (s *Site) gallery(ctx context.Context, tags []int64) ([]Photo, error) {
	var key strings.Builder
	for _, t := range tags {
		key.WriteString(strconv.FormatInt(t, 10) + ",")
	}
	photos, err := s.knownGalleries.get(ctx, key.String(), func(ctx context.Context) ([]Photo, error) {
		return s.store.Photos(ctx, tags, galleryLimit)
	})
	if err != nil {
		return nil, s.away(ctx, err)
	}
	return photos, nil
}

// away hides why the store failed from visitors and keeps it for the log.
func (s *Site) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the visitor left
	}
	return fmt.Errorf("%w: %w", errAway, err)
}
