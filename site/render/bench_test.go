package render

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"

	"keepwatch/site/render/plane"
)

// catmullRom is what one would write with the standard library and x/image.
func catmullRom(tb testing.TB, data []byte, edge int) []byte {
	tb.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	w, h := Fit(img.Bounds().Dx(), img.Bounds().Dy(), edge)
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	xdraw.CatmullRom.Scale(dst, dst.Rect, img, img.Bounds(), xdraw.Src, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, dst, &jpeg.Options{Quality: quality}); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkRender is a cold render of 12 megapixels, about 4 MB of file, from the
// original, from the master, and by the plain means; ssim is against a picture that
// was shrunk by a window of Lanczos3 in floating point and never encoded.
func BenchmarkRender(b *testing.B) {
	data := file(b, photo(4000, 3000))
	full, err := decode(b.Context(), data, Header{Format: JPEGFormat, Width: 4000, Height: 3000}, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	master, err := full.shrink(masterEdge).render(Spec{Edge: masterEdge}, masterQuality)
	if err != nil {
		b.Fatal(err)
	}
	for _, edge := range []int{1440, 640, 256} {
		ideal := reference(full.planes[0], edge)
		size := strconv.Itoa(edge)
		ours := func(data []byte) func() []byte {
			return func() []byte {
				out, err := JPEG(context.Background(), data, Spec{Edge: edge, Orientation: 6})
				if err != nil {
					b.Fatal(err)
				}
				return out
			}
		}
		measure(b, "planar/"+size, ideal, ours(data))
		measure(b, "master/"+size, ideal, ours(master))
		measure(b, "ximage/"+size, ideal, func() []byte { return catmullRom(b, data, edge) })
	}
}

func measure(b *testing.B, name string, ideal plane.Plane, work func() []byte) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		var out []byte
		for b.Loop() {
			out = work()
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			b.Fatal(err)
		}
		got := split(img).planes[0]
		if got.W != ideal.W {
			got = plane.TurnOf(8, 0).Apply(got) // turned back
		}
		b.ReportMetric(ssim(got, ideal), "ssim")
		b.ReportMetric(float64(len(out))/1024, "kB")
	})
}

// reference shrinks by plain Lanczos3 in floating point, first across, then down.
func reference(p plane.Plane, edge int) plane.Plane {
	w, h := Fit(p.W, p.H, edge)
	across := make([]float64, w*p.H)
	weights := func(n, m, i int) (int, []float64) {
		scale := float64(n) / float64(m)
		centre := (float64(i) + 0.5) * scale
		first, last := max(0, int(centre-3*scale)), min(n, int(centre+3*scale)+1)
		ws, sum := make([]float64, last-first), 0.0
		for k := range ws {
			ws[k] = plane.Lanczos((float64(first+k) + 0.5 - centre) / scale)
			sum += ws[k]
		}
		for k := range ws {
			ws[k] /= sum
		}
		return first, ws
	}
	for x := range w {
		first, ws := weights(p.W, w, x)
		for y := range p.H {
			var sum float64
			for k, v := range p.Row(y)[first : first+len(ws)] {
				sum += ws[k] * float64(v)
			}
			across[y*w+x] = sum
		}
	}
	out := plane.New(w, h)
	for y := range h {
		first, ws := weights(p.H, h, y)
		for x := range w {
			var sum float64
			for k, wt := range ws {
				sum += wt * across[(first+k)*w+x]
			}
			out.Pix[y*w+x] = uint8(min(max(sum+0.5, 0), 255))
		}
	}
	return out
}

const oneRender = "KEEPWATCH_RENDER_ONE"

// BenchmarkRenderMemory is the peak of the resident memory of a process that
// renders one picture of 12 megapixels.
func BenchmarkRenderMemory(b *testing.B) {
	name := filepath.Join(b.TempDir(), "one.jpg")
	if err := os.WriteFile(name, file(b, photo(4000, 3000)), 0o600); err != nil {
		b.Fatal(err)
	}
	var peak float64
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "^TestRenderOne$", "-test.v")
		cmd.Env = append(os.Environ(), oneRender+"="+name)
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		_, rest, _ := strings.Cut(string(out), "VmHWM:")
		kB, err := strconv.ParseFloat(strings.Fields(rest + " ?")[0], 64)
		if err != nil {
			b.Fatalf("no peak in %q", out)
		}
		peak = max(peak, kB/1024)
	}
	b.ReportMetric(peak, "rss-MiB")
}

// TestRenderOne is the process that BenchmarkRenderMemory starts.
func TestRenderOne(t *testing.T) {
	t.Parallel()
	name := os.Getenv(oneRender)
	if name == "" {
		t.Skip("only for BenchmarkRenderMemory")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := JPEG(t.Context(), data, Spec{Edge: 1440, Orientation: 6}); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	t.Log("VmHWM:", strings.TrimSpace(strings.SplitN(peak, "\n", 2)[0]))
}
