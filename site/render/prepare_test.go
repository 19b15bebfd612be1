package render

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keepwatch/site/render/plane"
)

// After an upload the standard sizes and the master are there, of a real picture,
// and nothing was read twice.
func TestPrepare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		data := loaded(t, 2000, 130, icc("RGB ", 64)) // thin, to be quick
		opened := 0
		p := Picture{Content: "upload", Orientation: 6, Text: "© ada", Longer: 2000, Open: func(context.Context) (io.ReadCloser, error) {
			opened++
			return io.NopCloser(bytes.NewReader(data)), nil
		}}
		r.Prepare(p)
		r.Prepare(p) // once is enough
		synctest.Wait()
		if s := r.Stats(); s.Prepared != 6 || s.Preparing != 0 || opened != 1 || s.Failed != 0 {
			t.Errorf("stats %+v, opened %d times", s, opened)
		}
		for _, edge := range []int{192, 350, 640, 1024, 1440, 1920, 800} { // 800 is none of the standard sizes
			rd, err := r.Get(t.Context(), p, edge, Signed)
			if err != nil || rd.Cached != (edge != 800) {
				t.Fatalf("edge %d: %+v, %v", edge, rd, err)
			}
			img, err := jpeg.Decode(rd)
			rd.Close()
			ww, wh := Fit(130, 2000, edge)
			if err != nil || img.Bounds().Size() != (image.Point{ww, wh}) {
				t.Errorf("edge %d: %v (%v), want %dx%d", edge, img.Bounds(), err, ww, wh)
			}
		}
		if opened != 1 {
			t.Errorf("the original was opened %d times, want once: there is a master", opened)
		}
		master, err := ReadHeader(bytes.NewReader(r.cache.read(p.master(), time.Now())))
		if err != nil || master.Width != 1920 || master.Orientation != 1 || len(master.ICC) != 128+64 {
			t.Errorf("master %+v, %v", master, err)
		}
	})
}

// What visitors wait for goes before; what is left to do is not forgotten.
func TestPrepareGivesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1}, 100*time.Millisecond)
		d.Prepare(picture("upload"))
		time.Sleep(150 * time.Millisecond) // the second of six is being made
		start := time.Now()
		var wg sync.WaitGroup
		d.visit(t, &wg, "visitor", Stranger)
		wg.Wait()
		if took := time.Since(start); took != 150*time.Millisecond {
			t.Errorf("a visitor waited %v, want the 50ms that were left of one size, and 100ms", took)
		}
		time.Sleep(time.Second)
		d.mu.Lock()
		defer d.mu.Unlock()
		if want := []string{"upload", "upload", "visitor", "upload", "upload", "upload", "upload"}; !slices.Equal(d.order, want) {
			t.Errorf("order %v, want %v", d.order, want)
		}
		if s := d.Stats(); s.Prepared != 6 || s.Preparing != 0 { // Stats does not ask for the desk's mutex
			t.Errorf("stats %+v", s)
		}
	})
}

// A visitor who asks for what is being made ahead of time waits for that.
func TestVisitorJoinsPrepare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 2}, 100*time.Millisecond)
		d.Prepare(picture("upload"))
		time.Sleep(50 * time.Millisecond)
		rd, err := d.Get(t.Context(), picture("upload"), 192, Signed)
		if got := body(t, rd, err); got != "upload@192" {
			t.Errorf("got %q", got)
		}
		time.Sleep(time.Second)
		if s := d.Stats(); s.Renders != 6 {
			t.Errorf("%d renders, want 6: one per key", s.Renders)
		}
	})
}

// What a visitor's worker is making is not made a second time ahead of it.
func TestPrepareLeavesOutWhatIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 2}, 100*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() {
			rd, err := d.Get(t.Context(), picture("upload"), 192, Signed)
			body(t, rd, err)
		})
		synctest.Wait()
		d.Prepare(picture("upload"))
		wg.Wait()
		time.Sleep(time.Second)
		if s := d.Stats(); s.Renders != 6 || s.Prepared != 5 {
			t.Errorf("stats %+v, want 6 renders, 5 of them ahead", s)
		}
	})
}

func TestPauseAndBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1, Ahead: 3}, 100*time.Millisecond)
		d.Pause()
		for i := range 5 {
			d.Prepare(picture(strconv.Itoa(i)))
		}
		time.Sleep(time.Minute)
		if s := d.Stats(); s.Prepared != 0 || s.Preparing != 3 || s.Dropped != 2 || !s.Paused {
			t.Errorf("paused: %+v", s)
		}
		d.Resume()
		time.Sleep(250 * time.Millisecond)
		d.Pause()
		time.Sleep(time.Minute)
		if s := d.Stats(); s.Prepared != 3 || s.Preparing != 3 {
			t.Errorf("paused again: %+v, want 3 made: the third was in hand", s)
		}
		d.Resume()
		time.Sleep(time.Minute)
		if s := d.Stats(); s.Prepared != 18 || s.Preparing != 0 || s.Working != 0 || s.Reading != 0 || s.Memory != 0 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

// Run ends what is made ahead of time with the rendition in hand.
func TestRunEndsPrepare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Options{Workers: 1}, 100*time.Millisecond)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = d.Run(ctx) })
		d.Prepare(picture("upload"))
		time.Sleep(150 * time.Millisecond)
		start := time.Now()
		stop()
		wg.Wait()
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("Run ended after %v, want 50ms", took)
		}
	})
}

// A render from the original leaves a master behind, so that the next size does
// not need the original; a master that has gone or is broken costs only time.
func TestMasterOnDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenderer(t, Options{Workers: 1})
		data := file(t, scene(2400, 160, image.YCbCrSubsampleRatio420))
		opened := 0
		p := Picture{Content: "a", Open: func(context.Context) (io.ReadCloser, error) {
			opened++
			return io.NopCloser(bytes.NewReader(data)), nil
		}}
		get := func(edge int) {
			t.Helper()
			rd, err := r.Get(t.Context(), p, edge, Signed)
			if err != nil {
				t.Fatal(err)
			}
			rd.Close()
			synctest.Wait()
		}
		extra := 0 // an engine that decodes smaller at once reads the original again for the master
		if Engine() != "go" {
			extra = 1
		}
		get(640)
		get(350)
		get(1440)
		if opened != 1+extra {
			t.Errorf("opened %d times, want %d", opened, 1+extra)
		}
		get(1920) // never encoded twice
		if opened != 2+extra {
			t.Errorf("opened %d times, want %d", opened, 2+extra)
		}
		r.cache.remove(p.master())
		if err := r.cache.put(p.master(), []byte("no picture"), time.Now()); err != nil {
			t.Fatal(err)
		}
		get(800)
		get(256)
		if opened != 3+2*extra {
			t.Errorf("opened %d times, want %d: the broken master was made anew", opened, 3+2*extra)
		}
		if s := r.Stats(); s.Failed != 0 {
			t.Errorf("%d failed", s.Failed)
		}
	})
}

// The second encoding must not show: against a render from the original, what is
// made of the master is hardly further from the picture before it was encoded.
func TestMasterLoss(t *testing.T) {
	t.Parallel()
	src := split(photo(2880, 360))
	master, err := src.shrink(masterEdge).render(Spec{Edge: masterEdge}, masterQuality)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(master))
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(s source, edge int) plane.Plane {
		out, err := s.render(Spec{Edge: edge}, quality)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		return split(img).planes[0]
	}
	for _, edge := range []int{1600, 1440, 640, 350} {
		ideal := src.shrink(edge).planes[0]
		direct, second := ssim(encoded(src, edge), ideal), ssim(encoded(split(m), edge), ideal)
		t.Logf("edge %d: SSIM %.4f from the original, %.4f from the master (%d kB)", edge, direct, second, len(master)>>10)
		if direct-second > 0.0035 {
			t.Errorf("edge %d: the master costs %.4f of SSIM, want at most 0.0035", edge, direct-second)
		}
	}
}
