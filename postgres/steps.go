package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"keepwatch/probe"
)

// stepRow is a step as the column probe_error.steps has it; durations are in
// microseconds. Keys are never renamed: old rows have them.
type stepRow struct {
	Name    string   `json:"name"`
	Cleanup bool     `json:"cleanup,omitempty"`
	Skipped bool     `json:"skipped,omitempty"`
	OK      bool     `json:"ok,omitempty"`
	Code    int      `json:"code,omitempty"`
	Began   int64    `json:"began"`
	Took    int64    `json:"took"`
	Phases  [5]int64 `json:"phases"`
	Bytes   int64    `json:"bytes,omitempty"`
	Message string   `json:"message,omitempty"`
}

// stepsText writes steps for the column; "" for none.
func stepsText(steps []probe.StepLook) string {
	if len(steps) == 0 {
		return ""
	}
	rows := make([]stepRow, len(steps))
	for i, s := range steps {
		p := s.Phases
		rows[i] = stepRow{
			Name: storable(s.Name), Cleanup: s.Cleanup, Skipped: s.Skipped, OK: s.OK, Code: s.Code,
			Began: s.Began.Microseconds(), Took: s.Latency.Microseconds(), Bytes: s.Bytes, Message: storable(s.Message),
		}
		for k, d := range [...]time.Duration{p.DNS, p.Connect, p.TLS, p.FirstByte, p.Transfer} {
			rows[i].Phases[k] = d.Microseconds()
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return "" // texts and numbers always marshal
	}
	return string(text)
}

// readSteps reads the column.
func readSteps(text []byte) ([]probe.StepLook, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var rows []stepRow
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	steps := make([]probe.StepLook, len(rows))
	for i, r := range rows {
		steps[i] = probe.StepLook{
			Name: r.Name, Cleanup: r.Cleanup, Skipped: r.Skipped, OK: r.OK, Code: r.Code, Began: us(r.Began), Latency: us(r.Took),
			Phases: probe.Phases{
				DNS: us(r.Phases[0]), Connect: us(r.Phases[1]), TLS: us(r.Phases[2]), FirstByte: us(r.Phases[3]), Transfer: us(r.Phases[4]),
			},
			Bytes: r.Bytes, Message: r.Message,
		}
	}
	return steps, nil
}

const sqlFirstFailures = `
SELECT DISTINCT ON (c.name) c.name AS check_name, l.name AS location, r.slot, r.latency_us::int8, r.outcome,
	r.attempts::int8 AS attempts, r.code::int8 AS code, e.cause, e.class, e.phase, e.message, e.body, e.step, e.steps
FROM checks c
JOIN probe_result r ON r.check_id = c.id
JOIN location l ON l.id = r.loc
JOIN probe_error e ON e.id = r.err_id
WHERE c.name = ANY(@checks::text[]) AND r.slot >= @since AND r.slot < @until AND r.outcome = 2
ORDER BY c.name, r.slot, l.name
LIMIT @limit`

// maxFailures bounds what one incident's page shows.
const maxFailures = 20

// FirstFailures returns the first bad result of each check in the slots [since,
// until), by the check's name, with its evidence and its steps; at most 20. Both
// are those first seen with that failure in that hour. Fields are filled as by [Results.Last].
func (r *Results) FirstFailures(ctx context.Context, checks []string, since, until time.Time) ([]probe.Result, error) {
	type row struct {
		stored
		Step  string
		Steps []byte
	}
	rows, err := r.DB.pool.Query(ctx, sqlFirstFailures, pgx.NamedArgs{
		"checks": checks, "since": since.UTC(), "until": until.UTC(), "limit": maxFailures,
	})
	if err != nil {
		return nil, translate(fmt.Errorf("first failures: %w", err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[row])
	if err != nil {
		return nil, translate(fmt.Errorf("first failures: %w", err))
	}
	rs := make([]probe.Result, 0, len(found))
	for _, f := range found {
		res := f.result()
		res.Look.Fault.Step = f.Step
		if res.Look.Steps, err = readSteps(f.Steps); err != nil {
			return nil, err
		}
		rs = append(rs, res)
	}
	return rs, nil
}
