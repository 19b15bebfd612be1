package originals

import (
	"syscall"
	"time"
)

// patience says how often Open asks again for a file that is not there, and after
// which waits. The well-known file systems of one machine tell the truth. NFS does
// too once its folder was opened anew, as each try does: measured on NFSv4.1 with
// Linux's default caches, a plain look was wrong for 3 s and the first open after
// the write was right 40 times of 40. Whatever else there is may remember for
// seconds. The numbers are those of linux/magic.h and of each file system's source.
func patience(dir string) []time.Duration {
	const nfs = 0x6969
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return longPatience()
	}
	switch int64(fs.Type) { //nolint:unconvert // int32 on some machines
	case 0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0xF2F52010, 0x2FC12FC1: // ext4, xfs, btrfs, tmpfs, overlay, f2fs, zfs
		return nil
	case nfs:
		return []time.Duration{0, 250 * time.Millisecond}
	}
	return longPatience()
}
