package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipOf packs files in the order of names.
func zipOf(tb testing.TB, files ...file) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: f.method, Flags: f.flags})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

type file struct {
	name   string
	data   []byte
	method uint16
	flags  uint16
}

func packed(name string, data []byte) file { return file{name: name, data: data, method: zip.Deflate} }

// unpackAll lists a ZIP and reads every picture; it is what an upload does with one.
func unpackAll(ctx context.Context, data io.ReaderAt, size int64) (names []string, sizes []int64, errs []error, err error) {
	list, err := listZIP(data, size, 512<<20)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, e := range list.Pictures {
		n, err := unpackOne(ctx, e)
		names, sizes, errs = append(names, e.Name), append(sizes, n), append(errs, err)
	}
	return names, sizes, errs, nil
}

func unpackOne(ctx context.Context, e zipEntry) (int64, error) {
	r, err := e.open(ctx)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r)
	return n, errors.Join(err, r.Close())
}

func TestZIPEntriesThatCount(t *testing.T) {
	t.Parallel()
	pic := []byte("\xff\xd8\xff a picture")
	data := zipOf(t,
		packed("a.jpg", pic), packed("deep/er/b.JPEG", pic), packed("c.png", pic), packed("d.WebP", pic),
		packed("dir.jpg/", nil), packed("__MACOSX/._a.jpg", pic), packed("deep/__MACOSX/x.jpg", pic), packed("._a.jpg", pic),
		packed("notes.txt", pic), packed("nested.zip", zipOf(t, packed("inner.jpg", pic))), packed("jpg", pic), packed(".jpg.exe", pic),
	)
	list, err := listZIP(bytes.NewReader(data), int64(len(data)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	names, _, errs, err := unpackAll(t.Context(), bytes.NewReader(data), int64(len(data)))
	if diff := cmp.Diff([]string{"a.jpg", "b.JPEG", "c.png", "d.WebP"}, names); diff != "" || err != nil || errors.Join(errs...) != nil {
		t.Errorf("%v %v %s", err, errs, diff)
	}
	if list.Ignored != 8 {
		t.Errorf("ignored %d, want 8", list.Ignored)
	}
}

// Row 5 of the security checklist: names of entries and uploads are words for
// people, never paths.
func TestNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	pic := []byte("\xff\xd8\xff a picture")
	for name, want := range map[string]string{
		"../../x.jpg":                     "x.jpg",
		"/etc/x.jpg":                      "x.jpg",
		`C:\x.jpg`:                        "x.jpg",
		`..\..\x.jpg`:                     "x.jpg",
		"a\x00b.jpg":                      "ab.jpg",
		"a\r\nSet-Cookie: b.jpg":          "b.jpg",
		"\u202egpj.exe.jpg":               "gpj.exe.jpg",
		"bad\xff\xfeutf8.jpg":             "badutf8.jpg",
		strings.Repeat("x", 300) + ".jpg": strings.Repeat("x", 255),
		strings.Repeat("ä", 300) + ".jpg": strings.Repeat("ä", 127),
		"dir/..jpg":                       "..jpg",
		"CON:.jpg":                        ".jpg",
		"   .jpg":                         ".jpg",
		"üñí.jpg":                         "üñí.jpg",
	} {
		data := zipOf(t, packed(name, pic))
		names, _, _, err := unpackAll(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil || !slices.Equal(names, []string{want}) {
			t.Errorf("%q: got %q, %v; want %q", name, names, err, want)
		}
	}
	for name, want := range map[string]string{"": "picture", "..": "picture", "a/..": "picture", "a/": "picture", "\x01\x02": "picture"} {
		if got := cleanName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestZIPLimits(t *testing.T) {
	t.Parallel()
	pic := slices.Concat([]byte("\xff\xd8\xff"), bytes.Repeat([]byte("0123456789abcdef"), 1<<14)) // 256 KiB
	three := zipOf(t, packed("a.jpg", pic), packed("b.jpg", pic), packed("c.jpg", pic))
	for total, want := range map[int64]error{3 * int64(len(pic)): nil, 3*int64(len(pic)) - 1: ErrTooLarge} {
		if _, err := listZIP(bytes.NewReader(three), int64(len(three)), total); !errors.Is(err, want) {
			t.Errorf("total %d: got %v, want %v", total, err, want)
		}
	}
	// What shrinks a lot is refused only from a megabyte on.
	for size, want := range map[int]error{ratioFrom: nil, ratioFrom + 1: ErrZIP} {
		data := zipOf(t, packed("a.jpg", make([]byte, size)))
		_, _, errs, err := unpackAll(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil || !errors.Is(errors.Join(errs...), want) {
			t.Errorf("%d zeros: got %v, %v, want %v", size, err, errs, want)
		}
	}
	full := manyDistinct(t, maxPictures)
	names, _, errs, err := unpackAll(t.Context(), bytes.NewReader(full), int64(len(full)))
	if len(names) != maxPictures || errors.Join(errs...) != nil || err != nil {
		t.Errorf("%d pictures: %v, %v", len(names), errors.Join(errs...), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, errs, _ := unpackAll(ctx, bytes.NewReader(three), int64(len(three))); !errors.Is(errs[0], context.Canceled) {
		t.Errorf("cancelled: got %v", errs)
	}
}

// manyDistinct has n pictures with long names in deep folders, and as many sidecars.
func manyDistinct(tb testing.TB, n int) []byte {
	tb.Helper()
	var files []file
	for i := range n {
		name := fmt.Sprintf("%s/%s-%04d.jpg", strings.Repeat("folder/", 20), strings.Repeat("n", 100), i)
		files = append(files, packed(name, []byte("\xff\xd8\xff")), packed("__MACOSX/._"+name, []byte("sidecar")))
	}
	return zipOf(tb, files...)
}

const bombEnv = "KEEPWATCH_TEST_BOMB"

// TestZIPMemory runs each hostile ZIP in a process of its own and looks at the most
// memory it ever had. Row 4 again.
func TestZIPMemory(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(bombEnv); path != "" {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		_, _, _, _ = unpackAll(t.Context(), f, info.Size())
		// Not rusage: that counts the parent's memory, too, from before the exec.
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		fields := strings.Fields(peak)
		if err := os.WriteFile(path+".peak", []byte(fields[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if testing.Short() {
		t.Skip("starts a process for each ZIP")
	}
	most := 64 << 10
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		most *= 4 // its detector takes memory for each access
	}
	dir := t.TempDir()
	const hole = 510 << 20
	sparse := zip64(manyEntries(3, "a.jpg"), 17_000_000, hole)
	where := sparse[len(sparse)-22-12:]
	binary.LittleEndian.PutUint64(where, binary.LittleEndian.Uint64(where)+hole)
	ask := map[string]func(f *os.File) error{
		// Half a gigabyte of nothing makes the claim of 17 million entries believable.
		"zip64: 17 million entries in 512 MB": func(f *os.File) error { _, err := f.WriteAt(sparse, hole); return err },
	}
	for name, c := range hostileZIPs(t) {
		ask[name] = func(f *os.File) error { _, err := f.Write(c.data); return err }
	}
	for name, write := range ask {
		path := filepath.Join(dir, strings.Map(func(r rune) rune {
			if r < '0' || r > 'z' {
				return '_'
			}
			return r
		}, name))
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestZIPMemory$", "-test.v=false")
		cmd.Env = append(os.Environ(), bombEnv+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
			continue
		}
		peak, err := os.ReadFile(path + ".peak")
		if err != nil {
			t.Fatal(err)
		}
		kib, err := strconv.Atoi(string(peak))
		if err != nil || kib > most {
			t.Errorf("%s: took %s KiB of memory, %v", name, peak, err)
		}
		t.Logf("%s: %d KiB", name, kib)
	}
}

// FuzzZIP: whatever comes in, the walker ends, believes no list that archive/zip
// would not, and lets no bad name out.
func FuzzZIP(f *testing.F) {
	for _, c := range hostileZIPs(f) {
		if len(c.data) < 10_000 {
			f.Add(c.data)
		}
	}
	f.Add(zipOf(f, packed("a.jpg", jpegOf(f, 8, 6, 0)), file{name: "b.png", data: pngOf(f, 8, 6, 0)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		names, sizes, errs, err := unpackAll(t.Context(), r, int64(len(data)))
		var total int64
		for i, name := range names {
			if cleanName(name) != name || strings.ContainsAny(name, "/\\\x00") {
				t.Errorf("name %q", name)
			}
			total += sizes[i]
			if errs[i] != nil && !errors.Is(errs[i], ErrZIP) && !errors.Is(errs[i], ErrTooLarge) {
				t.Errorf("entry: %v", errs[i])
			}
		}
		if most := int64(maxPictures*ratioFrom + maxRatio*len(data)); total > most {
			t.Errorf("%d bytes became %d", len(data), total)
		}
		if err != nil && !errors.Is(err, ErrZIP) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("list: %v", err)
		}
		// The look at the end sees what archive/zip sees.
		if z, err := zip.NewReader(r, int64(len(data))); err == nil || errors.Is(err, zip.ErrInsecurePath) {
			records, err := zipRecords(r, int64(len(data)))
			if err != nil || uint16(records) != uint16(len(z.File)) {
				t.Errorf("records %d, %v; archive/zip found %d", records, err, len(z.File))
			}
		}
	})
}
