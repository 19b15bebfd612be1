package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Setting is a scalar of the daemon that the environment and flags may set over
// the file. People, checks and rotations are not among them and never pass
// through viper, which would lower-case their names.
type Setting struct {
	Key  string   // in the file
	Flag string   // without hyphens; "" for none
	Env  []string // the first that is set wins
	Help string   // of the flag
}

// Settings lists them.
func Settings() []Setting {
	return []Setting{
		{"data_dir", "data-dir", []string{"KEEPWATCH_DATA_DIR"}, "directory for what must not be forgotten"},
		{"database.url", "database-url", []string{"KEEPWATCH_DATABASE_URL", "DATABASE_URL"}, "Postgres to use instead of Keepwatch's own"},
		{"console.listen", "console-listen", []string{"KEEPWATCH_CONSOLE_LISTEN"}, "address of the console"},
		{"console.public_url", "", []string{"KEEPWATCH_CONSOLE_PUBLIC_URL"}, ""},
		{"site.listen", "site-listen", []string{"KEEPWATCH_SITE_LISTEN"}, "address of the image site"},
		{"site.originals", "", []string{"KEEPWATCH_SITE_ORIGINALS"}, ""},
		{"pagerduty.events_url", "", []string{"KEEPWATCH_PAGERDUTY_EVENTS_URL"}, ""},
		{"pagerduty.api_url", "", []string{"KEEPWATCH_PAGERDUTY_API_URL"}, ""},
	}
}

// AddFlags adds the flags of the daemon's scalar settings to fs: --config,
// --data-dir, --database-url, --console-listen and --site-listen.
func AddFlags(fs *pflag.FlagSet) {
	fs.String("config", "", "configuration file (default keepwatch.yaml, then keepwatch.example.yaml)")
	for _, s := range Settings() {
		if s.Flag != "" {
			fs.String(s.Flag, "", s.Help+" (wins over "+s.Key+" in the file)")
		}
	}
}

// environment turns "NAME=value" lines into a map; nil lines are the process's own.
func environment(lines []string) map[string]string {
	if lines == nil {
		lines = os.Environ()
	}
	env := make(map[string]string, len(lines))
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}

// layers is viper with the environment below the flags. The environment is
// merged as viper's "config file" layer, so that a test can bring its own.
func layers(env map[string]string, flags *pflag.FlagSet) *viper.Viper {
	v := viper.New()
	// Empty is not set: Compose and systemd units pass empty variables on.
	for _, s := range slices.Concat(Settings(), []Setting{{Key: "config", Flag: "config", Env: []string{"KEEPWATCH_CONFIG"}}}) {
		for _, name := range slices.Backward(s.Env) {
			if env[name] != "" {
				_ = v.MergeConfigMap(nested(s.Key, env[name])) // it fails only for maps it cannot read
			}
		}
		if flags == nil || s.Flag == "" {
			continue
		}
		if f := flags.Lookup(s.Flag); f != nil {
			_ = v.BindPFlag(s.Key, f) // it fails only for a nil flag
		}
	}
	return v
}

// nested is the map viper wants for a dotted key.
func nested(key, value string) map[string]any {
	head, rest, dotted := strings.Cut(key, ".")
	if dotted {
		return map[string]any{head: nested(rest, value)}
	}
	return map[string]any{head: value}
}

// overrides are the settings that flags or the environment have.
func overrides(v *viper.Viper, env map[string]string, flags *pflag.FlagSet) map[string]override {
	all := map[string]override{}
	for _, s := range Settings() {
		if !v.IsSet(s.Key) {
			continue
		}
		o := override{value: v.GetString(s.Key)}
		for _, name := range slices.Backward(s.Env) {
			if env[name] != "" {
				o.origin = name
			}
		}
		if flags != nil && s.Flag != "" && flags.Changed(s.Flag) {
			o.origin = "--" + s.Flag
		}
		all[s.Key] = o
	}
	return all
}

// find names the file to read: the one that was asked for, else the first of
// keepwatch.yaml and keepwatch.example.yaml that is in dir. Viper's own search
// is not used: it prefers keepwatch.json and it parses what it finds.
func find(v *viper.Viper, opts Options) (string, error) {
	if opts.Path != "" {
		return opts.Path, nil
	}
	if path := v.GetString("config"); path != "" {
		return path, nil
	}
	for _, name := range []string{"keepwatch.yaml", "keepwatch.example.yaml"} {
		path := filepath.Join(opts.Dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", ErrNoFile
}
