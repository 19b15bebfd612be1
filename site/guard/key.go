package guard

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyBytes are in a key that we make.
const keyBytes = 32

// LoadKey returns the key that a file holds, and writes a new random one there
// first when there is none. Many processes may do so at once and get the same.
func LoadKey(path string) ([]byte, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	raw := make([]byte, keyBytes)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	// Written under a name of its own and then linked: nobody reads half a key, and
	// of many processes one wins.
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write the key of probes: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // a left-over is harmless
	_, err = temp.WriteString(hex.EncodeToString(raw) + "\n")
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return nil, fmt.Errorf("write the key of probes: %w", err)
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("write the key of probes: %w", err)
	}
	return readKey(path)
}

func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("read the key of probes: %w", err)
	}
	key := strings.TrimRight(string(text), "\r\n")
	if len(key) < minKey {
		return nil, fmt.Errorf("read the key of probes: %s is shorter than %d characters; remove the file to get a new one", path, minKey)
	}
	return []byte(key), nil
}
