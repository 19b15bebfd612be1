package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers is the table of the house: a package may import the packages of ours
// that stand in its row, and nothing else of ours. A new package needs a line.
// cmd/keepwatch itself may import all.
var layers = map[string][]string{
	"probe":           {},
	"oncall":          {},
	"oncall/calendar": {"oncall"},
	"reports":         {},
	"ledger":          {"probe", "reports"},
	"simulate":        {"probe", "reports"},
	"history":         {},                           // logs of probes that others made
	"traffic":         {},                           // access logs
	"reports/chart":   {},                           // draws what it is given
	"reports/sheet":   {"reports", "reports/chart"}, // what every format prints of a report, in words
	"reports/plain":   {"reports", "reports/sheet"}, // text, Markdown, CSV
	"reports/page":    {"reports", "reports/sheet", "reports/chart", "reports/plain"},
	"reports/pdf":     {"reports", "reports/sheet", "reports/chart"},
	"reports/courier": {"reports"},
	"reports/sample":  {"reports"}, // reports by hand, for tests
	"site/render":     {"site/render/plane"},
	"site/originals":  {},
	"site/gallery":    {},
	"site/archive":    {"site/gallery", "site/originals", "site/render"},
	"site/picture":    {"site/gallery", "site/originals", "site/render"},
	"site/guard":      {},
	"site/nginxtest":  {}, // a real nginx for tests and benchmarks
	"site/intake":     {"site/gallery", "site/render", "site/originals"},
	"site/access":     {"site/gallery"},
	"site/desk":       {"site/gallery", "site/access", "site/intake", "site/originals", "site/render", "site/picture"},
	"site/answer":     {"site/gallery", "site/access", "site/intake", "site/render", "site/originals", "site/guard"},
	"site/api":        {"site/desk", "site/picture", "site/gallery", "site/access", "site/answer", "site/intake", "site/render", "site/originals", "site/guard"},
	"site/pages":      {"site/desk", "site/picture", "site/gallery", "site/access", "site/answer", "site/intake", "site/render", "site/originals", "site/guard"},
	"site": {
		"site/render", "site/originals", "site/gallery", "site/access", "site/answer", "site/api", "site/pages", "site/picture",
		"site/intake", "site/guard", "site/archive", "site/desk",
		"probe", // the type of a secret
	},
	"alerting":           {"probe", "oncall", "alerting/failpoint"},
	"alerting/failpoint": {}, // nothing, unless built with the tag failpoints

	"postgres":           {"probe", "oncall", "reports", "ledger", "reports/courier", "alerting", "alerting/failpoint", "traffic", "site/gallery", "site", "telemetry/event"},
	"postgres/pgtest":    {"postgres"},
	"site/render/plane":  {},
	"spool":              {"probe", "oncall", "alerting"},
	"steady":             {}, // everybody else gets its Now as a plain func
	"telemetry":          {"probe", "oncall", "alerting", "reports", "telemetry/event"},
	"telemetry/event":    {"probe", "alerting"}, // the rows that telemetry and postgres share
	"telemetry/nrfake":   {},
	"web":                {"probe", "oncall", "alerting", "reports", "reports/page"},
	"alerting/pagerduty": {"probe", "alerting", "alerting/failpoint", "oncall"},
	"alerting/webhook":   {"probe", "alerting"},
	"alerting/email":     {"probe", "alerting"},
	"alerting/storetest": {"probe", "alerting", "oncall"},

	"site/originals/storetest": {"site/originals"},

	"alerting/fakepd": {},

	"config": {
		"probe", "oncall", "reports", "ledger", "alerting", "site", "site/render", "site/originals",
		"postgres", "telemetry", "traffic", "web", "alerting/pagerduty", "alerting/webhook", "alerting/email",
		"reports/plain", "reports/page", "reports/pdf",
		"docs",
	},
	"config/gendocs": {"config"}, // writes docs/config.md

	"cmd/keepwatch/wording":  {},
	"cmd/keepwatch/datadir":  {},
	"cmd/keepwatch/standin":  {"alerting/fakepd"},
	"cmd/keepwatch/ownprobe": {"cmd/keepwatch/datadir", "config", "probe", "site/gallery", "site/guard"},
	"cmd/keepwatch/burn":     {"cmd/keepwatch/wording", "config", "alerting", "reports", "web"},
	"cmd/keepwatch/quiet":    {"config", "alerting", "postgres", "reports"},
	"cmd/keepwatch/reporting": {
		"config", "postgres", "reports", "reports/courier", "reports/page", "alerting", "alerting/email", "alerting/webhook",
	},
	"cmd/keepwatch/simulation": {
		"cmd/keepwatch/burn", "cmd/keepwatch/quiet", "cmd/keepwatch/reporting",
		"config", "simulate", "probe", "alerting", "ledger", "reports", "postgres",
	},
	"cmd/keepwatch/daemon": {
		"cmd/keepwatch/burn", "cmd/keepwatch/quiet", "cmd/keepwatch/reporting", "cmd/keepwatch/wording",
		"cmd/keepwatch/datadir", "cmd/keepwatch/standin", "cmd/keepwatch/ownprobe",
		"config", "probe", "oncall", "oncall/calendar", "alerting", "alerting/pagerduty", "ledger", "reports", "reports/courier",
		"site", "postgres", "spool", "steady", "telemetry", "telemetry/event", "traffic", "web",
	},
	"docs": {}, // carries docs/config.md for the schema's descriptions
}

// owners says which one package (with its subfolders) may import an outside module.
var owners = map[string]string{
	"github.com/jackc/pgx":            "postgres",
	"github.com/newrelic/go-agent":    "telemetry",
	"github.com/PagerDuty":            "alerting/pagerduty",
	"github.com/spf13/viper":          "config",
	"gopkg.in/yaml.v3":                "config",
	"github.com/robfig/cron":          "reports",
	"github.com/miekg/dns":            "probe",
	"github.com/prometheus/":          "telemetry",
	"github.com/prometheus-community": "probe",
	"github.com/wneessen/go-mail":     "alerting/email",
	"go.etcd.io/bbolt":                "spool",
	"github.com/invopop/jsonschema":   "config",
	"github.com/bep/imagemeta":        "site/intake",
	"github.com/aws/":                 "site/originals",
	"codeberg.org/go-pdf":             "reports/pdf",
	"github.com/yuin/goldmark":        "reports/page",
}

func TestLayers(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "data") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		seen++
		checkFile(t, path, filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d Go files were found: the walk is broken", seen)
	}
}

func checkFile(t *testing.T, path, rel string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("%s: %v", rel, err)
		return
	}
	dir := rel[:max(strings.LastIndex(rel, "/"), 0)]
	isTest := strings.HasSuffix(rel, "_test.go")
	for _, imp := range f.Imports {
		name, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Errorf("%s: %v", rel, err)
			continue
		}
		for module, owner := range owners {
			if strings.HasPrefix(name, module) && dir != owner && !strings.HasPrefix(dir, owner+"/") && !isTest {
				t.Errorf("%s imports %s, which belongs to %s", rel, name, owner)
			}
		}
		ours, ok := strings.CutPrefix(name, "keepwatch/")
		if !ok || dir == "cmd/keepwatch" || strings.HasPrefix(dir, "bench") || isTest {
			continue
		}
		allowed, known := layers[dir]
		if !known {
			t.Errorf("%s: package %s has no row in the table of layers", rel, dir)
			return
		}
		found := false
		for _, a := range allowed {
			found = found || a == ours
		}
		if !found {
			t.Errorf("%s imports keepwatch/%s: %s may import only %v", rel, ours, dir, allowed)
		}
	}
}
