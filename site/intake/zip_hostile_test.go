package intake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// hostileZIPs are ZIPs that a naive program would regret, with what is expected.
func hostileZIPs(tb testing.TB) map[string]struct {
	data []byte
	want error // of the ZIP, or else of its entries
} {
	tb.Helper()
	pic := slices.Concat([]byte("\xff\xd8\xff"), make([]byte, 200))
	zeros := make([]byte, 10<<20)
	plain := zipOf(tb, packed("a.jpg", pic), packed("b.jpg", pic))
	count := func(data []byte, n uint16) []byte { // lies in the end record
		out := slices.Clone(data)
		binary.LittleEndian.PutUint16(out[len(out)-12:], n)
		return out
	}
	type hostile = struct {
		data []byte
		want error
	}
	return map[string]hostile{
		"10 MB of zeros":               {zipOf(tb, packed("a.jpg", zeros)), ErrZIP},
		"42: nested":                   {zipOf(tb, packed("lib.zip", zipOf(tb, packed("inner.zip", zipOf(tb, packed("a.jpg", zeros)))))), nil},
		"nested with a picture's name": {zipOf(tb, packed("a.jpg", zipOf(tb, packed("b.jpg", pic)))), nil},
		"65 MB entry":                  {zipOf(tb, file{name: "a.jpg", data: make([]byte, maxPicture+1)}), ErrTooLarge},
		"two entries, one body":        {overlapping(pic, 2, 0), ErrZIP},
		"1000 entries, one body":       {overlapping(pic, 1000, 0), ErrZIP},
		"bodies one byte apart":        {overlapping(pic, 3, 1), ErrZIP},
		"two empty bodies, one place":  {manyEntries(2, "a.jpg"), ErrZIP},
		"1001 pictures":                {manyEntries(maxPictures+1, "a.jpg"), ErrTooLarge},
		"5000 folders":                 {manyEntries(5000, "a/"), ErrTooLarge},
		"10^6 empty entries":           {manyEntries(1_000_000, "a.jpg"), ErrTooLarge},
		"10^6 entries that say 10":     {count(manyEntries(65536*15+10, "a.jpg"), 10), ErrTooLarge},
		"count too small":              {count(plain, 1), ErrZIP},
		"count too large":              {count(plain, 3), ErrZIP},
		"zip64: 2^63 entries":          {zip64(plain, 1<<63, 0), ErrTooLarge},
		"zip64: 17 million entries":    {zip64(slices.Concat(make([]byte, 4), plain), 17_000_000, 4), ErrTooLarge},
		"zip64: an end elsewhere":      {zip64Elsewhere(plain), ErrZIP},
		"zip64: entry of 2^62 bytes":   {zip64Entry(pic, 1<<62, uint64(len(pic))), ErrTooLarge},
		"zip64: packed 2^62 bytes":     {zip64Entry(pic, uint64(len(pic)), 1<<62), ErrZIP},
		"more than it says":            {lyingSize(pic, 100), ErrZIP},
		"less than it says":            {lyingSize(pic, 300), ErrZIP},
		"encrypted":                    {zipOf(tb, file{name: "a.jpg", data: pic, flags: 1}), ErrZIP},
		"wrong checksum":               {corrupt(plain, []byte{0xff, 0xd8, 0xff}), ErrZIP},
		"unknown method":               {method(zipOf(tb, file{name: "a.jpg", data: pic}), 97), ErrZIP},
		"truncated":                    {plain[:len(plain)-30], ErrZIP},
		"truncated at the start":       {plain[40:], ErrZIP},
		"end only":                     {plain[len(plain)-22:], ErrZIP},
		"empty file":                   {nil, ErrZIP},
		"words":                        {[]byte("PK\x03\x04 and then nothing of the kind, only words and words"), ErrZIP},
	}
}

// manyEntries is a ZIP of n empty entries of one name, as small as it can be: all
// of them share one local header, and their bodies are empty.
func manyEntries(n int, name string) []byte {
	le := binary.LittleEndian
	local := append([]byte("PK\x03\x04"), make([]byte, 26)...)
	le.PutUint16(local[26:], uint16(len(name)))
	out := append(local, name...)
	at := len(out)
	entry := append([]byte("PK\x01\x02"), make([]byte, 42)...)
	le.PutUint16(entry[28:], uint16(len(name)))
	entry = append(entry, name...)
	out = append(out, bytes.Repeat(entry, n)...)
	return appendEnd(out, at, n)
}

func appendEnd(out []byte, at, n int) []byte {
	le := binary.LittleEndian
	size := len(out) - at
	out = append(out, "PK\x05\x06\x00\x00\x00\x00"...)
	out = le.AppendUint16(out, uint16(n))
	out = le.AppendUint16(out, uint16(n))
	out = le.AppendUint32(out, uint32(size))
	out = le.AppendUint32(out, uint32(at))
	return append(out, 0, 0)
}

// overlapping is a ZIP whose n stored entries begin step bytes apart in one body.
func overlapping(data []byte, n, step int) []byte {
	le := binary.LittleEndian
	name := "a.jpg"
	local := func() []byte {
		h := append([]byte("PK\x03\x04"), make([]byte, 26)...)
		le.PutUint32(h[14:], crc32.ChecksumIEEE(data))
		le.PutUint32(h[18:], uint32(len(data)))
		le.PutUint32(h[22:], uint32(len(data)))
		le.PutUint16(h[26:], uint16(len(name)))
		return append(h, name...)
	}
	// With a step each entry's header stands in the body of the one before.
	var out []byte
	offsets := make([]int, n)
	for i := range n {
		if i > 0 && step == 0 {
			offsets[i] = offsets[0]
			continue
		}
		offsets[i] = len(out)
		out = append(out, local()...)
		out = append(out, make([]byte, step)...)
	}
	out = append(out, data...)
	at := len(out)
	for _, off := range offsets {
		e := append([]byte("PK\x01\x02"), make([]byte, 42)...)
		le.PutUint32(e[16:], crc32.ChecksumIEEE(data))
		le.PutUint32(e[20:], uint32(len(data)))
		le.PutUint32(e[24:], uint32(len(data)))
		le.PutUint16(e[28:], uint16(len(name)))
		le.PutUint32(e[42:], uint32(off))
		out = append(append(out, e...), name...)
	}
	return appendEnd(out, at, n)
}

// zip64 puts the records of a large ZIP before the end of a small one.
func zip64(plain []byte, records uint64, shift int) []byte {
	le := binary.LittleEndian
	body, end := plain[:len(plain)-22], slices.Clone(plain[len(plain)-22:])
	size, offset := le.Uint32(end[12:]), le.Uint32(end[16:])
	at := len(body)
	out := append(slices.Clone(body), "PK\x06\x06"...)
	out = le.AppendUint64(out, 44)
	out = append(out, make([]byte, 12)...)
	out = le.AppendUint64(out, records)
	out = le.AppendUint64(out, records)
	out = le.AppendUint64(out, uint64(size))
	out = le.AppendUint64(out, uint64(int(offset)+shift))
	out = append(out, "PK\x06\x07\x00\x00\x00\x00"...)
	out = le.AppendUint64(out, uint64(at))
	out = le.AppendUint32(out, 1)
	le.PutUint16(end[8:], 0xffff)
	le.PutUint16(end[10:], 0xffff)
	return append(out, end...)
}

func zip64Elsewhere(plain []byte) []byte {
	out := zip64(plain, 2, 0)
	binary.LittleEndian.PutUint64(out[len(out)-22-12:], 1<<62)
	return out
}

// zip64Entry is a ZIP of one entry with sizes of 64 bits.
func zip64Entry(data []byte, unpacked, packed uint64) []byte {
	le := binary.LittleEndian
	plain := overlapping(data, 1, 0)
	at := int(le.Uint32(plain[len(plain)-6:]))
	entry := slices.Clone(plain[at : len(plain)-22])
	le.PutUint32(entry[20:], 0xffffffff)
	le.PutUint32(entry[24:], 0xffffffff)
	le.PutUint16(entry[30:], 20)
	entry = append(entry, 1, 0, 16, 0)
	entry = le.AppendUint64(entry, unpacked)
	entry = le.AppendUint64(entry, packed)
	return appendEnd(slices.Concat(plain[:at], entry), at, 1)
}

// lyingSize is a ZIP whose list says that its entry has size bytes.
func lyingSize(data []byte, size uint32) []byte {
	out := overlapping(data, 1, 0)
	at := int(binary.LittleEndian.Uint32(out[len(out)-6:]))
	binary.LittleEndian.PutUint32(out[at+24:], size)
	return out
}

func corrupt(data, at []byte) []byte {
	// The pictures are packed, so the checksum in the list is changed instead.
	_ = at
	out := slices.Clone(data)
	dir := int(binary.LittleEndian.Uint32(out[len(out)-6:]))
	for i := dir; i+46 < len(out); i++ {
		if string(out[i:i+4]) == "PK\x01\x02" {
			out[i+16] ^= 0xff
		}
	}
	for i := range out[:dir] { // and in the descriptors behind the bodies
		if string(out[i:i+4]) == "PK\x07\x08" {
			out[i+4] ^= 0xff
		}
	}
	return out
}

func method(data []byte, m uint16) []byte {
	out := slices.Clone(data)
	dir := int(binary.LittleEndian.Uint32(out[len(out)-6:]))
	binary.LittleEndian.PutUint16(out[dir+10:], m)
	return out
}

// Row 4 of the security checklist.
func TestHostileZIPs(t *testing.T) {
	t.Parallel()
	for name, c := range hostileZIPs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names, sizes, errs, err := unpackAll(t.Context(), bytes.NewReader(c.data), int64(len(c.data)))
			if err == nil {
				err = errors.Join(errs...)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, %v; want %v", names, sizes, err, c.want)
			}
			if c.want != nil && strings.Contains(err.Error(), "zip:") {
				t.Errorf("%q is not for people", err)
			}
			if (strings.Contains(name, "bod") || strings.Contains(name, "packed")) && len(names) > 0 {
				t.Error("files that overlap or lie outside were unpacked")
			}
			if name == "42: nested" && len(names) != 0 {
				t.Errorf("looked into a nested archive: %v", names)
			}
		})
	}
}
