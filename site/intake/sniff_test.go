package intake

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// lying is a table of files that come with the name and the declared type of a
// picture; whole reports whether the header alone already gives it away.
func lying(tb testing.TB) map[string][]byte {
	tb.Helper()
	pad := strings.Repeat(" ", 64)
	return map[string][]byte{
		"svg":                           []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"svg with xml":                  []byte(`<?xml version="1.0"?><svg onload="alert(1)"/>` + pad),
		"html":                          []byte("<!DOCTYPE html><script>alert(1)</script>" + pad),
		"html after space":              []byte("\n\n  <html><body onload=alert(1)>" + pad),
		"gif87a":                        []byte("GIF87a\x01\x00\x01\x00\x80\x00\x00" + pad),
		"gif89a, GIFAR":                 append([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00;"), zipOf(tb, packed("a.class", []byte("x")))...),
		"pdf":                           []byte("%PDF-1.7\n" + pad),
		"exe":                           []byte("MZ\x90\x00\x03\x00\x00\x00" + pad),
		"elf":                           []byte("\x7fELF\x02\x01\x01" + pad),
		"php":                           []byte("<?php system($_GET['c']); ?>" + pad),
		"shell":                         []byte("#!/bin/sh\nrm -rf /" + pad),
		"javascript":                    []byte("/*\xff\xd8\xff*/alert(1)" + pad),
		"css":                           []byte("body{background:url(//example.org)}" + pad),
		"java class":                    []byte("\xca\xfe\xba\xbe\x00\x00\x00\x34" + pad),
		"bmp":                           []byte("BM\x36\x00\x0c\x00\x00\x00\x00\x00" + pad),
		"tiff":                          []byte("II*\x00\x08\x00\x00\x00" + pad),
		"ico":                           []byte("\x00\x00\x01\x00\x01\x00" + pad),
		"heic":                          []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00" + pad),
		"mp4":                           []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00" + pad),
		"avi":                           []byte("RIFF\x00\x00\x00\x00AVI LIST" + pad),
		"gzip":                          []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00" + pad),
		"rar":                           []byte("Rar!\x1a\x07\x01\x00" + pad),
		"7z":                            []byte("7z\xbc\xaf\x27\x1c" + pad),
		"tar":                           append([]byte("a.jpg"), make([]byte, 600)...),
		"text":                          []byte("hello" + pad),
		"empty":                         {},
		"one byte":                      {0xff},
		"two bytes":                     {0xff, 0xd8},
		"jpeg after a byte":             append([]byte{0}, jpegOf(tb, 8, 6, 0)...),
		"flash":                         []byte("FWS\x09\x00\x00\x00\x00" + pad),
		"postscript":                    []byte("%!PS-Adobe-3.0\n" + pad),
		"mvg":                           []byte("push graphic-context\nfill 'url(https://example.org)'" + pad),
		"end of a ZIP that spans disks": []byte("PK\x07\x08" + pad),
	}
}

// disguised is a table of files whose first bytes are those of a picture; the
// header tells more.
func disguised(tb testing.TB) map[string][]byte {
	tb.Helper()
	pad := strings.Repeat(" ", 64)
	return map[string][]byte{
		"jpeg start, then html": []byte("\xff\xd8\xff<script>alert(1)</script>" + pad),
		"jpeg start, then php":  []byte("\xff\xd8\xff\xe0<?php system($_GET['c']); ?>" + pad),
		"jpeg without a frame":  slices.Concat([]byte("\xff\xd8"), segment(0xe0, []byte("JFIF\x00")), []byte("\xff\xd9")),
		"png start, then html":  []byte("\x89PNG\r\n\x1a\n<html><script>alert(1)</script>" + pad),
		"webp start, then html": []byte("RIFF\x20\x00\x00\x00WEBP<html><script>alert(1)</script>" + pad),
		"mng in png's clothes":  []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x1cMHDR" + pad),
	}
}

// polyglots are real pictures that are something else, too. They are taken in, and
// what is shown of them is nothing but the picture.
func polyglots(tb testing.TB) map[string][]byte {
	tb.Helper()
	const html = "<html><script>alert('payload')</script></html>"
	const php = "<?php echo 'payload'; ?>"
	pic := jpegOf(tb, 64, 48, 0)
	comment := slices.Concat(pic[:2], segment(0xfe, []byte("*/"+html+php+"/*")), pic[2:])
	exif := newBlock()
	exif.main = []field{text(0x010e, html), text(0x010f, "payload"), text(0x8298, php)}
	return map[string][]byte{
		"GIFAR: jpeg and zip":  append(slices.Clone(pic), zipOf(tb, packed("payload.class", []byte("payload")))...),
		"jpeg and html behind": append(slices.Clone(pic), html...),
		"jpeg with a comment":  comment,
		"jpeg with exif":       withEXIF(pic, exif.bytes()),
		"jpeg with xmp":        slices.Concat(pic[:2], segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00"+html)), pic[2:]),
		"png and html behind":  append(pngOf(tb, 64, 48, 0), html...),
	}
}

func TestSniff(t *testing.T) {
	t.Parallel()
	for name, data := range lying(t) {
		if got := Sniff(data[:min(len(data), SniffLen)]); got != Other {
			t.Errorf("%s: got %d", name, got)
		}
	}
	if n := len(lying(t)); n < 20 {
		t.Errorf("only %d kinds", n)
	}
	for want, files := range map[Kind][][]byte{
		JPEG: {jpegOf(t, 8, 6, 0), withEXIF(jpegOf(t, 8, 6, 0), nil)},
		PNG:  {pngOf(t, 8, 6, 0)},
		WebP: {tinyWebP()},
		ZIP:  {zipOf(t), zipOf(t, packed("a.jpg", nil))},
	} {
		for _, data := range files {
			if got := Sniff(data[:min(len(data), SniffLen)]); got != want {
				t.Errorf("%q: got %d, want %d", data[:8], got, want)
			}
			for n := range 3 {
				if got := Sniff(bytes.Clone(data[:n])); got != Other {
					t.Errorf("%d bytes are taken for %d", n, got)
				}
			}
		}
	}
}
