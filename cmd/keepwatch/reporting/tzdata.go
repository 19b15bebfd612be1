package reporting

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// zoneDirs are where Go looks for the zones' rules before it takes those that are
// linked into this program, in its order (package time, zoneinfo_unix.go).
//
//nolint:gochecknoglobals // a table
var zoneDirs = []string{"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"}

// tzdataVersion says whose rules of the zones this process goes by: those of the
// machine win over those in the program. Where the machine does not tell a version,
// the place stands for it: a report's fingerprint of its zone tells the rules apart.
func tzdataVersion(dirs []string) string {
	if dir := os.Getenv("ZONEINFO"); dir != "" {
		dirs = append([]string{dir}, dirs...)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "Europe", "Berlin")); err != nil { //nolint:gosec // the dir that Go itself goes by
			continue
		}
		for name, prefix := range map[string]string{"tzdata.zi": "# version ", "+VERSION": ""} {
			b, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // of the machine
			line, _, _ := strings.Cut(string(b), "\n")
			if version, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); err == nil && ok && version != "" && len(version) < 20 {
				return version
			}
		}
		return "of " + dir
	}
	return "of " + runtime.Version()
}
