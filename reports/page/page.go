// Package page writes a report as HTML: a page for a browser and for paper, and a
// mail for programs that know little of HTML. It prints what package sheet says.
//
// The page has no script, and works under a content security policy that forbids
// inline styles: its colours come from one style sheet, linked or inlined.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"keepwatch/reports"
	"keepwatch/reports/sheet"
)

//go:embed report.html mail.html list.html
var files embed.FS

// Style is the style sheet of the page, for those who serve it beside it.
//
//go:embed style.css
var Style string

// Name is one of the two pages; those who serve them need not know package sheet.
type Name = sheet.Page

// The pages.
const (
	Manager = sheet.Manager
	OnCall  = sheet.OnCall
)

// Find returns the report with only the named service, "" for all; false when
// there is none of that name.
func Find(r reports.Report, service string) (reports.Report, bool) { return sheet.Find(r, service) }

// HTML is the format for browsers and for paper: one document without anything outside it.
type HTML struct {
	Page sheet.Page // "" prints both
}

// Name returns "html".
func (HTML) Name() string { return "html" }

// Media returns HTML.
func (HTML) Media() string { return "text/html; charset=utf-8" }

// Ext returns ".html".
func (HTML) Ext() string { return ".html" }

// Write implements [reports.Format].
func (h HTML) Write(w io.Writer, r reports.Report) error {
	return Write(w, r, Options{Page: h.Page})
}

// Link is one entry of the navigation; without Href it is where the reader is.
type Link struct{ Text, Href string }

// Options are how a page is served.
type Options struct {
	Page sheet.Page // "" prints both
	// Style is the address of the style sheet; "" puts it into the document.
	Style string
	Nav   []Link
}

// Write writes the report as a document. The error is the writer's, or that of a
// report whose zone is unknown here.
func Write(w io.Writer, r reports.Report, o Options) error {
	s, err := sheet.Of(r)
	if err != nil {
		return err
	}
	d := document{
		Sheet: s, Link: o.Style, Style: template.CSS(Style), Nav: o.Nav, Only: o.Page != "", //nolint:gosec // our own file
		ForManager: o.Page != sheet.OnCall, ForOnCall: o.Page != sheet.Manager, Many: len(s.Services) > 1,
	}
	if d.NoteHTML, err = note(s.Note); err != nil {
		return err
	}
	for i, v := range s.Services {
		d.Services = append(d.Services, drawn(v, i))
	}
	return execute(w, "report", d)
}

// document is what the template of a page sees.
type document struct {
	sheet.Sheet
	Services   []service // in place of the sheet's
	Link       string
	Style      template.CSS
	Nav        []Link
	NoteHTML   template.HTML
	Only       bool
	ForManager bool
	ForOnCall  bool
	Many       bool
}

// service is a service with its pictures.
type service struct {
	sheet.Service
	ID                         string
	Trended                    bool
	BarSVG, WeeksSVG, StripSVG template.HTML
}

func drawn(v sheet.Service, i int) service {
	id := "s" + strconv.Itoa(i+1)
	return service{
		Service: v, ID: id, Trended: len(v.Trend) > 1,
		BarSVG:   template.HTML(v.Bar.Draw().SVG(id + "b")),   //nolint:gosec // package chart escapes all text
		WeeksSVG: template.HTML(v.Weeks.Draw().SVG(id + "w")), //nolint:gosec // the same
		StripSVG: template.HTML(v.Strip.Draw().SVG(id + "h")), //nolint:gosec // the same
	}
}

// templates are parsed once and then only read.
var templates = sync.OnceValues(func() (*template.Template, error) { //nolint:gochecknoglobals // never changed once made
	t, err := template.New("").ParseFS(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return t, nil
})

// execute writes a template whole or not at all.
func execute(w io.Writer, name string, data any) error {
	t, err := templates()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("fill the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// note renders the team's Markdown. Markup of HTML in it is left out, and pictures
// become their words: a report fetches nothing from elsewhere.
func note(text string) (template.HTML, error) {
	if text == "" {
		return "", nil
	}
	md := goldmark.New(goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(noPictures{}, 100))))
	var b bytes.Buffer
	if err := md.Convert([]byte(text), &b); err != nil {
		return "", fmt.Errorf("render the note: %w", err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // the renderer is safe: it leaves raw HTML and script addresses out
}

// noPictures renders the words of a picture instead of the picture.
type noPictures struct{}

// RegisterFuncs implements [renderer.NodeRenderer].
func (noPictures) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindImage, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
		return ast.WalkContinue, nil // its words are below it
	})
}
