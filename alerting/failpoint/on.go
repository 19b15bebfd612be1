//go:build failpoints

package failpoint

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// struck says that the point was hit already. It belongs to this build only.
var struck atomic.Bool //nolint:gochecknoglobals // a process dies once

// Hit kills or stops the process when KW_FAILPOINT names the point, and the action if
// it names one. It does so once.
func Hit(point, action string) {
	where, how, ok := strings.Cut(os.Getenv("KW_FAILPOINT"), ":")
	if !ok || (where != point && where != point+"/"+action) || !struck.CompareAndSwap(false, true) {
		return
	}
	sig := syscall.SIGKILL
	if how == "stop" {
		sig = syscall.SIGSTOP
	}
	_ = syscall.Kill(os.Getpid(), sig)
	if sig == syscall.SIGKILL {
		select {} // a signal to oneself may take a moment
	}
}
