package reports

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// Week is an ISO week in a zone.
type Week struct {
	Year, Number int
	Zone         *time.Location
	From, To     time.Time // UTC, [From, To)
}

// WeekOf returns the week that holds t.
func WeekOf(t time.Time, zone *time.Location) Week { panic("not yet") }

// ParseWeek reads "2026-W47".
func ParseWeek(text string, zone *time.Location) (Week, error) { panic("not yet") }

// WeekBefore returns the last week that had ended at t.
func WeekBefore(t time.Time, zone *time.Location) Week { panic("not yet") }

// String returns "2026-W47".
func (w Week) String() string { panic("not yet") }

// Report is the figures of one week.
type Report struct{}

// Format writes a report in one way.
type Format interface {
	Name() string
	Write(w io.Writer, r Report) error
}

// Text is the format of 80 columns for terminals and mail; JSON is for programs.
type (
	Text struct{}
	JSON struct{}
)

// Name returns "text".
func (Text) Name() string { return "text" }

// Write writes the report.
func (Text) Write(w io.Writer, r Report) error { panic("not yet") }

// Name returns "json".
func (JSON) Name() string { return "json" }

// Write writes the report.
func (JSON) Write(w io.Writer, r Report) error { panic("not yet") }

// ErrExists is returned by Save for a report that was written already.
var ErrExists = errors.New("the report of this week exists already")

// ErrNotFound is returned by Load for a report that was never written.
var ErrNotFound = errors.New("no such report")

// Saved names a saved report.
type Saved struct {
	Week     string // "2026-W47"
	Zone     string
	Revision int
	Written  time.Time
}

// Store is what reports are made from and kept in.
type Store interface {
	// Ledger returns everything recorded about a check for slots that start in [from, to).
	Ledger(ctx context.Context, check string, from, to time.Time) (CheckLedger, error)
	// Incidents returns the incidents of a service that touched [from, to), oldest first.
	Incidents(ctx context.Context, service string, from, to time.Time) ([]IncidentFact, error)
	// Save keeps a report for good; ErrExists when its week, zone and revision are taken.
	Save(ctx context.Context, r Report, written time.Time) error
	// Load returns a saved report; revision 0 means the newest. ErrNotFound when there is none.
	Load(ctx context.Context, week, zone string, revision int) (Report, error)
	// List returns the newest saved reports of a zone, newest week first.
	List(ctx context.Context, zone string, limit int) ([]Saved, error)
}

// Sender passes a saved report on to people.
type Sender interface {
	Name() string
	Send(ctx context.Context, r Report) error
}

// Make builds the report of a week from what the store holds at now.
func Make(ctx context.Context, s Store, w Week, services []Service, now time.Time) (Report, error) {
	panic("not yet")
}

// Settings are what may change while the writer runs.
type Settings struct {
	Zone     *time.Location
	Send     SendTime
	Services []Service
}

// Writer writes the report of each ended week, once.
type Writer struct {
	Store    Store
	Settings func() Settings // the present ones; called at each wake
	Senders  []Sender
	Log      *slog.Logger
}

// Run writes reports until ctx ends.
func (w *Writer) Run(ctx context.Context) error { panic("not yet") }
