package render

import (
	"syscall"
	"testing"
)

// smallDisk mounts an empty disk of a size that tmpfs understands.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("only root can mount a small disk; TestFreeSpaceFloor does the same with a told one:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // the cache holds its directory open
	return dir
}
