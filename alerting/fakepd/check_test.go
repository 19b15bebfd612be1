package fakepd

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestCheckFindsWhatIsBroken takes the log of a good night and breaks it in one place:
// each time the checker must say which episode, and count it.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	var log string
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		if err := s.AddFault(Fault{Late: Duration(time.Second), Action: trigger, DedupKey: "b"}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b", "c"} {
			send(t, s, trigger, key)
			send(t, s, trigger, key)
			time.Sleep(2 * time.Second)
			send(t, s, acknowledge, key)
			send(t, s, resolve, key)
		}
		log = call(t, s, "GET", "/_log", "").Body
	})
	lines := strings.SplitAfter(strings.TrimSpace(log), "\n")
	// without leaves lines out, as if what they say had never happened, and numbers the rest anew.
	without := func(drop func(l string) bool) string {
		var b strings.Builder
		seq := 0
		for _, l := range lines {
			if drop(l) {
				continue
			}
			seq++
			_, rest, _ := strings.Cut(l, ",")
			b.WriteString(`{"seq":` + itoa(seq) + "," + rest)
		}
		return b.String()
	}
	of := func(key, action string) func(string) bool {
		return func(l string) bool {
			return strings.Contains(l, `"dedup_key":"`+key+`"`) && strings.Contains(l, `"action":"`+action+`"`)
		}
	}
	// elsewhere has a resolve of "a" through a second routing key, beside the one through
	// the first or instead of it.
	elsewhere := func(beside bool) string {
		var b strings.Builder
		for i, l := range lines {
			if of("a", resolve)(l) {
				other := strings.NewReplacer(key, strings.Repeat("f", 32), `"did":"resolved"`, `"did":"nothing"`).Replace(l)
				if l = other; beside {
					l = lines[i] + other
				}
			}
			b.WriteString(l)
		}
		lines := strings.SplitAfter(strings.TrimSpace(b.String()), "\n")
		for i, l := range lines {
			_, rest, _ := strings.Cut(l, ",")
			lines[i] = `{"seq":` + itoa(i+1) + "," + rest
		}
		return strings.Join(lines, "")
	}
	again := func(key string) string { // a second incident after the end
		l := lines[0]
		for _, line := range lines {
			if of(key, trigger)(line) && strings.Contains(line, `"did":"opened"`) {
				l = line
			}
		}
		n := len(lines)
		_, rest, _ := strings.Cut(l, ",")
		return log + `{"seq":` + itoa(n+1) + "," + rest
	}
	for name, tt := range map[string]struct {
		log                     string
		want                    Want
		lost, doubled, leftOpen int
		says                    string
	}{
		"a good night":                 {log, Want{Keys: []string{"a", "b", "c"}}, 0, 0, 0, ""},
		"a page never reached":         {log, Want{Keys: []string{"a", "d"}}, 1, 0, 0, `episode "d": LOST: nothing was ever received`},
		"the triggers of one are lost": {without(of("a", trigger)), Want{}, 1, 0, 0, `episode "a": acknowledged or resolved, but never triggered`},
		"an episode is lost whole":     {without(func(l string) bool { return strings.Contains(l, `"dedup_key":"c"`) }), Want{Keys: []string{"c"}}, 1, 0, 0, `episode "c": LOST`},
		"a second incident":            {again("a"), Want{}, 0, 1, 1, `episode "a": 2 incidents were opened, want one; still open at the end`},
		"one is left open":             {without(of("b", resolve)), Want{}, 0, 0, 1, `episode "b": still open at the end`},
		"one is open, and may be":      {without(of("b", resolve)), Want{StillOpen: true}, 0, 0, 0, ""},
		"closed by two keys":           {elsewhere(true), Want{Keys: []string{"a"}}, 0, 0, 0, ""},
		"closed by another key only":   {elsewhere(false), Want{}, 0, 0, 1, `episode "a": still open at the end`},
		"a line is missing":            {strings.Join(lines[1:], ""), Want{}, 0, 0, 0, "gap"},
	} {
		rep, err := Check(strings.NewReader(tt.log), tt.want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rep.Lost != tt.lost || rep.Doubled != tt.doubled || rep.LeftOpen != tt.leftOpen {
			t.Errorf("%s: lost %d, doubled %d, left open %d; want %d, %d, %d", name, rep.Lost, rep.Doubled, rep.LeftOpen, tt.lost, tt.doubled, tt.leftOpen)
		}
		if got := strings.Join(rep.Problems, "\n"); (tt.says == "") != (got == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: says %q, want %q", name, got, tt.says)
		}
	}
	if rep, err := Check(strings.NewReader(log), Want{}); err != nil || rep.Late != 2 || len(rep.Episodes) != 3 || rep.Episodes[1].Opened != 1 {
		t.Errorf("%+v %v", rep, err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// TestCheckKnowsSilentDrops: a trigger that was answered 202 and forgotten rang nobody.
func TestCheckKnowsSilentDrops(t *testing.T) {
	t.Parallel()
	s := team(Options{})
	defer s.Close()
	if err := s.Change(func(a *Account) { a.Services[0].Maintenance = true }); err != nil {
		t.Fatal(err)
	}
	send(t, s, trigger, "a")
	rep, err := Check(strings.NewReader(call(t, s, "GET", "/_log", "").Body), Want{})
	if err != nil || rep.Lost != 1 || len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0], "in maintenance") {
		t.Errorf("got %+v %v", rep, err)
	}
}

// TestCheckKnowsCancelled: a resolve of nothing means a lost page, unless the sender says
// that the incident recovered before anything was delivered.
func TestCheckKnowsCancelled(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	defer s.Close()
	send(t, s, resolve, "a")
	log := call(t, s, "GET", "/_log", "").Body
	for _, tt := range []struct {
		want Want
		lost int
	}{{Want{}, 1}, {Want{Cancelled: []string{"b"}}, 1}, {Want{Cancelled: []string{"a"}}, 0}} {
		if rep, err := Check(strings.NewReader(log), tt.want); err != nil || rep.Lost != tt.lost {
			t.Errorf("%+v: lost %d, %v; want %d", tt.want, rep.Lost, err, tt.lost)
		}
	}
}
