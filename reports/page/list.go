package page

import (
	"io"

	"keepwatch/reports"
)

// listed is one frozen week with its revisions, newest first.
type listed struct {
	Week, Zone, Written string
	Revisions           []int
}

// List writes the page of all frozen weeks; saved is newest week first, as a store
// lists them. style is the address of the style sheet.
func List(w io.Writer, saved []reports.Saved, style string) error {
	var weeks []listed
	for _, s := range saved {
		if n := len(weeks); n > 0 && weeks[n-1].Week == s.Week && weeks[n-1].Zone == s.Zone {
			weeks[n-1].Revisions = append(weeks[n-1].Revisions, s.Revision)
			continue
		}
		weeks = append(weeks, listed{Week: s.Week, Zone: s.Zone, Written: s.Written.UTC().Format("2 Jan 2006 15:04 UTC"), Revisions: []int{s.Revision}})
	}
	return execute(w, "list", listView{Style: style, Weeks: weeks})
}

type listView struct {
	Style string
	Weeks []listed
}
