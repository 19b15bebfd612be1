package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

// TestFirstFailures: the page of an incident shows what each failing check saw first.
func TestFirstFailures(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &postgres.Results{DB: pgtest.New(t)}
	steps := []probe.StepLook{
		{Name: "log in", OK: true, Code: 200, Latency: 3 * time.Millisecond, Phases: probe.Phases{DNS: 1000, Connect: 2000, TLS: 3000, FirstByte: 4000, Transfer: 5000}, Bytes: 17},
		{Name: "up\x00load", Code: 507, Began: 4 * time.Millisecond, Latency: time.Millisecond, Message: "the status is 507, \xff not 200-299"},
		{Name: "gone", Skipped: true, Message: "an earlier step failed"},
		{Name: "delete", Cleanup: true, Skipped: true, Message: "{{id}} was never captured"},
	}
	journey := func(message string, steps []probe.StepLook) func(*probe.Result) {
		return func(r *probe.Result) {
			bad(message, "evidence")(r)
			r.Look.Fault.Step, r.Look.Steps = "upload", steps
		}
	}
	in := []probe.Result{
		result("tour", "west", noon.Add(-time.Hour), bad("of another incident", "")),
		result("tour", "east", noon),
		result("tour", "west", noon.Add(time.Minute), journey("step 2 upload: the status is 507", steps)),
		result("tour", "west", noon.Add(2*time.Minute), journey("step 2 upload: the status is 507", steps[:1])),
		result("front", "west", noon.Add(3*time.Minute), bad("status 503", "<h1>down</h1>")),
		result("front", "east", noon.Add(3*time.Minute), bad("status 502", "")),
		result("other", "east", noon, bad("not asked for", "")),
		result("late", "east", noon, func(r *probe.Result) { r.Outcome, r.Cause, r.Look = probe.Unknown, "late", probe.Look{} }),
	}
	if err := r.Insert(ctx, in); err != nil {
		t.Fatal(err)
	}
	got, err := r.FirstFailures(ctx, []string{"tour", "front", "late", "unheard-of"}, noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	want := []probe.Result{in[5], in[2]}
	steps[1].Name, steps[1].Message = "upload", "the status is 507, \uFFFD not 200-299"
	want[0].Look.Fault.Body = []byte{}
	for i := range want {
		want[i].Round = want[i].Slot.UnixNano()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if got, err := r.FirstFailures(ctx, nil, noon, noon.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("of no checks: got %v, %v", got, err)
	}
}
