package fakepd

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"time"
)

const (
	stylePath = "/_style.css"
	pageRows  = 100
)

const style = `:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8888; vertical-align: top; }
form { display: inline; }
button { font: inherit; min-height: 2.5rem; padding: .2rem .9rem; }
.wide { overflow-x: auto; }
`

const pageSource = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3">
<title>{{.Open}} open – PagerDuty stand-in</title>
<link rel="stylesheet" href="` + stylePath + `">
</head>
<body>
<h1>PagerDuty stand-in</h1>
<p>Nobody is woken by this page: it stands in for PagerDuty. {{.Open}} open of {{.Shown}} shown. <a href="/_log">Log</a>, <a href="/_state">state</a>.
{{- range .Faults}} <strong>A fault is on.</strong>{{end}}</p>
<div class="wide">
<table>
<thead><tr><th scope="col">Since (UTC)</th><th scope="col">Incident</th><th scope="col">State</th><th scope="col">Act as a person</th></tr></thead>
<tbody>
{{- range .Incidents}}
<tr><td>{{.Created.Format "2006-01-02 15:04:05"}}</td>
<td><strong>{{.Summary}}</strong><br>{{.Source}}, {{.Severity}}, {{.Triggers}} trigger(s)<br><small>{{.DedupKey}}</small></td>
<td>{{.Status}}{{if .AcknowledgedBy}}<br><small>acknowledged by {{.AcknowledgedBy}}</small>{{end}}{{if .ResolvedBy}}<br><small>resolved by {{.ResolvedBy}}</small>{{end}}</td>
<td>{{if eq .Status "triggered"}}<form method="post" action="/_ack"><input type="hidden" name="dedup_key" value="{{.DedupKey}}"><input type="hidden" name="routing_key" value="{{.RoutingKey}}"><input type="hidden" name="by" value="you"><input type="hidden" name="back" value="1"><button>Acknowledge</button></form>{{end}}
{{if ne .Status "resolved"}}<form method="post" action="/_resolve"><input type="hidden" name="dedup_key" value="{{.DedupKey}}"><input type="hidden" name="routing_key" value="{{.RoutingKey}}"><input type="hidden" name="by" value="you"><input type="hidden" name="back" value="1"><button>Resolve</button></form>{{end}}</td></tr>
{{- else}}
<tr><td colspan="4">No page has gone out yet.</td></tr>
{{- end}}
</tbody>
</table>
</div>
</body>
</html>
`

// pageData is what the page shows.
type pageData struct {
	Open, Shown int
	Incidents   []Incident // newest first
	Faults      []Fault    // at most one, to say that there is one
}

func parsePage() (*template.Template, error) { return template.New("page").Parse(pageSource) }

// page shows the incidents to people.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	st := s.State()
	slices.Reverse(st.Incidents)
	slices.SortStableFunc(st.Incidents, func(a, b Incident) int { return rank(a) - rank(b) })
	d := pageData{Incidents: st.Incidents[:min(len(st.Incidents), pageRows)], Faults: st.Faults[:min(len(st.Faults), 1)]}
	for _, inc := range st.Incidents {
		if inc.Status != resolved {
			d.Open++
		}
	}
	d.Shown = len(d.Incidents)
	t, err := parsePage()
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, d)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(out.Bytes()) // the reader may have left
}

// rank puts what nobody has answered first.
func rank(inc Incident) int {
	switch inc.Status {
	case triggered:
		return 0
	case acknowledged:
		return 1
	}
	return 2
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(style)))
}
