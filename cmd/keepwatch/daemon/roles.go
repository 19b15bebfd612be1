package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Roles are the parts that a process runs.
type Roles struct{ site, probe, watch bool }

// ParseRoles reads the roles of a command line, separated by commas.
func ParseRoles(s string) (Roles, error) {
	var r Roles
	for word := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(word) {
		case "site":
			r.site = true
		case "probe":
			r.probe = true
		case "watch":
			r.watch = true
		default:
			return r, fmt.Errorf("--roles: unknown role %q (the roles are site, probe and watch)", word)
		}
	}
	if r.probe != r.watch {
		return r, errors.New("--roles: probe and watch still run in one process: name both or neither")
	}
	return r, nil
}

// lockName is that of the lock in data_dir: the site may run beside the watching process.
func (r Roles) lockName() string {
	if r.watch {
		return "watch"
	}
	return "site"
}

// String names them as ParseRoles reads them, sorted.
func (r Roles) String() string {
	var s []string
	for name, on := range map[string]bool{"site": r.site, "probe": r.probe, "watch": r.watch} {
		if on {
			s = append(s, name)
		}
	}
	slices.Sort(s)
	return strings.Join(s, ",")
}
