package pages

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"keepwatch/site/gallery"
)

// accessPage is about codes: which ones the visitor used, and which ones it gives.
type accessPage struct {
	frame

	Message string // why a code was refused
	Mine    []sharedTag
	Free    []sharedTag
	Seen    []sharedTag
	Share   []toggle // tags for which the visitor may make codes, with the levels
}

// sharedTag is a tag with what the visitor may do with it and its codes.
type sharedTag struct {
	ID          int64
	Name        string
	Description string
	Pictures    string
	Level       string // words
	Own         bool   // the visitor may make codes of every level
	Shareable   bool   // the visitor may make codes
	Codes       []sharedCode
}

// sharedCode is a code that the visitor may see.
type sharedCode struct {
	Code    string // formatted for people
	Level   string
	Uses    string
	Expires string
	Ended   bool // it gives nothing any more
}

func (p *Pages) access(v visit) error { return p.showAccess(v, http.StatusOK, "") }

// showAccess shows the access page; message says why a code was refused.
func (p *Pages) showAccess(v visit, status int, message string) error {
	tags, err := p.Forms.Tags(v.ctx(), v.who)
	if err != nil {
		return err
	}
	page := accessPage{frame: p.frame(v, "Access", "access"), Message: message}
	page.Script = "access"
	now := time.Now()
	for _, t := range tags {
		s := sharedTag{
			ID: t.ID, Name: t.Name, Description: t.Description, Pictures: pictures(t.Photos),
			Level: levelWords(v.who.Level(t.ID)), Own: v.who.Level(t.ID) >= gallery.Write, Shareable: gallery.MaySeeCodes(v.who, t),
		}
		if s.Shareable {
			page.Share = append(page.Share, toggle{ID: t.ID, Name: t.Name, On: s.Own})
		}
		for _, c := range t.Codes {
			s.Codes = append(s.Codes, codeOf(c, now))
		}
		switch {
		case s.Own:
			page.Mine = append(page.Mine, s)
		case v.who.Level(t.ID) == gallery.None || s.Shareable:
			page.Free = append(page.Free, s)
		default:
			page.Seen = append(page.Seen, s)
		}
	}
	slices.SortStableFunc(page.Share, func(a, b toggle) int { // the visitor's own first
		switch {
		case a.On == b.On:
			return 0
		case a.On:
			return -1
		}
		return 1
	})
	p.show(v.w, "access", status, page)
	return nil
}

func codeOf(c gallery.Code, now time.Time) sharedCode {
	s := sharedCode{Code: gallery.FormatCode(c.Code), Level: levelWords(c.Level), Uses: words(c.Uses, "use", "uses"), Expires: "never expires"}
	if c.MaxUses > 0 {
		s.Uses = fmt.Sprintf("used %d of %d", c.Uses, c.MaxUses)
		s.Ended = c.Uses >= c.MaxUses
	}
	if !c.Expires.IsZero() {
		s.Expires = "until " + c.Expires.UTC().Format(dateWords)
		if !now.Before(c.Expires) {
			s.Expires, s.Ended = "expired on "+c.Expires.UTC().Format(dateWords), true
		}
	}
	return s
}
