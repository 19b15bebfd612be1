package steady

import (
	"time"

	"golang.org/x/sys/unix"
)

// Suspended is for how long this host has been suspended since it was booted: the clock
// that goes on meanwhile, less the one that does not (clock_gettime(2)).
func Suspended() time.Duration {
	var awake, all unix.Timespec
	// In this order: the moment between the two readings makes the sleep longer by as
	// much, never negative. Neither clock can be missing on a Linux that Go runs on.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake)
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &all)
	return time.Duration(all.Nano() - awake.Nano())
}
