package history

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine

	"github.com/google/go-cmp/cmp"
)

var present = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

func angeles(tb testing.TB) *time.Location {
	tb.Helper()
	z, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

// lines reads a whole file: one line of text for each entry and each bad line.
func lines(tb testing.TB, open func(io.Reader, Options) (*Reader, error), text string, o Options) ([]string, Counts) {
	tb.Helper()
	o.Now = present
	r, err := open(strings.NewReader(text), o)
	if err != nil {
		return []string{"refused: " + err.Error()}, Counts{}
	}
	var out []string
	for {
		e, err := r.Next()
		bad := (*LineError)(nil)
		switch {
		case errors.Is(err, io.EOF):
			return out, r.Counts()
		case errors.As(err, &bad):
			out = append(out, "bad "+bad.Error())
		case err != nil:
			tb.Fatal(err)
		default:
			out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s/%s %d %s %d %s %s", e.Line, e.Time.Format("2006-01-02T15:04:05.000"),
				e.Check, e.Location, e.Outcome, e.Latency, e.Code, e.Class, e.Message)))
		}
	}
}

const head = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,grpThreads,allThreads,URL,Latency,IdleTime,Connect\n"

func TestJTL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
	}{
		{
			"header, CRLF, BOM", "\ufeff" + strings.ReplaceAll(head, "\n", "\r\n") + "1761548400123,210,front,200,OK,T 1-1,text,true,,9,9,1,1,http://x/,200,0,3\r\n",
			[]string{"2 2025-10-27T07:00:00.123 c/west 1 210ms 200"},
		},
		{
			"another order, other columns", "success,timeStamp,elapsed,color\ntrue,1761548400000,7,red\nfalse,1761548430000,8,blue\n",
			[]string{"2 2025-10-27T07:00:00.000 c/west 1 7ms 0", "3 2025-10-27T07:00:30.000 c/west 2 8ms 0  the log does not say why"},
		},
		{
			"no header, the manual's eight", "1761548400000,12,home,503,false,,11,2\n1761548430000,12,home,200,true,,11,2\n",
			[]string{"1 2025-10-27T07:00:00.000 c/west 2 12ms 503 status got 503", "2 2025-10-27T07:00:30.000 c/west 1 12ms 200"},
		},
		{
			"no header, twelve", "1761548400000,12,home,200,OK,T 1,text,true,1,1,1,9\n",
			[]string{"1 2025-10-27T07:00:00.000 c/west 1 12ms 200"},
		},
		{
			"no header, fourteen", "1761548400000,12,home,200,OK,T 1,text,false,no title,1,1,1,9,0\n",
			[]string{"1 2025-10-27T07:00:00.000 c/west 2 12ms 200 body no title"},
		},
		{
			"no header, sixteen", "1761548400000,12,home,Non HTTP response code: java.net.SocketTimeoutException,Non HTTP response message: Read timed out,T 1,text,false,,1,1,1,1,9,0,3\n",
			[]string{"1 2025-10-27T07:00:00.000 c/west 2 12ms 0 timeout Non HTTP response message: Read timed out"},
		},
		{
			"no header, seventeen", "1761548400000,12,home,200,OK,T 1,text,true,,1,1,1,1,http://x/,9,0,3\n",
			[]string{"1 2025-10-27T07:00:00.000 c/west 1 12ms 200"},
		},
		{
			"quoted fields over lines", head + "1761548400000,1,\"a, \"\"b\"\"\",200,OK,T,text,false,\"first\nsecond\",1,1,1,1,u,1,0,1\n1761548430000,1,a,200,OK,T,text,true,,1,1,1,1,u,1,0,1\n",
			[]string{"2 2025-10-27T07:00:00.000 c/west 2 1ms 200 body first\nsecond", "4 2025-10-27T07:00:30.000 c/west 1 1ms 200"},
		},
		{
			"an unclosed quote spoils its own line only", "timeStamp,elapsed,success,label\n1761548400000,1,true,\"home\n1761548430000,1,true,home\n1761548460000,1,true,\"home\"\n1761548490000,1,true,home\n",
			[]string{
				"bad line 2: has a quote in the middle of a field", "3 2025-10-27T07:00:30.000 c/west 1 1ms 0",
				"4 2025-10-27T07:01:00.000 c/west 1 1ms 0", "5 2025-10-27T07:01:30.000 c/west 1 1ms 0",
			},
		},
		{
			"an unclosed quote at the end", "timeStamp,elapsed,success,label\n1761548400000,1,true,\"home\n1761548430000,1,true,home",
			[]string{"bad line 2: has a quote that is never closed", "3 2025-10-27T07:00:30.000 c/west 1 1ms 0"},
		},
		{
			"semicolons, empty lines, a second header", "timeStamp;elapsed;success\n1761548400000;1;true\n\n\r\ntimeStamp;elapsed;success\n1761548430000;2;FALSE\n",
			[]string{"2 2025-10-27T07:00:00.000 c/west 1 1ms 0", "6 2025-10-27T07:00:30.000 c/west 2 2ms 0  the log does not say why"},
		},
		{
			"tabs", "timeStamp\telapsed\tsuccess\n1761548400000\t1\ttrue\n",
			[]string{"2 2025-10-27T07:00:00.000 c/west 1 1ms 0"},
		},
		{
			"bad values", "timeStamp,elapsed,success\n1761548400,1,true\nx,1,true\n1761548400000,-1,true\n1761548400000,,true\n1761548400000,1,yes\n1761548400000,1\n1861548400000,1,true\n99999999999999999999,1,true\n",
			[]string{
				"bad line 2: has the time 1761548400, which is before the year 2000 (milliseconds since 1970 are meant)",
				`bad line 3: has no time that can be read: "x"`,
				`bad line 4: has elapsed "-1", which is no number of milliseconds`,
				`bad line 5: has elapsed "", which is no number of milliseconds`,
				`bad line 6: has success "yes", which is neither true nor false`,
				"bad line 7: has 2 columns, and 3 columns are expected",
				"bad line 8: has the time 1861548400000, which is still to come",
				"bad line 9: has the time 99999999999999999999, which is no number of milliseconds since 1970",
			},
		},
		{
			"written dates", "timeStamp,elapsed,success\n2025/10/27 07:00:00.250,1,true\n10/27/25 07:00:30,1,true\n2025-10-27T08:01:00+01:00,1,true\n",
			[]string{"2 2025-10-27T07:00:00.250 c/west 1 1ms 0", "3 2025-10-27T07:00:30.000 c/west 1 1ms 0", "4 2025-10-27T07:01:00.000 c/west 1 1ms 0"},
		},
		{"no success", "timeStamp,elapsed,label\n1761548400000,1,a\n", []string{"refused: has no column success (its columns: timeStamp, elapsed, label)"}},
		{"unknown order", "1761548400000,1,true\n", []string{"refused: has 3 columns and no header that tells which they are (JMeter's own orders have 12, 14, 16 or 17 columns; timeStamp, elapsed, label, responseCode, success, failureMessage, Latency, Connect is read too)"}},
		{"empty", "", []string{"refused: is empty"}},
		{"only empty lines", "\n\n", []string{"refused: is empty"}},
		{"XML", "<?xml version=\"1.0\"?>", []string{"refused: is XML (have JMeter write CSV: jmeter.save.saveservice.output_format=csv)"}},
		{"UTF-16", "\xff\xfet\x00", []string{"refused: is UTF-16 (save it as UTF-8)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _ := lines(t, NewJTL, tt.text, Options{Check: "c", Location: "west"})
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("entries (-got +want):\n%s", diff)
			}
		})
	}
}

func TestJTLLabels(t *testing.T) {
	t.Parallel()
	text := "timeStamp,elapsed,success,label\n1761548400000,1,true,home\n1761548400000,1,false,login\n"
	got, counts := lines(t, NewJTL, text, Options{Label: "home"})
	if len(got) != 1 || counts.Other != 1 || counts.Entries != 1 {
		t.Errorf("got %v and %+v, want one entry of home", got, counts)
	}
	if _, counts = lines(t, NewJTL, text, Options{}); len(counts.Labels) != 2 {
		t.Errorf("got labels %v, want two", counts.Labels)
	}
}

// TestLocalTimes: clocks in Los Angeles went back on 2 November 2025 at 02:00 and
// forward on 9 March 2025 at 02:00.
func TestLocalTimes(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("timeStamp,elapsed,success\n")
	var want []string
	at := time.Date(2025, time.November, 2, 7, 50, 0, 0, time.UTC) // 00:50
	for i := range 16 {
		text.WriteString(at.In(angeles(t)).Format("2006-01-02 15:04:05") + ",1,true\n")
		want = append(want, fmt.Sprintf("%d %s / 1 1ms 0", i+2, at.Format("2006-01-02T15:04:05.000")))
		at = at.Add(10 * time.Minute)
	}
	got, counts := lines(t, NewJTL, text.String(), Options{Zone: angeles(t)})
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("over the change (-got +want):\n%s", diff)
	}
	if !counts.Zoneless {
		t.Error("nobody would learn that the times named no zone")
	}
	got, _ = lines(t, NewJTL, "timeStamp,elapsed,success\n2025-03-09 02:30:00,1,true\n", Options{Zone: angeles(t)})
	if want := []string{"bad line 2: has the time 2025-03-09 02:30:00, which no clock in America/Los_Angeles ever showed"}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		o          Options
		want       []string
	}{
		{
			"all columns, no header", "2025-10-27T07:00:00Z,front,west,good,12,200,\n1761548430000,front,east,bad,7,503,no room\n2025-10-27T07:01:00Z,front,east,Unknown,,,agent down\n",
			Options{},
			[]string{
				"1 2025-10-27T07:00:00.000 front/west 1 12ms 200", "2 2025-10-27T07:00:30.000 front/east 2 7ms 503 status no room",
				"3 2025-10-27T07:01:00.000 front/east 0 0s 0  agent down",
			},
		},
		{"few columns", "outcome,time\nbad,2025-10-27 07:00:00\n", Options{Check: "front", Location: "west"}, []string{"2 2025-10-27T07:00:00.000 front/west 2 0s 0  the log does not say why"}},
		{"a column wins over the flag", "time,outcome,check\n1761548400000,good,api\n", Options{Check: "front", Location: "west"}, []string{"2 2025-10-27T07:00:00.000 api/west 1 0s 0"}},
		{
			"bad values", "time,outcome,check,location,code\n1761548400000,up,a,b,\n1761548400000,good,,b,\n1761548400000,good,a,,\n1761548400000,good,a,b,2x\n",
			Options{},
			[]string{
				`bad line 2: has outcome "up", which is none of good, bad and unknown`, "bad line 3: names no check (add the column, or give --check)",
				"bad line 4: names no location (add the column, or give --location)", `bad line 5: has code "2x", which is no status of three digits`,
			},
		},
		{"no header", "1761548400000,good\n", Options{}, []string{"refused: has 2 columns and no header that tells which they are (without a header they are time, check, location, outcome, latency_ms, code, message)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _ := lines(t, NewCSV, tt.text, tt.o)
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("entries (-got +want):\n%s", diff)
			}
		})
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600<<10)
	text := "timeStamp,elapsed,success,label\n1761548400000,1,true," + long + "\n1761548400000,1,true," + long + long + "\n1761548430000,1,true,a\n"
	got, _ := lines(t, NewJTL, text, Options{})
	want := []string{"2 2025-10-27T07:00:00.000 / 1 1ms 0", "bad line 3: is longer than a mebibyte", "4 2025-10-27T07:00:30.000 / 1 1ms 0"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
}

// TestBrokenStream: what cannot be read is an error, never an end.
func TestBrokenStream(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk gone")
	src := io.MultiReader(strings.NewReader("timeStamp,elapsed,success\n1761548400000,1,true\n"), brokenReader{broken})
	r, err := NewJTL(src, Options{Now: present})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatalf("first entry: %v", err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }
