package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

const sqlMakeTag = `
INSERT INTO tag (name, key, words)
VALUES (@name, @key, @words::text::tsvector)
ON CONFLICT (name) DO NOTHING
RETURNING id`

func tagArgs(name string) pgx.NamedArgs {
	return pgx.NamedArgs{"name": clean(name), "key": nameKey(name), "words": vector(part{text: name})}
}

// makeTags makes tags that do not exist, in the order of their names. When one
// exists meanwhile the error is errAgain: what is to be done with it must be
// decided anew.
func makeTags(ctx context.Context, tx pgx.Tx, names []string) (map[string]int64, error) {
	out := map[string]int64{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		ids, err := column[int64](ctx, tx, sqlMakeTag, tagArgs(name))
		if err != nil {
			return nil, fmt.Errorf("make a tag: %w", err)
		}
		if len(ids) == 0 {
			return nil, errAgain
		}
		out[name] = ids[0]
	}
	return out, nil
}

// findOrMakeTags locks tags of exactly these names, which must be clean, and makes
// those that are missing.
func findOrMakeTags(ctx context.Context, tx pgx.Tx, names []string) (map[string]int64, error) {
	found, err := lockTags(ctx, tx, nil, names, nil)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, t := range found {
		out[t.Name] = t.ID
	}
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return out[name] != 0 })
	made, err := makeTags(ctx, tx, missing)
	if err != nil {
		return nil, err
	}
	maps.Copy(out, made)
	return out, nil
}
