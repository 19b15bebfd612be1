package render

import (
	"bytes"
	"encoding/binary"
	"image"
	"testing"
)

// loaded is a JPEG with everything that must not get out: EXIF with a position and
// a thumbnail, XMP, IPTC, a comment, a maker's notes, a page and an archive.
func loaded(tb testing.TB, w, h int, profile []byte) []byte {
	tb.Helper()
	small := file(tb, scene(16, 16, image.YCbCrSubsampleRatio420))
	data := with(
		file(tb, scene(w, h, image.YCbCrSubsampleRatio420)),
		exif(6, "GPS beacon 47.0707 N 15.4395 E MakerNote"+string(small)),
		segment(markAPP1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>beacon</x:xmpmeta>"),
		segment(markAPP2, "MPF\x00beacon"),
		segment(markAPP2, "ICC_PROFILE\x00\x01\x01"+string(profile)),
		segment(0xed, "Photoshop 3.0\x008BIM\x04\x04beacon"),
		segment(0xfe, "<script>beacon()</script>"),
	)
	return append(data, "PK\x03\x04<?php beacon() ?><script>beacon()</script>"...)
}

// TestNothingButThePicture is rows 1 and 7 of the security checklist, the
// renderer's part: of every size, every marker is known, the profile is the
// original's, and nothing follows the end.
func TestNothingButThePicture(t *testing.T) {
	t.Parallel()
	profile := icc("RGB ", 500)
	data := loaded(t, 2100, 240, profile)
	for _, edge := range Edges() {
		out, err := JPEG(t.Context(), data, Spec{Edge: edge, Orientation: 6, Text: "© 2026 ada"})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out, []byte("beacon")) || bytes.Contains(out, []byte("MakerNote")) {
			t.Errorf("edge %d: the payload is still there", edge)
		}
		got, rest := markers(t, out)
		if len(rest) != 0 {
			t.Errorf("edge %d: %d bytes follow the end", edge, len(rest))
		}
		for mark, payload := range got {
			switch mark {
			case 0xdb, markSOF0, markDHT, markSOS:
			case markAPP0: // of libjpeg-turbo: the version, and that a pixel is square
				if !bytes.Equal(payload, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")) {
					t.Errorf("edge %d: APP0 is %q", edge, payload)
				}
			case markAPP2:
				if want := append([]byte("ICC_PROFILE\x00\x01\x01"), profile...); !bytes.Equal(payload, want) {
					t.Errorf("edge %d: the profile is not the original's", edge)
				}
			default:
				t.Errorf("edge %d: marker %#x", edge, mark)
			}
		}
		if got[markAPP2] == nil {
			t.Errorf("edge %d: the profile is gone", edge)
		}
	}
}

// markers returns the segments of a baseline JPEG and what follows its end.
func markers(tb testing.TB, data []byte) (segments map[byte][]byte, rest []byte) {
	tb.Helper()
	segments = map[byte][]byte{}
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			tb.Fatalf("no marker at %d", at)
		}
		mark := data[at+1]
		n := int(binary.BigEndian.Uint16(data[at+2:]))
		segments[mark] = data[at+4 : at+2+n]
		at += 2 + n
		if mark == markSOS {
			end := bytes.Index(data[at:], []byte{0xff, markEOI})
			if end < 0 {
				tb.Fatal("no end")
			}
			return segments, data[at+end+2:]
		}
	}
	tb.Fatal("no picture")
	return nil, nil
}

// A profile larger than a segment is cut into several and comes back whole.
func TestLargeProfile(t *testing.T) {
	t.Parallel()
	profile := icc("RGB ", 150_000)
	out := withProfile(file(t, scene(64, 64, image.YCbCrSubsampleRatio420)), profile)
	h, err := ReadHeader(bytes.NewReader(out))
	if err != nil || !bytes.Equal(h.ICC, profile) {
		t.Errorf("got %d bytes (%v), want %d", len(h.ICC), err, len(profile))
	}
}
