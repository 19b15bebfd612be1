//go:build !(linux || darwin || freebsd)

package render

import (
	"errors"
	"os"
)

// freeBytes cannot tell here; the cache is then bounded by its size only.
func freeBytes(*os.Root) func() (int64, error) {
	return func() (int64, error) { return 0, errors.ErrUnsupported }
}
