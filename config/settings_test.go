package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestSettingsPrecedence(t *testing.T) {
	t.Parallel()
	const text = `
version: 1
data_dir: from-file
console: {listen: 127.0.0.1:1111}
checks: [{name: a, tcp: {address: "127.0.0.1:1"}}]
`
	tests := []struct {
		name, yaml string
		environ    []string
		args       []string
		want       [3]string // data_dir, database.url, console.listen
	}{
		{"file", text, nil, nil, [3]string{"from-file", "", "127.0.0.1:1111"}},
		{"default", strings.ReplaceAll(text, "data_dir: from-file", ""), nil, nil, [3]string{"./data", "", "127.0.0.1:1111"}},
		{
			"environment over file", text,
			[]string{"KEEPWATCH_DATA_DIR=from-env", "KEEPWATCH_CONSOLE_LISTEN=127.0.0.1:2222", "DATABASE_URL=postgres://127.0.0.1/a"},
			nil,
			[3]string{"from-env", "postgres://127.0.0.1/a", "127.0.0.1:2222"},
		},
		{
			"our own variable over the common one", text,
			[]string{"DATABASE_URL=postgres://127.0.0.1/a", "KEEPWATCH_DATABASE_URL=postgres://127.0.0.1/b"},
			nil,
			[3]string{"from-file", "postgres://127.0.0.1/b", "127.0.0.1:1111"},
		},
		{
			"flag over environment", text,
			[]string{"KEEPWATCH_DATA_DIR=from-env", "DATABASE_URL=postgres://127.0.0.1/a"},
			[]string{"--data-dir", "from-flag", "--database-url=postgres://127.0.0.1/c", "--console-listen=127.0.0.1:3333"},
			[3]string{"from-flag", "postgres://127.0.0.1/c", "127.0.0.1:3333"},
		},
		{"an empty variable is none", text, []string{"KEEPWATCH_DATA_DIR="}, nil, [3]string{"from-file", "", "127.0.0.1:1111"}},
		{"a value is taken as it is", text, []string{"KEEPWATCH_DATA_DIR=a${b"}, nil, [3]string{"a${b", "", "127.0.0.1:1111"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
			AddFlags(fs)
			if err := fs.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			f, err := Load(Options{Path: write(t, test.yaml), Environ: append([]string{}, test.environ...), Flags: fs})
			if err != nil {
				t.Fatal(err)
			}
			got := [3]string{f.DataDir, f.Database.URL.Reveal(), f.Console.Listen}
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestSettingsMistakesNameTheirOrigin(t *testing.T) {
	t.Parallel()
	path := write(t, "version: 1\nchecks: [{name: a, tcp: {address: \"127.0.0.1:1\"}}]\n")
	_, err := Load(Options{Path: path, Environ: []string{"DATABASE_URL=postgres://pass-word@[::"}})
	// What follows are the words of package postgres.
	if want := "DATABASE_URL: database.url: is not a Postgres address"; err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "pass-word") {
		t.Errorf("got  %v\nwant %s …", err, want)
	}
	got := said(t, Options{Path: path, Environ: []string{"KEEPWATCH_SITE_LISTEN=127.0.0.1:1"}})
	if want := "KEEPWATCH_SITE_LISTEN is set but the file has no site block: it changes nothing"; !strings.Contains(got, want) {
		t.Errorf("no warning %q in:\n%s", want, got)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(Options{Dir: dir, Environ: []string{}}); err == nil || err.Error() != ErrNoFile.Error() {
		t.Errorf("got %v, want ErrNoFile", err)
	}
	text := "version: 1\nchecks: [{name: a, tcp: {address: \"127.0.0.1:1\"}}]\n"
	for _, name := range []string{"keepwatch.example.yaml", "keepwatch.yaml", "keepwatch.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "keepwatch.json" {
			break
		}
		f, err := Load(Options{Dir: dir, Environ: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Base(f.Path); got != name {
			t.Errorf("found %s, want %s", got, name)
		}
	}
	other := write(t, text)
	f, err := Load(Options{Dir: dir, Environ: []string{"KEEPWATCH_CONFIG=" + other}})
	if err != nil || f.Path != other {
		t.Errorf("KEEPWATCH_CONFIG: %v, %v", f, err)
	}
	if _, err := Load(Options{Path: filepath.Join(dir, "none.yaml"), Environ: []string{}}); !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

// TestMerge holds the order of precedence: a block's own keys, then merges in the
// order of the list.
func TestMerge(t *testing.T) {
	t.Parallel()
	f := load(t, `
version: 1
x-slow: &slow {every: 5m, timeout: 9s, retries: 3}
x-fast: &fast {every: 30s, timeout: 7s}
checks:
  - {name: own, <<: *fast, timeout: 5s, tcp: &port {address: "127.0.0.1:1"}}
  - {name: first, every: 30s, <<: [*fast, *slow], timeout: 6s, tcp: *port}
  - {name: nested, <<: {<<: *slow, every: 3m}, tcp: *port}
`)
	want := []Check{{Every: 30 * time.Second, Timeout: 5 * time.Second}, {Every: 30 * time.Second, Timeout: 6 * time.Second, Retries: 3}, {Every: 3 * time.Minute, Timeout: 9 * time.Second, Retries: 3}}
	for i, k := range f.Checks {
		if got := (Check{Every: k.Every, Timeout: k.Timeout, Retries: k.Retries}); got.Every != want[i].Every || got.Timeout != want[i].Timeout || got.Retries != want[i].Retries {
			t.Errorf("%s: every %s, timeout %s, retries %d, want %s, %s, %d", k.Name, k.Every, k.Timeout, k.Retries, want[i].Every, want[i].Timeout, want[i].Retries)
		}
		if k.TCP == nil || k.TCP.Address != "127.0.0.1:1" {
			t.Errorf("%s: the alias of its kind was not followed", k.Name)
		}
	}
}
