package daemon

import (
	"errors"
	"os"
)

// mark is a small durable yes or no: a file that exists.
type mark string

func (m mark) isSet() bool {
	_, err := os.Stat(string(m))
	return err == nil
}

func (m mark) set(yes bool) error {
	if !yes {
		if err := os.Remove(string(m)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(string(m), nil, 0o600)
}
