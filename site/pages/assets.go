package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
)

//go:embed assets
var assetFiles embed.FS

// asset is a file that browsers fetch beside the pages.
type asset struct {
	mime         string
	plain, small []byte // small is gzip, nil where it would gain nothing
}

// assets are all such files under one prefix that carries a hash of them all: they
// can be kept for ever, and the modules find each other by relative names.
type assets struct {
	prefix string // "/assets/1a2b3c4d/"
	byName map[string]asset
}

func loadAssets() (assets, error) {
	a := assets{byName: map[string]asset{}}
	sum := sha256.New()
	add := func(name string, data []byte) error {
		one, err := newAsset(name, data)
		a.byName[name] = one
		_, _ = fmt.Fprintf(sum, "%s %d ", name, len(data))
		_, _ = sum.Write(data)
		return err
	}
	entries, err := fs.ReadDir(assetFiles, "assets") // in the order of names
	if err != nil {
		return assets{}, fmt.Errorf("list the assets: %w", err)
	}
	for _, e := range entries {
		data, err := assetFiles.ReadFile("assets/" + e.Name())
		if err == nil {
			err = add(e.Name(), data)
		}
		if err != nil {
			return assets{}, fmt.Errorf("read asset: %w", err)
		}
	}
	// The Go fonts (Bigelow & Holmes, BSD licence) come with their module.
	for name, data := range map[string][]byte{"go-regular.ttf": goregular.TTF, "go-medium.ttf": gomedium.TTF} {
		one, err := newAsset(name, data)
		if err != nil {
			return assets{}, fmt.Errorf("read font: %w", err)
		}
		a.byName[name] = one
	}
	a.prefix = "/assets/" + hex.EncodeToString(sum.Sum(nil)[:4]) + "/"
	return a, nil
}

func newAsset(name string, data []byte) (asset, error) {
	a := asset{plain: data}
	switch path.Ext(name) {
	case ".css":
		a.mime = "text/css; charset=utf-8"
	case ".js":
		a.mime = "text/javascript; charset=utf-8"
	case ".svg":
		a.mime = "image/svg+xml"
	case ".ttf":
		a.mime = "font/ttf"
	default:
		return asset{}, fmt.Errorf("%s: no media type is known for it", name)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if out.Len() < len(data) {
		a.small = out.Bytes()
	}
	return a, err
}

// ServeHTTP serves one file. An older hash gets today's file, not to be kept: while
// servers are replaced one by one, a page of the old one may ask the new one.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	file, ok := a.byName[path.Base(r.URL.Path)]
	if !ok {
		http.Error(w, "there is nothing at this address", http.StatusNotFound)
		return
	}
	h.Set("Cache-Control", "public, max-age=60")
	if strings.HasPrefix(r.URL.Path, a.prefix) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Type", file.mime)
	body := file.plain
	if file.small != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.small
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the visitor may have left
}
