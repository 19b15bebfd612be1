//go:build !linux

package render

import "testing"

func smallDisk(t *testing.T, _ string) string {
	t.Helper()
	t.Skip("only Linux has a small disk to mount; TestFreeSpaceFloor does the same with a told one")
	return ""
}
