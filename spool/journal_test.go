package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/probe"
	"keepwatch/spool"
)

func openJournal(tb testing.TB, o spool.JournalOptions) *spool.Journal {
	tb.Helper()
	j, err := spool.OpenJournal(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := j.Close(); err != nil {
			tb.Error(err)
		}
	})
	return j
}

func slot(n int) time.Time { return time.Unix(1_763_781_120+int64(n)*30, 0).UTC() }

func result(n int) probe.Result {
	return probe.Result{
		Check: fmt.Sprint("check-", n), Location: "west", Slot: slot(n), Started: slot(n).Add(time.Millisecond),
		Outcome: probe.Good, Attempts: 1, Look: probe.Look{OK: true, Code: 200, Latency: 12 * time.Millisecond},
	}
}

func results(from, to int) []probe.Result {
	var rs []probe.Result
	for n := from; n < to; n++ {
		rs = append(rs, result(n))
	}
	return rs
}

func appendAll(tb testing.TB, j *spool.Journal, rs []probe.Result) {
	tb.Helper()
	if err := j.Append(rs); err != nil {
		tb.Fatal(err)
	}
}

// take reads up to limit results and forgets them.
func take(tb testing.TB, j *spool.Journal, limit int) []probe.Result {
	tb.Helper()
	rs, mark, err := j.Next(limit)
	if err != nil {
		tb.Fatal(err)
	}
	if err := j.Done(mark); err != nil {
		tb.Fatal(err)
	}
	return rs
}

func wantPending(t *testing.T, j *spool.Journal, count int, oldest time.Time) {
	t.Helper()
	gotCount, gotOldest := j.Pending()
	if gotCount != count || !gotOldest.Equal(oldest) {
		t.Errorf("pending %d since %v, want %d since %v", gotCount, gotOldest, count, oldest)
	}
}

func TestJournalGivesBackInOrder(t *testing.T) {
	t.Parallel()
	j := openJournal(t, spool.JournalOptions{Dir: t.TempDir()})
	wantPending(t, j, 0, time.Time{})
	appendAll(t, j, results(0, 3))
	appendAll(t, j, results(3, 10))
	wantPending(t, j, 10, slot(0))

	for range 2 { // without Done the same again
		got, _, err := j.Next(4)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, results(0, 4)); diff != "" {
			t.Fatalf("results (-got +want):\n%s", diff)
		}
	}
	take(t, j, 4)
	wantPending(t, j, 6, slot(4))
	if diff := cmp.Diff(take(t, j, 100), results(4, 10)); diff != "" {
		t.Errorf("results (-got +want):\n%s", diff)
	}
	wantPending(t, j, 0, time.Time{})
	if got := take(t, j, 100); len(got) != 0 {
		t.Errorf("a drained journal gave %d results", len(got))
	}
}

func TestJournalDoneWithAnotherMark(t *testing.T) {
	t.Parallel()
	j := openJournal(t, spool.JournalOptions{Dir: t.TempDir()})
	appendAll(t, j, results(0, 10))
	_, first, err := j.Next(3)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := j.Next(7)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []probe.Mark{first, second, first} { // the last one is behind: no effect
		if err := j.Done(m); err != nil {
			t.Fatal(err)
		}
	}
	wantPending(t, j, 3, slot(7))
}

func TestJournalSurvivesReopening(t *testing.T) {
	t.Parallel()
	o := spool.JournalOptions{Dir: t.TempDir(), SegmentBytes: 600}
	j := openJournal(t, o)
	for n := range 50 {
		appendAll(t, j, results(n, n+1))
	}
	take(t, j, 20)
	segments := len(segmentFiles(t, o.Dir))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, o)
	wantPending(t, j, 30, slot(20))
	appendAll(t, j, results(50, 51))
	if diff := cmp.Diff(take(t, j, 100), results(20, 51)); diff != "" {
		t.Errorf("results (-got +want):\n%s", diff)
	}
	if after := len(segmentFiles(t, o.Dir)); segments < 5 || after != 1 {
		t.Errorf("%d segments before and %d after draining, want several and 1", segments, after)
	}
}

func TestJournalForgetsItsPlaceSafely(t *testing.T) {
	t.Parallel()
	o := spool.JournalOptions{Dir: t.TempDir()}
	j := openJournal(t, o)
	appendAll(t, j, results(0, 5))
	take(t, j, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "results.pos"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, o)
	if diff := cmp.Diff(take(t, j, 100), results(0, 5)); diff != "" {
		t.Errorf("results (-got +want):\n%s", diff)
	}
}

// TestJournalTornEnd cuts the file at every byte of its last record.
func TestJournalTornEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openJournal(t, spool.JournalOptions{Dir: dir})
	appendAll(t, j, results(0, 3))
	whole := readFile(t, segmentFiles(t, dir)[0])
	appendAll(t, j, results(3, 4))
	all := readFile(t, segmentFiles(t, dir)[0])
	for cut := len(whole); cut < len(all); cut++ {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "results-000000000001.seg"), all[:cut])
		j := openJournal(t, spool.JournalOptions{Dir: dir})
		want := spool.Damage{TornBytes: int64(cut - len(whole))}
		if diff := cmp.Diff(j.Damage(), want); diff != "" {
			t.Fatalf("cut at %d: damage (-got +want):\n%s", cut, diff)
		}
		appendAll(t, j, results(9, 10))
		if diff := cmp.Diff(take(t, j, 100), append(results(0, 3), result(9))); diff != "" {
			t.Fatalf("cut at %d: results (-got +want):\n%s", cut, diff)
		}
	}
}

// TestJournalDamagedMiddle flips each byte of the middle record: the others must
// come back, and the damage must be counted once.
func TestJournalDamagedMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openJournal(t, spool.JournalOptions{Dir: dir})
	var ends []int
	for n := range 3 {
		appendAll(t, j, results(n, n+1))
		ends = append(ends, len(readFile(t, segmentFiles(t, dir)[0])))
	}
	all := readFile(t, segmentFiles(t, dir)[0])
	for i := ends[0]; i < ends[1]; i++ {
		dir := t.TempDir()
		bad := append([]byte(nil), all...)
		bad[i] ^= 0x5a
		writeFile(t, filepath.Join(dir, "results-000000000001.seg"), bad)
		j := openJournal(t, spool.JournalOptions{Dir: dir})
		wantPending(t, j, 2, slot(0))
		for range 2 {
			got, _, err := j.Next(100)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, []probe.Result{result(0), result(2)}); diff != "" {
				t.Fatalf("byte %d: results (-got +want):\n%s", i, diff)
			}
		}
		if diff := cmp.Diff(j.Damage(), spool.Damage{Corrupt: 1}); diff != "" {
			t.Fatalf("byte %d: damage (-got +want):\n%s", i, diff)
		}
		if got := take(t, j, 1); len(got) != 1 {
			t.Fatalf("byte %d: took %d, want 1", i, len(got))
		}
		wantPending(t, j, 1, slot(2))
	}
}

func TestJournalFull(t *testing.T) {
	t.Parallel()
	j := openJournal(t, spool.JournalOptions{Dir: t.TempDir(), MaxBytes: 4000})
	kept := 0
	for n := range 1000 {
		err := j.Append(results(n, n+1))
		if errors.Is(err, spool.ErrFull) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		kept++
	}
	if kept == 0 || kept == 1000 {
		t.Fatalf("kept %d of 1000", kept)
	}
	if got := j.Damage().Refused; got != int64(1000-kept) {
		t.Errorf("refused %d, want %d", got, 1000-kept)
	}
	wantPending(t, j, kept, slot(0))
	if diff := cmp.Diff(take(t, j, 2000), results(0, kept)); diff != "" {
		t.Errorf("what was kept (-got +want):\n%s", diff)
	}
	appendAll(t, j, results(2000, 2010)) // drained: there is room again
}

func TestJournalIsForOneProcess(t *testing.T) {
	t.Parallel()
	o := spool.JournalOptions{Dir: t.TempDir()}
	openJournal(t, o)
	if _, err := spool.OpenJournal(o); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
}

func TestJournalClosed(t *testing.T) {
	t.Parallel()
	j := openJournal(t, spool.JournalOptions{Dir: t.TempDir()})
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, nextErr := j.Next(1)
	for name, err := range map[string]error{
		"append": j.Append(results(0, 1)), "next": nextErr, "done": j.Done(probe.Mark{}), "sync": j.Sync(),
	} {
		if !errors.Is(err, spool.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func TestJournalNeedsADirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	_, err := spool.OpenJournal(spool.JournalOptions{Dir: filepath.Join(file, "journal")})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v does not name the place", err)
	}
}

func segmentFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "results-*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkJournalAppend(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			j := openJournal(b, spool.JournalOptions{Dir: b.TempDir(), MaxBytes: 64 << 30})
			rs := results(0, size)
			n := 0
			for b.Loop() {
				appendAll(b, j, rs)
				n += size
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "results/s")
		})
	}
}

func BenchmarkJournalReplay(b *testing.B) {
	j := openJournal(b, spool.JournalOptions{Dir: b.TempDir(), MaxBytes: 64 << 30})
	rs := results(0, 1000)
	n := 0
	for b.Loop() {
		appendAll(b, j, rs)
		n += len(take(b, j, 1000))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "results/s")
}
