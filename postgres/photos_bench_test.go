package postgres_test

import (
	"fmt"
	"testing"

	"keepwatch/site/gallery"
)

// manyPhotos fills a site: n photos over ten years, each on one of five albums and
// some on a sixth; 300 places in three levels, 200 people.
func manyPhotos(b *testing.B, n int) *album {
	b.Helper()
	a := newAlbum(b)
	for i := range 6 {
		a.grant(fmt.Sprint("album", i), gallery.Write)
	}
	a.exec(`
		INSERT INTO place (parent_id, name, key, words)
		SELECT 1, 'country' || i, 'country' || i, ('''country' || i || '''')::tsvector FROM generate_series(1, 20) AS i`)
	a.exec(`
		INSERT INTO place (parent_id, name, key, words)
		SELECT 2 + i % 20, 'town' || i, 'town' || i, ('''town' || i || '''')::tsvector FROM generate_series(1, 280) AS i`)
	a.exec(`
		INSERT INTO person (first_name, last_name, key, words)
		SELECT 'Ada', 'Name' || i, 'ada name' || i, ('''ada'' ''name' || i || '''')::tsvector FROM generate_series(1, 200) AS i`)
	a.exec(`
		INSERT INTO photo (content, file_name, bytes, width, height, title, caption, taken, added, place_id, is_new, words)
		SELECT
			repeat(md5(i::text), 2), 'IMG' || i || '.jpg', 1000000, 4000, 3000, 'Title ' || i % 1000, 'A caption about thing' || i % 5000,
			timestamp '2016-01-01' + i * (interval '10 years' / $1), timestamptz '2026-11-01 00:00+00' + i * interval '1 second',
			1 + i * 11 % 301, i % 101 = 0,
			setweight(to_tsvector('simple', 'Title ' || i % 1000), 'A') || setweight(to_tsvector('simple', 'A caption about thing' || i % 5000), 'B')
		FROM generate_series(1, $1::int) AS i`, n)
	a.exec(`
		INSERT INTO photo_tag (photo_id, tag_id)
		SELECT p.id, t.id FROM photo AS p JOIN tag AS t ON t.name = 'album' || p.id % 5
		UNION ALL
		SELECT p.id, t.id FROM photo AS p JOIN tag AS t ON t.name = 'album5' WHERE p.id % 4 = 0`)
	a.exec(`
		INSERT INTO photo_person (photo_id, person_id)
		SELECT p.id, 1 + p.id * 13 % 200 FROM photo AS p WHERE p.id % 2 = 0
		UNION
		SELECT p.id, 1 + p.id * 17 % 200 FROM photo AS p WHERE p.id % 6 = 0`)
	a.exec("UPDATE photo SET deleted = added WHERE id % 200 = 0")
	a.exec("VACUUM ANALYZE")
	return a
}

// What the pages of a large site ask, by somebody who sees all and by somebody who
// sees a fifth.
func BenchmarkPhotosBrowse(b *testing.B) {
	a := manyPhotos(b, 100_000)
	ctx := b.Context()
	var all []int64
	for i := range 6 {
		all = append(all, a.tagID(fmt.Sprint("album", i)))
	}
	for _, who := range []struct {
		name string
		tags []int64
	}{{"all", all}, {"fifth", all[2:3]}} {
		group := func(g gallery.Grouping) func() (int, error) {
			return func() (int, error) {
				g.Tags = who.tags
				out, err := a.Groups(ctx, g)
				return len(out), err
			}
		}
		find := func(f gallery.Filter) func() (int, error) {
			return func() (int, error) {
				f.Tags = who.tags
				out, err := a.Find(ctx, f)
				return len(out), err
			}
		}
		ask := gallery.Asking{Writable: who.tags, Held: who.tags, Now: siteNow}
		for _, c := range []struct {
			name string
			run  func() (int, error)
		}{
			{"days", group(gallery.Grouping{By: gallery.ByDay, Limit: 12})},
			{"months", group(gallery.Grouping{By: gallery.ByMonth})},
			{"places", group(gallery.Grouping{By: gallery.ByPlace, Parent: 1})},
			{"people", group(gallery.Grouping{By: gallery.ByPerson})},
			{"tags", group(gallery.Grouping{By: gallery.ByTag})},
			{"newest 100", find(gallery.Filter{Order: gallery.Newest, Limit: 100})},
			{"newest 100, page 200", find(gallery.Filter{Order: gallery.Newest, Limit: 100, After: 80000})},
			{"a day", find(gallery.Filter{Day: "2020-05-05"})},
			{"a month", find(gallery.Filter{Month: "2020-05", Limit: 1000})},
			{"a person", find(gallery.Filter{Person: 27, Limit: 100})},
			{"here", find(gallery.Filter{Location: 43, Limit: 100})},
			{"below", find(gallery.Filter{Below: 3, Limit: 100})},
			{"search one word", find(gallery.Filter{Text: "thing4712", Order: gallery.Best, Limit: 100})},
			{"search three words", find(gallery.Filter{Text: "title town7 name27", Order: gallery.Best, Limit: 100})},
			{"new", func() (int, error) {
				n, err := a.Count(ctx, gallery.Filter{Tags: who.tags, New: new(true)})
				return int(n), err
			}},
			{"access page", func() (int, error) { out, err := a.Tags(ctx, ask); return len(out), err }},
			{"one tag", func() (int, error) { out, err := a.Tag(ctx, who.tags[0], "", ask); return int(out.All), err }},
			{"hints", func() (int, error) {
				out, err := a.Hints(ctx, gallery.HintRequest{Writable: who.tags, Photo: 50002})
				return len(out.People), err
			}},
			{"one photo", func() (int, error) { _, err := a.Photo(ctx, 777); return 1, err }},
		} {
			b.Run(who.name+"/"+c.name, func(b *testing.B) {
				n := 0
				for b.Loop() {
					var err error
					if n, err = c.run(); err != nil {
						b.Fatal(err)
					}
				}
				if n == 0 {
					b.Fatal("nothing was found: this measures nothing")
				}
				b.ReportMetric(float64(n), "rows")
			})
		}
	}
}
