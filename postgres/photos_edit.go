package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"keepwatch/site/gallery"
)

const sqlLockPhotos = `
SELECT p.id
FROM photo AS p
WHERE p.id = ANY(@ids)
ORDER BY p.id
FOR NO KEY UPDATE`

// Edit implements [gallery.Photos].
func (p Photos) Edit(ctx context.Context, e gallery.Edit, decide func(gallery.EditFacts) ([]gallery.Plan, error)) ([]gallery.Photo, error) {
	var after []gallery.Photo
	err := p.again(ctx, func(tx pgx.Tx) error {
		locked, err := column[int64](ctx, tx, sqlLockPhotos, pgx.NamedArgs{"ids": e.IDs})
		if err != nil {
			return fmt.Errorf("lock photos: %w", err)
		}
		if slices.ContainsFunc(e.IDs, func(id int64) bool { return !slices.Contains(locked, id) }) {
			return gallery.ErrNotFound
		}
		facts, err := editFacts(ctx, tx, e)
		if err != nil {
			return err
		}
		plans, err := decide(facts)
		if err != nil {
			return err
		}
		if err := applyPlans(ctx, tx, plans); err != nil {
			return err
		}
		after, err = photosByID(ctx, tx, e.IDs)
		return err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// editFacts gathers what [gallery.Decide] must know; the photos are locked, and
// the tags are from here on.
func editFacts(ctx context.Context, tx pgx.Tx, e gallery.Edit) (gallery.EditFacts, error) {
	facts := gallery.EditFacts{TagNames: map[string]int64{}, Tags: map[int64]gallery.TagFacts{}}
	if err := factsOfTags(ctx, tx, e, &facts); err != nil {
		return facts, err
	}
	var err error
	if facts.Photos, err = photosByID(ctx, tx, e.IDs); err != nil {
		return facts, err
	}
	if err := factsOfPeople(ctx, tx, e, &facts); err != nil {
		return facts, err
	}
	return facts, factsOfPlaces(ctx, tx, e, &facts)
}

func factsOfTags(ctx context.Context, tx pgx.Tx, e gallery.Edit, facts *gallery.EditFacts) error {
	names := make([]string, len(e.TagNames))
	keys := make([]string, len(e.TagNames))
	for i, name := range e.TagNames {
		names[i] = clean(name)
		keys[i] = nameKey(name)
	}
	locked, err := lockTags(ctx, tx, e.Tags, names, keys)
	if err != nil {
		return err
	}
	ids := make([]int64, len(locked))
	for i, t := range locked {
		ids[i] = t.ID
		key := gallery.Key(t.Name)
		if old, ok := facts.TagNames[key]; ok && old < t.ID && !slices.Contains(names, t.Name) {
			continue // of several that are alike the oldest, unless another is spelled so
		}
		facts.TagNames[key] = t.ID
	}
	known, err := owned(ctx, tx, ids, e.Ask.Now)
	for _, t := range known {
		facts.Tags[t.ID] = t
	}
	return err
}

func factsOfPeople(ctx context.Context, tx pgx.Tx, e gallery.Edit, facts *gallery.EditFacts) error {
	facts.People, facts.PersonNames = map[int64]gallery.Person{}, map[string]int64{}
	if len(e.People)+len(e.PersonNames) == 0 {
		return nil
	}
	keys := make([]string, len(e.PersonNames))
	for i, s := range e.PersonNames {
		keys[i] = nameKey(s.Name())
	}
	people, err := list[gallery.Person](ctx, tx, sqlPeople, pgx.NamedArgs{"ids": e.People, "keys": keys})
	if err != nil {
		return fmt.Errorf("read people: %w", err)
	}
	for _, s := range people {
		facts.People[s.ID] = s
		facts.PersonNames[gallery.Key(s.Name())] = s.ID
	}
	return nil
}

func factsOfPlaces(ctx context.Context, tx pgx.Tx, e gallery.Edit, facts *gallery.EditFacts) error {
	facts.Places, facts.Siblings = map[int64]gallery.Place{}, map[int64][]gallery.Ref{}
	if e.Location == 0 && e.LocationName == "" {
		return nil
	}
	ids := []int64{e.Location}
	for _, photo := range facts.Photos {
		ids = append(ids, photo.Location.ID)
	}
	places, err := list[placeRow](ctx, tx, sqlPlaces, pgx.NamedArgs{"ids": slices.Compact(slices.Sorted(slices.Values(ids)))})
	if err != nil {
		return fmt.Errorf("read places: %w", err)
	}
	for _, r := range places {
		facts.Places[r.ID] = r.place()
		facts.Siblings[r.ID] = refs(r.Siblings, r.SiblingNames)
	}
	return nil
}

// link is a photo and what hangs on it.
type links struct{ photos, others []int64 }

func (l *links) add(photo int64, others ...int64) {
	for _, other := range others {
		l.photos = append(l.photos, photo)
		l.others = append(l.others, other)
	}
}

func (l *links) args() pgx.NamedArgs { return pgx.NamedArgs{"photos": l.photos, "others": l.others} }

const sqlLinkTags = `
INSERT INTO photo_tag (photo_id, tag_id)
SELECT n.photo, n.other
FROM unnest(@photos::bigint[], @others::bigint[]) AS n (photo, other)
ORDER BY n.photo, n.other
ON CONFLICT DO NOTHING`

const sqlUnlinkTags = `
DELETE FROM photo_tag AS x
USING unnest(@photos::bigint[], @others::bigint[]) AS n (photo, other)
WHERE x.photo_id = n.photo AND x.tag_id = n.other`

const sqlLinkPeople = `
INSERT INTO photo_person (photo_id, person_id)
SELECT n.photo, n.other
FROM unnest(@photos::bigint[], @others::bigint[]) AS n (photo, other)
ORDER BY n.photo, n.other
ON CONFLICT DO NOTHING`

const sqlUnlinkPeople = `
DELETE FROM photo_person AS x
USING unnest(@photos::bigint[], @others::bigint[]) AS n (photo, other)
WHERE x.photo_id = n.photo AND x.person_id = n.other`

// applyPlans does what was decided, in the order of the locks.
func applyPlans(ctx context.Context, tx pgx.Tx, plans []gallery.Plan) error {
	made, err := makeNew(ctx, tx, plans)
	if err != nil {
		return err
	}
	var tags, noTags, people, noPeople links
	b := &pgx.Batch{}
	ids := make([]int64, len(plans))
	for i, plan := range plans {
		photo := plan.Photo
		ids[i] = photo.ID
		if plan.NewLocation.Name != "" {
			photo.Location.ID = made.places[placeKey(plan.NewLocation)]
		}
		tags.add(photo.ID, plan.AddTags...)
		for _, name := range plan.NewTags {
			tags.add(photo.ID, made.tags[clean(name)])
		}
		people.add(photo.ID, plan.AddPeople...)
		for _, s := range plan.NewPeople {
			people.add(photo.ID, made.people[nameKey(s.Name())])
		}
		noTags.add(photo.ID, plan.RemoveTags...)
		noPeople.add(photo.ID, plan.RemovePeople...)
		b.Queue(sqlUpdatePhoto, photoArgs(photo))
	}
	for _, l := range []struct {
		sql string
		*links
	}{{sqlLinkTags, &tags}, {sqlUnlinkTags, &noTags}, {sqlLinkPeople, &people}, {sqlUnlinkPeople, &noPeople}} {
		if len(l.photos) > 0 {
			b.Queue(l.sql, l.args())
		}
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("change photos: %w", err)
	}
	if len(noTags.others) > 0 {
		if err := deleteIdleTags(ctx, tx, noTags.others); err != nil {
			return err
		}
	}
	return announcePhotos(ctx, tx, ids)
}

// newThings are ids of what plans made, by clean name, key, or parent and key.
type newThings struct {
	tags   map[string]int64
	people map[string]int64
	places map[string]int64
}

func placeKey(r gallery.Ref) string { return fmt.Sprintf("%d %s", r.ID, nameKey(r.Name)) }

// makeNew makes each new tag, person and place of the plans once.
func makeNew(ctx context.Context, tx pgx.Tx, plans []gallery.Plan) (newThings, error) {
	var tags []string
	var people []gallery.Person
	places := map[string]gallery.Ref{}
	for _, plan := range plans {
		for _, name := range plan.NewTags {
			tags = append(tags, clean(name))
		}
		people = append(people, plan.NewPeople...)
		if plan.NewLocation.Name != "" {
			places[placeKey(plan.NewLocation)] = plan.NewLocation
		}
	}
	out := newThings{places: map[string]int64{}}
	var err error
	if out.tags, err = makeTags(ctx, tx, tags); err != nil {
		return out, err
	}
	if out.people, err = findOrMakePeople(ctx, tx, people); err != nil {
		return out, err
	}
	for _, key := range sortedKeys(places) {
		if out.places[key], err = makePlace(ctx, tx, places[key].ID, places[key].Name); err != nil {
			return out, err
		}
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

const sqlMakePerson = `
INSERT INTO person (first_name, last_name, key, words)
VALUES (@first, @last, @key, @words::text::tsvector)
ON CONFLICT (key) DO NOTHING`

// findOrMakePeople makes people that do not exist, in the order of their keys, and
// returns the ids of all by key. People are never deleted.
func findOrMakePeople(ctx context.Context, tx pgx.Tx, people []gallery.Person) (map[string]int64, error) {
	out := map[string]int64{}
	if len(people) == 0 {
		return out, nil
	}
	key := func(s gallery.Person) string { return nameKey(s.Name()) }
	people = slices.DeleteFunc(slices.Clone(people), func(s gallery.Person) bool { return key(s) == "" })
	people = slices.SortedFunc(slices.Values(people), func(a, b gallery.Person) int { return cmp.Compare(key(a), key(b)) })
	keys := make([]string, len(people))
	for i, s := range people {
		keys[i] = key(s)
		args := pgx.NamedArgs{"first": clean(s.First), "last": clean(s.Last), "key": keys[i], "words": vector(part{text: s.Name()})}
		if _, err := tx.Exec(ctx, sqlMakePerson, args); err != nil {
			return nil, fmt.Errorf("make a person: %w", err)
		}
	}
	// A statement of its own: it also sees whom another transaction made meanwhile.
	known, err := list[gallery.Person](ctx, tx, sqlPeople, pgx.NamedArgs{"ids": []int64{}, "keys": keys})
	if err != nil {
		return nil, fmt.Errorf("make people: %w", err)
	}
	for _, s := range known {
		out[key(s)] = s.ID
	}
	return out, nil
}
