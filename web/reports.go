package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"keepwatch/reports"
	"keepwatch/reports/page"
)

// ReportSource gives the console its reports. Safe for concurrent use.
type ReportSource interface {
	// SavedReports lists the written reports, newest week first.
	SavedReports(ctx context.Context) ([]reports.Saved, error)
	// LoadReport returns the report of a week; "" is the running week so far. zone ""
	// is that of the configuration; revision 0 is the newest, and a week that was never
	// written is looked at now. [ErrNotFound] when there is none.
	LoadReport(ctx context.Context, week, zone string, revision int) (reports.Report, error)
}

// sheetStyle is where the style sheet of reports is.
const sheetStyle = "/report.css"

// mountReports serves the reports behind guard.
func (s *Server) mountReports(mux *http.ServeMux, guard func(http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("GET "+sheetStyle, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprint(w, page.Style)
	})
	if s.Reports == nil {
		return
	}
	mux.HandleFunc("GET /reports", guard(s.reportList))
	mux.HandleFunc("GET /reports/{$}", guard(s.reportList))
	mux.HandleFunc("GET /reports/{week}", guard(s.reportPage))
	mux.HandleFunc("GET /api/v1/reports/{week}", guard(s.reportJSON))
}

func (s *Server) reportList(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	saved, err := s.Reports.SavedReports(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.send(w, r, "text/html; charset=utf-8", func(b *bytes.Buffer) error { return page.List(b, saved, sheetStyle) })
}

// reportAsk is what the address of a report asks for.
type reportAsk struct {
	week, zone, service string
	page                page.Name
	revision            int
}

func askOf(r *http.Request) (reportAsk, error) {
	q := r.URL.Query()
	a := reportAsk{week: r.PathValue("week"), zone: q.Get("zone"), service: q.Get("service"), page: page.Name(q.Get("page"))}
	switch a.page {
	case page.Manager, page.OnCall:
	case "":
		a.page = page.Manager
	default:
		return a, errBadRequest
	}
	if a.week != "now" {
		if _, err := reports.ParseWeek(a.week, nil); err != nil {
			return a, errors.Join(errBadRequest, err)
		}
	}
	if text := q.Get("revision"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return a, errors.Join(errBadRequest, err)
		}
		a.revision = int(n)
	}
	return a, nil
}

// load reads what was asked for.
func (s *Server) load(ctx context.Context, a reportAsk) (reports.Report, error) {
	week := a.week
	if week == "now" {
		week = ""
	}
	rep, err := s.Reports.LoadReport(ctx, week, a.zone, a.revision)
	if err != nil {
		return rep, err
	}
	rep, ok := page.Find(rep, a.service)
	if !ok {
		return rep, ErrNotFound
	}
	return rep, nil
}

// reportPage shows a report, or hands it over in another format. A program that
// does not ask for HTML gets text, as it always did.
func (s *Server) reportPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 4*answerIn)
	defer cancel()
	a, err := askOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	name, file := r.URL.Query().Get("format"), r.URL.Query().Has("file")
	if name == "" {
		name = "text"
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			name = "html"
		}
	}
	var format reports.Format
	for _, f := range s.Formats {
		if f.Name() == name {
			format = f
		}
	}
	if format == nil {
		s.fail(w, r, errBadRequest)
		return
	}
	rep, err := s.load(ctx, a)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if name == "html" && !file {
		s.send(w, r, format.Media(), func(b *bytes.Buffer) error {
			return page.Write(b, rep, page.Options{Page: a.page, Style: sheetStyle, Nav: s.nav(a, rep)})
		})
		return
	}
	if file || !strings.HasPrefix(format.Media(), "text/plain") && name != "json" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(a.week, rep.Revision)+format.Ext()+`"`)
	}
	s.send(w, r, format.Media(), func(b *bytes.Buffer) error { return format.Write(b, rep) })
}

// reportJSON is the report for programs; docs/report.schema.json describes it.
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 4*answerIn)
	defer cancel()
	a, err := askOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	rep, err := s.load(ctx, a)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.send(w, r, reports.JSON{}.Media(), func(b *bytes.Buffer) error { return reports.JSON{}.Write(b, rep) })
}

// fileName is made of what was checked: a week or "now", and a number.
func fileName(week string, revision int) string {
	if revision == 0 {
		return "keepwatch-" + week
	}
	return "keepwatch-" + week + "-r" + strconv.Itoa(revision)
}

// nav leads to the other page, to the files, and back to the list.
func (s *Server) nav(a reportAsk, rep reports.Report) []page.Link {
	href := func(p page.Name, format string) string {
		q := url.Values{}
		for key, value := range map[string]string{"zone": a.zone, "service": a.service, "page": string(p), "format": format} {
			if value != "" {
				q.Set(key, value)
			}
		}
		if a.revision > 0 {
			q.Set("revision", strconv.Itoa(rep.Revision))
		}
		if format != "" {
			q.Set("file", "1")
		}
		return "/reports/" + url.PathEscape(a.week) + "?" + q.Encode()
	}
	links := []page.Link{{Text: "Keepwatch", Href: "/"}, {Text: "Reports", Href: "/reports"}}
	for _, p := range []struct {
		name page.Name
		text string
	}{{page.Manager, "Manager's page"}, {page.OnCall, "On-call page"}} {
		l := page.Link{Text: p.text}
		if a.page != p.name {
			l.Href = href(p.name, "")
		}
		links = append(links, l)
	}
	for _, f := range s.Formats {
		links = append(links, page.Link{Text: f.Name(), Href: href("", f.Name())})
	}
	return links
}

// send writes an answer whole or not at all.
func (s *Server) send(w http.ResponseWriter, r *http.Request, media string, write func(*bytes.Buffer) error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		w.Header().Del("Content-Disposition")
		s.fail(w, r, fmt.Errorf("write report: %w", err))
		return
	}
	w.Header().Set("Content-Type", media)
	if _, err := b.WriteTo(w); err != nil {
		s.Log.DebugContext(r.Context(), "write answer", "err", err)
	}
}
