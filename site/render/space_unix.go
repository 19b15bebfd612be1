//go:build linux || darwin || freebsd

package render

import (
	"os"
	"syscall"
)

// freeBytes returns a look at the disk of a directory: what a user who is not
// root may still write.
func freeBytes(root *os.Root) func() (int64, error) {
	return func() (int64, error) {
		dir, err := root.Open(".")
		if err != nil {
			return 0, err
		}
		defer dir.Close()
		var st syscall.Statfs_t
		if err := syscall.Fstatfs(int(dir.Fd()), &st); err != nil {
			return 0, err
		}
		return int64(st.Bavail) * int64(st.Bsize), nil //nolint:gosec,unconvert // of other types on other systems
	}
}
