package access

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseTokens(f *testing.F) {
	f.Add("read-secret-0000000001:read-secret-0000000001::x")
	f.Add(strings.Repeat("token-number-1000:", 40))
	f.Fuzz(func(t *testing.T, in string) {
		out, err := parseTokens(in)
		if len(out) > maxTokens || (err != nil && out != nil) {
			t.Errorf("%d tokens, %v", len(out), err)
		}
		again, err2 := parseTokens(strings.Join(out, ":"))
		if diff := cmp.Diff(out, again); diff != "" || err2 != nil {
			t.Errorf("read back: %v %s", err2, diff)
		}
	})
}

// A database that hangs must not make each picture wait for it.
func TestHangingDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10, func(int) bool { return false })
		ok := func(context.Context) (int, error) { return 7, nil }
		hang := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		if _, err := m.get(t.Context(), "k", ok); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		start := time.Now()
		for range 100 {
			if v, err := m.get(t.Context(), "k", hang); v != 7 || err != nil {
				t.Fatalf("got %d, %v", v, err)
			}
		}
		if took := time.Since(start); took != askFor {
			t.Errorf("100 looks took %v, want one deadline, %v", took, askFor)
		}
	})
}

// Guesses must not push known visitors out of memory.
func TestGuessesDoNotPushOutVisitors(t *testing.T) {
	t.Parallel()
	m := newMemory(10, func(v int) bool { return v == 0 })
	ctx := t.Context()
	answer := func(v int) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { return v, nil }
	}
	_, _ = m.get(ctx, "known", answer(7))
	for i := range 1000 {
		_, _ = m.get(ctx, fmt.Sprint("guess", i), answer(0))
	}
	if v, err := m.get(ctx, "known", answer(8)); v != 7 || err != nil {
		t.Errorf("got %d, %v; want the remembered 7", v, err)
	}
	if n := len(m.nope.items); n != 10 {
		t.Errorf("%d refusals remembered, want 10", n)
	}
}

// What was forgotten is asked again, also while an older question is on its way.
func TestForgetAndDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10, func(int) bool { return false })
		now := 1
		ask := func(ctx context.Context) (int, error) { time.Sleep(time.Second); return now, ctx.Err() }
		read := func() int {
			v, err := m.get(t.Context(), "k", ask)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		old := make(chan int)
		slow := func(ctx context.Context) (int, error) { v := now; time.Sleep(time.Second); return v, ctx.Err() }
		go func() { v, _ := m.get(t.Context(), "k", slow); old <- v }()
		synctest.Wait()
		now = 2
		m.forget("k")
		if got := read(); got != 2 {
			t.Errorf("asked after the change: %d, want 2", got)
		}
		if got := <-old; got != 1 {
			t.Errorf("asked before the change: %d, want 1", got)
		}
		if got := read(); got != 2 {
			t.Errorf("the older answer was kept: %d, want 2", got)
		}
		now = 3
		m.doubt(time.Now())
		if got := read(); got != 3 {
			t.Errorf("doubted: %d, want 3", got)
		}
		time.Sleep(time.Second)
		m.doubt(time.Now())
		failing := func(context.Context) (int, error) { return 0, context.DeadlineExceeded }
		if got, err := m.get(t.Context(), "k", failing); got != 3 || err != nil {
			t.Errorf("doubted while the store is away: %d, %v; want the known 3", got, err)
		}
		m.clear()
		if _, err := m.get(t.Context(), "k", failing); err == nil {
			t.Error("cleared and the store away: an answer, want the error")
		}
	})
}
