//go:build unix && !linux

package postgres

import "syscall"

// dieWithParent does nothing here: only Linux can tie a child's life to its
// parent's. A server that outlives a killed daemon is adopted by the next one.
func dieWithParent(*syscall.SysProcAttr) {}
