package pages

import (
	"net/http"
	"strconv"
	"time"

	"keepwatch/site/gallery"
)

const (
	recentDays = 12
	thumbSizes = "(max-width: 30rem) 44vw, 12rem"
)

// thumbsPage is a wall of tiles, each of which opens a group.
type thumbsPage struct {
	frame

	Lead   string
	Blocks []block
	Empty  string // what to say when there is nothing
	More   link
}

// block is tiles under a heading; the first may have none.
type block struct {
	Heading string
	Thumbs  []thumb
}

// home is what people come to: the most recent days.
func (p *Pages) home(v visit) error { return p.recent(v) }

func (p *Pages) recent(v visit) error {
	groups, err := p.Album.Groups(v.ctx(), v.who, gallery.Grouping{By: gallery.ByDay, Limit: recentDays})
	if err != nil {
		return err
	}
	page := thumbsPage{
		frame: p.frame(v, "Recent", "recent"),
		Empty: "There are no pictures here yet.",
	}
	if len(groups) == recentDays {
		page.More = link{"Earlier: all months", "/months"}
	}
	var b block
	for _, g := range groups {
		b.Thumbs = append(b.Thumbs, thumbOf(g, "/day/"+g.Key, dateOr(g.Key, time.DateOnly, shortDate)))
	}
	page.Blocks = blocks(b)
	p.show(v.w, "thumbs", http.StatusOK, page)
	return nil
}

// months shows a tile for each month, under years.
func (p *Pages) months(v visit) error {
	groups, err := p.Album.Groups(v.ctx(), v.who, gallery.Grouping{By: gallery.ByMonth})
	if err != nil {
		return err
	}
	page := thumbsPage{frame: p.frame(v, "Months", "months"), Empty: "There are no pictures here yet."}
	for _, g := range groups {
		year := dateOr(g.Key, "2006-01", "2006")
		if n := len(page.Blocks); n == 0 || page.Blocks[n-1].Heading != year {
			page.Blocks = append(page.Blocks, block{Heading: year})
		}
		last := &page.Blocks[len(page.Blocks)-1]
		last.Thumbs = append(last.Thumbs, thumbOf(g, "/month/"+g.Key, dateOr(g.Key, "2006-01", "January")))
	}
	p.show(v.w, "thumbs", http.StatusOK, page)
	return nil
}

func (p *Pages) places(v visit) error {
	groups, err := p.placesBelow(v, gallery.RootLocation)
	if err != nil {
		return err
	}
	page := thumbsPage{
		frame: p.frame(v, "Places", "places"), Blocks: blocks(groups),
		Empty: "No picture has a place yet.",
	}
	p.show(v.w, "thumbs", http.StatusOK, page)
	return nil
}

// placesBelow returns the tiles of the places right below one.
func (p *Pages) placesBelow(v visit, id int64) (block, error) {
	groups, err := p.Album.Groups(v.ctx(), v.who, gallery.Grouping{By: gallery.ByPlace, Parent: id})
	var b block
	for _, g := range groups {
		b.Thumbs = append(b.Thumbs, thumbOf(g, "/place/"+g.Key, g.Name))
	}
	return b, err
}

func (p *Pages) people(v visit) error {
	return p.named(v, gallery.ByPerson, "/person/", thumbsPage{
		frame: p.frame(v, "People", "people"), Empty: "Nobody has been named in a picture yet.",
	})
}

func (p *Pages) tags(v visit) error {
	return p.named(v, gallery.ByTag, "/tag/", thumbsPage{
		frame: p.frame(v, "Tags", "tags"), Empty: "There are no tagged pictures yet.",
	})
}

func (p *Pages) named(v visit, by gallery.By, path string, page thumbsPage) error {
	groups, err := p.Album.Groups(v.ctx(), v.who, gallery.Grouping{By: by})
	if err != nil {
		return err
	}
	var b block
	for _, g := range groups {
		b.Thumbs = append(b.Thumbs, thumbOf(g, path+g.Key, g.Name))
	}
	page.Blocks = blocks(b)
	p.show(v.w, "thumbs", http.StatusOK, page)
	return nil
}

// blocks is one block, or none when it is empty.
func blocks(b block) []block {
	if len(b.Thumbs) == 0 {
		return nil
	}
	return []block{b}
}

func thumbOf(g gallery.Group, url, text string) thumb {
	t := thumb{URL: url, Text: text, Count: g.Count, Image: imageOf(g.Photo, thumbEdges, thumbSizes)}
	t.Image.Alt = "" // the text beside it names the group
	return t
}

// singleThumb is the tile of one photo.
func singleThumb(p gallery.Photo, in set) thumb {
	return thumb{
		URL: in.in("/photo/" + strconv.FormatInt(p.ID, 10)), Text: nameOf(p),
		Image: imageOf(p, slideEdges, thumbSizes),
	}
}

// dateOr writes a date in another layout; what is no date stays as it is.
func dateOr(text, from, to string) string {
	t, err := time.Parse(from, text)
	if err != nil {
		return text
	}
	return t.Format(to)
}
