package pages

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"keepwatch/site/answer"
	"keepwatch/site/gallery"
)

const (
	rollLimit = 48   // pictures of one page of a roll
	nearLimit = 1000 // pictures among which the previous and the next are looked for
)

// modes are the ways of looking at one set.
type modes struct {
	Present                   string // "roll", "slides", "edit" or "batch"
	Roll, Slides, Edit, Batch string // addresses; Edit and Batch are "" for those who may change nothing
}

func modesOf(v visit, in set, present string) modes {
	m := modes{Present: present, Roll: in.path(), Slides: in.in("/slides")}
	if len(v.who.Writable()) > 0 {
		m.Edit, m.Batch = in.in("/edit"), in.in("/batch")
	}
	return m
}

// rollPage shows pictures large, one below the other, with what is known of them.
type rollPage struct {
	frame

	Modes  modes
	Lead   string
	Up     link    // where the set belongs
	Thumbs []thumb // places below this one
	Here   string  // heading between them and the pictures
	Photos []detail
	Days   []link // of a month
	Total  string
	Empty  string
	Next   string // address of the following page
	First  string // address of the first page, when this is another
}

// group shows the set of a kind whose key is in the address.
func (p *Pages) group(k kind) func(visit) error {
	return func(v visit) error {
		in, ok := newSet(k, v.r.PathValue("key"))
		if !ok {
			return answer.ErrNoPage
		}
		return p.roll(v, in)
	}
}

func (p *Pages) search(v visit) error {
	q := v.r.URL.Query().Get("q")
	in, ok := newSet(kindSearch, q)
	if ok {
		return p.roll(v, in)
	}
	page := rollPage{
		frame: p.frame(v, "Search", "search"),
		Empty: "Type a word of a title, a caption, a name, a place or a tag.",
	}
	if q != "" {
		page.Empty = "That is too long for a search; a few words are enough."
	}
	p.show(v.w, "roll", http.StatusOK, page)
	return nil
}

func (p *Pages) roll(v visit, in set) error {
	f := in.filter()
	f.Limit, f.After = rollLimit+1, afterOf(v.r)
	photos, err := p.Album.Photos(v.ctx(), v.who, f)
	if err != nil {
		return err
	}
	page := rollPage{Modes: modesOf(v, in, "roll")}
	if err := p.about(v, in, photos, &page); err != nil {
		return err
	}
	if len(photos) == 0 && len(page.Thumbs) == 0 && in.id != 0 {
		return gallery.ErrForbidden // as for a place, person or tag that does not exist
	}
	if f.After != 0 {
		page.First = in.path()
	}
	if len(photos) > rollLimit {
		photos = photos[:rollLimit]
		page.Next = with(in.path(), "after", strconv.FormatInt(photos[rollLimit-1].ID, 10))
	}
	for _, photo := range photos {
		page.Photos = append(page.Photos, p.detailOf(v.who, photo, in))
	}
	if len(photos) > 0 {
		page.Photos[0].Image.Eager = true
	}
	page.Total = p.total(v, in, len(photos), page.Next != "" || page.First != "")
	p.show(v.w, "roll", http.StatusOK, page)
	return nil
}

// total is how many pictures a set has, in words.
func (p *Pages) total(v visit, in set, seen int, paged bool) string {
	if seen == 0 {
		return ""
	}
	n := int64(seen)
	if paged {
		count, err := p.Album.Count(v.ctx(), v.who, in.filter())
		if err != nil { // the pictures are worth more than their number
			return ""
		}
		n = count
	}
	return pictures(n)
}

// about fills in what a set is called and where it belongs.
func (p *Pages) about(v visit, in set, photos []gallery.Photo, page *rollPage) error {
	title, err := p.titleOf(v.ctx(), v.who, in, photos)
	if err != nil {
		return err
	}
	page.frame = p.frame(v, title, in.section())
	page.Script = "roll"
	switch in.kind {
	case kindRecent:
		page.Up, page.Empty = link{"Recent days", "/recent"}, "There are no pictures here yet."
	case kindDay:
		month := in.key[:len("2006-01")]
		page.Up = link{dateOr(month, "2006-01", monthWords), "/month/" + month}
		page.Empty = "There are no pictures of this day."
	case kindMonth:
		page.Up, page.Empty = link{"All months", "/months"}, "There are no pictures of this month."
		page.Days = daysOf(photos)
	case kindPlace:
		return p.aboutPlace(v, in, photos, page)
	case kindPerson:
		page.Up = link{"People", "/people"}
	case kindTag:
		page.Up = link{"Tags", "/tags"}
	case kindNew:
		page.Lead, page.Empty = "Pictures that nobody has edited yet.", "Nothing new: every picture has been looked after."
	case kindDeleted:
		page.Lead, page.Empty = "Only people who may edit a picture still see it here, and can bring it back.", "No deleted pictures."
	case kindSearch:
		page.Query = in.key
		page.Empty = "Nothing matches. Fewer or shorter words find more."
	}
	return nil
}

func (p *Pages) aboutPlace(v visit, in set, photos []gallery.Photo, page *rollPage) error {
	place, err := p.Album.Place(v.ctx(), v.who, in.id)
	if err != nil {
		return err
	}
	page.Up = link{"Places", "/places"}
	if place.Parent != nil && place.Parent.ID != gallery.RootLocation {
		page.Up = link{place.Parent.Name, "/place/" + strconv.FormatInt(place.Parent.ID, 10)}
	}
	if afterOf(v.r) != 0 {
		return nil // further pages show only pictures
	}
	below, err := p.placesBelow(v, in.id)
	if err != nil {
		return err
	}
	page.Thumbs = below.Thumbs
	if len(below.Thumbs) > 0 && len(photos) > 0 {
		page.Here = "Pictures in " + place.Name
	}
	return nil
}

// titleOf is what people call a set.
func (p *Pages) titleOf(ctx context.Context, who gallery.Visitor, in set, photos []gallery.Photo) (string, error) {
	switch in.kind {
	case kindDay:
		return dateOr(in.key, time.DateOnly, dayWords), nil
	case kindMonth:
		return dateOr(in.key, "2006-01", monthWords), nil
	case kindPlace:
		place, err := p.Album.Place(ctx, who, in.id)
		return place.Name, err
	case kindPerson:
		person, err := p.Album.Person(ctx, who, in.id)
		return person.Name(), err
	case kindTag:
		return tagName(photos, in.id), nil
	case kindNew:
		return "New pictures", nil
	case kindDeleted:
		return "Deleted pictures", nil
	case kindSearch:
		return "“" + in.key + "”", nil
	case kindRecent:
	}
	return "All pictures", nil
}

// tagName finds the name of a tag on the pictures that carry it.
func tagName(photos []gallery.Photo, id int64) string {
	for _, photo := range photos {
		for _, t := range photo.Tags {
			if t.ID == id {
				return t.Name
			}
		}
	}
	return "Tag"
}

// daysOf links to the days of a month.
func daysOf(photos []gallery.Photo) []link {
	var out []link
	for _, photo := range photos {
		day := dayOf(photo)
		l := link{day.Format("2 Jan"), "/day/" + day.Format(time.DateOnly)}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// afterOf is the photo after which a page begins; 0 is the first page.
func afterOf(r *http.Request) int64 {
	id, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// with adds a parameter to an address.
func with(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// inOf reads the set that a page works on; without one it is everything.
func inOf(r *http.Request) (set, error) {
	text := r.URL.Query().Get("in")
	if text == "" {
		return set{kind: kindRecent}, nil
	}
	in, ok := parseSet(text)
	if !ok {
		return set{}, answer.ErrNoPage
	}
	return in, nil
}

// neighbours are the photos before and after one in its set.
type neighbours struct {
	Previous, Next string // addresses, "" at the ends
	Position       string // "3 of 12", "" when it is not known
}

// near finds the neighbours of a photo; path is that of the pages to link.
func (p *Pages) near(v visit, in set, id int64, path string) (neighbours, error) {
	f := in.filter()
	f.Limit = nearLimit
	photos, err := p.Album.Photos(v.ctx(), v.who, f)
	if err != nil {
		return neighbours{}, err
	}
	at := slices.IndexFunc(photos, func(photo gallery.Photo) bool { return photo.ID == id })
	to := func(i int) string { return in.in(path + strconv.FormatInt(photos[i].ID, 10)) }
	var n neighbours
	if at < 0 { // it left the set, as a new picture does that is edited: on with what is left
		if len(photos) > 0 {
			n.Next = to(0)
		}
		return n, nil
	}
	if at > 0 {
		n.Previous = to(at - 1)
	}
	if at+1 < len(photos) {
		n.Next = to(at + 1)
	}
	if len(photos) < nearLimit {
		n.Position = strconv.Itoa(at+1) + " of " + strconv.Itoa(len(photos))
	}
	return n, nil
}

// photoPage shows one picture.
type photoPage struct {
	frame

	Photo detail
	Near  neighbours
	Back  link
}

func (p *Pages) photo(v visit) error {
	in, photo, err := p.one(v)
	if err != nil {
		return err
	}
	page := photoPage{frame: p.frame(v, nameOf(photo), in.section()), Photo: p.detailOf(v.who, photo, in)}
	page.Photo.Image.Eager = true
	page.Script = "roll"
	if page.Near, err = p.near(v, in, photo.ID, "/photo/"); err != nil {
		return err
	}
	title, err := p.titleOf(v.ctx(), v.who, in, []gallery.Photo{photo})
	if err != nil {
		return err
	}
	page.Back = link{title, in.at(photo.ID)}
	p.show(v.w, "photo", http.StatusOK, page)
	return nil
}

// one reads which photo and which set a page is about.
func (p *Pages) one(v visit) (set, gallery.Photo, error) {
	in, err := inOf(v.r)
	if err != nil {
		return set{}, gallery.Photo{}, err
	}
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return set{}, gallery.Photo{}, answer.ErrNoPage
	}
	photo, err := p.Album.Photo(v.ctx(), v.who, id)
	return in, photo, err
}

// slidesPage shows pictures as slides in mounts.
type slidesPage struct {
	frame

	Modes  modes
	Up     link
	Slides []thumb
	Total  string
	Next   string
	First  string
}

const slideLimit = 120 // slides of one page

func (p *Pages) slides(v visit) error {
	in, err := inOf(v.r)
	if err != nil {
		return err
	}
	photos, next, err := p.some(v, in, "/slides", slideLimit)
	if err != nil {
		return err
	}
	title, err := p.titleOf(v.ctx(), v.who, in, photos)
	if err != nil {
		return err
	}
	page := slidesPage{frame: p.frame(v, title, in.section()), Modes: modesOf(v, in, "slides"), Up: link{title, in.path()}, Next: next}
	if afterOf(v.r) != 0 {
		page.First = in.in("/slides")
	}
	for _, photo := range photos {
		page.Slides = append(page.Slides, singleThumb(photo, in))
	}
	page.Total = p.total(v, in, len(photos), page.Next != "" || page.First != "")
	p.show(v.w, "slides", http.StatusOK, page)
	return nil
}

// some returns one page of the pictures of a set, and the address of the next.
func (p *Pages) some(v visit, in set, path string, limit int) (photos []gallery.Photo, next string, err error) {
	f := in.filter()
	f.Limit, f.After = limit+1, afterOf(v.r)
	photos, err = p.Album.Photos(v.ctx(), v.who, f)
	if err == nil && len(photos) > limit {
		photos = photos[:limit]
		next = with(in.in(path), "after", strconv.FormatInt(photos[limit-1].ID, 10))
	}
	return photos, next, err
}
