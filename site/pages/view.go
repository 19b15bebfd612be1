package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"keepwatch/site/gallery"
	"keepwatch/site/picture"
)

// The renditions that pages ask for, in pixels of the longer edge.
var (
	largeEdges = []int{350, 640, 1024, 1440, 1920} //nolint:gochecknoglobals // a constant table
	thumbEdges = []int{192, 350, 450}              //nolint:gochecknoglobals // a constant table
	slideEdges = []int{350, 640}                   //nolint:gochecknoglobals // a constant table
)

// fitsEvery is the longer edge in pixels below which a picture is shown as it is:
// it would have to be made larger for the box.
const fitsEvery = 640

// link is something with a name and a page.
type link struct{ Name, URL string }

// candidate is one rendition of a picture.
type candidate struct {
	URL   string
	Width int
}

// photoImage is a picture in a page. Width and Height keep its place free before
// it has arrived.
type photoImage struct {
	Src           string
	Set           []candidate
	Sizes         string
	Width, Height int
	Alt           string
	Shape         string // "wide", "even", "tall" or "small": how it fills its box
	Eager         bool   // it is seen first
}

// imageOf describes renditions of a photo, the first of which is for browsers that
// cannot choose. sizes is a CSS length of the longer edge.
func imageOf(p gallery.Photo, edges []int, sizes string) photoImage {
	img := photoImage{Src: picture.Address(p, edges[0]), Alt: altOf(p), Shape: "wide", Sizes: sizes}
	for _, edge := range edges {
		w, h := picture.Size(p, edge)
		if n := len(img.Set); n > 0 && img.Set[n-1].Width == w {
			break // renditions are never larger than the photo
		}
		img.Set = append(img.Set, candidate{URL: picture.Address(p, edge), Width: w})
		img.Width, img.Height = w, h
	}
	switch {
	case 10*img.Width < 13*img.Height && img.Width >= img.Height:
		img.Shape = "even"
	case img.Height > img.Width:
		img.Shape = "tall"
		img.Sizes = fmt.Sprintf("calc(%s * %.3f)", sizes, float64(img.Width)/float64(img.Height))
	}
	return img
}

// largeOf is a picture for the large box; see .frame in the style sheet.
func largeOf(p gallery.Photo) photoImage {
	img := imageOf(p, largeEdges, "min(100vw, 130vh)")
	if max(img.Width, img.Height) < fitsEvery {
		img.Shape = "small"
	}
	return img
}

// thumb is one tile of a browse page.
type thumb struct {
	URL   string
	Image photoImage
	Text  string
	Count int64 // of pictures; 0 shows none
}

// detail is everything that is shown of one photo.
type detail struct {
	ID          int64
	Anchor, URL string
	Image       photoImage
	Name        string // its title or number
	Title       string
	Caption     string
	Day         link
	Clock       string // "09:30"
	Zone        string
	Place       link // no name for the root
	People      []link
	Tags        []link
	Position    string // only for those who may change it
	Shot        []fact
	Size        string
	FileName    string
	New         bool
	Deleted     bool
	Original    string // address of the untouched file, "" when it may not be fetched
	Edit        string // address of its form, "" when it may not be changed
}

// fact is one row of what the camera said.
type fact struct{ Name, Value string }

func (p *Pages) detailOf(v gallery.Visitor, photo gallery.Photo, in set) detail {
	id := strconv.FormatInt(photo.ID, 10)
	day := dayOf(photo)
	d := detail{
		ID: photo.ID, Anchor: "p" + id, URL: in.in("/photo/" + id), Image: largeOf(photo),
		Name: nameOf(photo), Title: photo.Title, Caption: photo.Caption, Zone: photo.Zone,
		Day:  link{day.Format(dayWords), "/day/" + day.Format("2006-01-02")},
		Shot: shotFacts(photo), Size: megapixels(photo), FileName: photo.FileName,
		Deleted: !photo.Deleted.IsZero(),
	}
	if !photo.Taken.IsZero() {
		d.Clock = photo.Taken.Format(clockWords)
	}
	if photo.Location.ID > gallery.RootLocation {
		d.Place = link{photo.Location.Name, "/place/" + strconv.FormatInt(photo.Location.ID, 10)}
	}
	for _, person := range photo.People {
		d.People = append(d.People, link{person.Name(), "/person/" + strconv.FormatInt(person.ID, 10)})
	}
	for _, t := range photo.Tags {
		d.Tags = append(d.Tags, link{t.Name, "/tag/" + strconv.FormatInt(t.ID, 10)})
	}
	if gallery.MayDownload(v, photo) {
		d.Original = "/img/0/" + id + ".jpg"
	}
	if gallery.MayWrite(v, photo) {
		d.Edit, d.New, d.Position = in.in("/edit/"+id), photo.New, positionWords(photo.Position)
	}
	return d
}

func shotFacts(p gallery.Photo) []fact {
	flash := ""
	if p.Shot.Flash != nil {
		flash = "did not fire"
		if *p.Shot.Flash {
			flash = "fired"
		}
	}
	all := []fact{
		{"Camera", p.Shot.Camera},
		{"Aperture", p.Shot.Aperture},
		{"Shutter", p.Shot.Shutter},
		{"Film", p.Shot.Film},
		{"Focal length", p.Shot.FocalLength},
		{"Exposure", p.Shot.Exposure},
		{"Metering", p.Shot.Metering},
		{"Flash", flash},
		{"Process", p.Shot.Process},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return strings.TrimSpace(f.Value) == "" })
}
