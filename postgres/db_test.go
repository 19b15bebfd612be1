package postgres_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/probe"
)

func TestMigrateSixAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.EmptyDSN(t)
	steps := []string{
		`CREATE TABLE a (n int4); INSERT INTO a VALUES (1); SELECT pg_sleep(0.1)`, // so that the six do meet
		"-- no transaction\nCREATE INDEX CONCURRENTLY a_n ON a (n)",
		`INSERT INTO a VALUES (2)`,
	}
	var dbs []*postgres.DB
	for range 6 {
		dbs = append(dbs, pgtest.Open(t, dsn))
	}
	var wg sync.WaitGroup
	for _, db := range dbs {
		wg.Go(func() {
			if err := db.MigrateFiles(t.Context(), steps...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := count(t, dsn, `SELECT count(n) FROM a`); got != 2 {
		t.Errorf("got %d rows, want 2: a migration ran more or less than once", got)
	}
	if got := count(t, dsn, `SELECT count(indexrelid) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid`); got != 1 {
		t.Errorf("got %d valid indexes, want 1", got)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	const good, edited, broken = `CREATE TABLE a (n int4)`, `CREATE TABLE a (n int8)`, `CREATE TABLE b (n int4); SELECT nonsense`
	cases := []struct {
		name          string
		first, second []string
		want          string
		is            error
	}{
		{name: "again is nothing", first: []string{good}, second: []string{good}},
		{name: "one more", first: []string{good}, second: []string{good, `CREATE TABLE b (n int4)`}},
		{
			name: "an older program", first: []string{good, `CREATE TABLE b (n int4)`}, second: []string{good},
			want: "its schema has 0002_step.sql, this program knows up to 0001", is: postgres.ErrNewer,
		},
		{name: "an edited file", first: []string{good}, second: []string{edited}, want: "0001_step.sql was changed after"},
		{name: "a mistake", first: []string{good}, second: []string{good, broken}, want: "migration 0002_step.sql: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.EmptyDSN(t)
			db := pgtest.Open(t, dsn)
			if err := db.MigrateFiles(t.Context(), c.first...); err != nil {
				t.Fatal(err)
			}
			err := db.MigrateFiles(t.Context(), c.second...)
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got %v, want %q in it", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
			if c.name == "a mistake" {
				if got := count(t, dsn, `SELECT count(oid) FROM pg_class WHERE relname = 'b'`); got != 0 {
					t.Error("half of a migration stayed")
				}
			}
		})
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dsn := pgtest.EmptyDSN(t)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := deaf.Addr().(*net.TCPAddr).String()
	if err := deaf.Close(); err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2-not-for-logs"
	cases := []struct {
		name, dsn string
		want      error
		says      string
	}{
		{"nobody listens", "postgres://ada:" + secret + "@" + port + "/x?sslmode=disable", postgres.ErrUnreachable, "start it, or correct database.url"},
		{"no such database", dsn + " dbname=nowhere password=" + secret, postgres.ErrAuth, `database "nowhere" does not exist`},
		{"no such role", dsn + " user=nobody_here password=" + secret, postgres.ErrAuth, `role "nobody_here" does not exist`},
		{"not an address", "postgres://ada:" + secret + "@h:port/x", nil, "is not a Postgres address"},
		{"nonsense", secret, nil, "is not a Postgres address"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var logged bytes.Buffer
			db, err := postgres.Open(t.Context(), c.dsn, slog.New(slog.NewTextHandler(&logged, nil)))
			if err == nil {
				db.Close()
				t.Fatal("it opened")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want %q in it", err, c.says)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(logged.String(), secret) {
				t.Errorf("the password shows: %v; log %s", err, &logged)
			}
		})
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for url, want := range map[probe.Secret]string{
		"":                                   "",
		"postgres://ada:x@db.example.com/kw": "",
		"host=/run/postgresql dbname=kw":     "",
		"mysql://ada:hunter2@h/x":            "url",
		"postgres://ada:hunter2@h:port/x":    "url",
	} {
		var got string
		c := postgres.Config{URL: url}
		c.SetDefaults()
		c.Validate(func(path, msg string) {
			got = path
			if strings.Contains(msg, "hunter2") {
				t.Errorf("the password shows: %s", msg)
			}
		})
		if got != want {
			t.Errorf("%q: got a complaint at %q, want %q", url.Reveal(), got, want)
		}
	}
}

// A server that asks for passwords: our own listens on a socket and trusts, so
// the sentence is proven with one that has a password rule.
func TestOpenWithAWrongPassword(t *testing.T) {
	t.Parallel()
	addr := refuse(t, "28P01", `password authentication failed for user "ada"`)
	_, err := postgres.Open(t.Context(), "postgres://ada:wrong@"+addr+"/x?sslmode=disable", slog.New(slog.DiscardHandler))
	if !errors.Is(err, postgres.ErrAuth) || !strings.Contains(err.Error(), "correct the user, password and database name") {
		t.Errorf("got %v, want ErrAuth", err)
	}
}

// A daemon must not wait out a wrong password as it waits out an absence, though
// it connects without asking first.
func TestMigrateTellsAWrongPasswordFromAnAbsence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code string
		want error
	}{
		{"28P01", postgres.ErrAuth},
		{"28000", postgres.ErrAuth},
		{"3D000", postgres.ErrAuth},
		{"57P03", postgres.ErrUnreachable},
		{"53300", postgres.ErrUnreachable},
	} {
		addr := refuse(t, tt.code, "no")
		db, err := postgres.Connect(t.Context(), "postgres://ada:wrong@"+addr+"/x?sslmode=disable", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.code, err, tt.want)
		}
	}
}

// refuse listens as a server that answers every start with one error.
func refuse(t *testing.T, code, message string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	fields := "SFATAL\x00VFATAL\x00C" + code + "\x00M" + message + "\x00\x00"
	reply := append([]byte{'E', 0, 0, 0, byte(len(fields) + 4)}, fields...)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 512)) // the start message fits
			_, _ = conn.Write(reply)
			_ = conn.Close()
		}
	})
	return l.Addr().String()
}

func TestUnavailableIsToldFromWrong(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	r := &postgres.Results{DB: pgtest.Open(t, dsn)}
	if err := exec1(t, dsn, `ALTER TABLE probe_result RENAME TO elsewhere`); err != nil {
		t.Fatal(err)
	}
	if err := r.Insert(t.Context(), []probe.Result{result("a", "west", noon)}); err == nil || errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("a missing table: got %v, want an error that trying again does not mend", err)
	}
	r.DB.Close()
	if err := r.Insert(t.Context(), []probe.Result{result("a", "west", noon)}); !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("a closed pool: got %v, want ErrUnavailable, so that the caller keeps the result", err)
	}
}

func TestUnavailableWhenTheSessionsAreKilled(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db := pgtest.Open(t, dsn)
	r := &postgres.Results{DB: db}
	if err := r.SaveBeat(t.Context(), "a", noon); err != nil {
		t.Fatal(err)
	}
	kill := `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	if got := count(t, dsn, kill); got == 0 {
		t.Fatal("no session was killed")
	}
	if err := r.SaveBeat(t.Context(), "a", noon); err != nil && !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("the first write: got %v, want ErrUnavailable or success", err)
	}
	if err := r.SaveBeat(t.Context(), "a", noon); err != nil {
		t.Errorf("the second write: got %v, want success", err)
	}
}

func TestTimesComeBackInUTC(t *testing.T) {
	t.Parallel()
	r := &postgres.Results{DB: pgtest.New(t)}
	at := time.Date(2026, 7, 1, 9, 30, 0, 123456000, time.FixedZone("far", -7*3600))
	if err := r.SaveBeat(t.Context(), "a", at); err != nil {
		t.Fatal(err)
	}
	beats, err := r.Beats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := beats["a"]; got != at.UTC() {
		t.Errorf("got %v, want %v, comparable with ==", got, at.UTC())
	}
}

func TestLeadHandsOver(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	first, second := pgtest.Open(t, dsn), pgtest.Open(t, dsn)
	lost, release, held, err := first.TryLead(t.Context(), "pager")
	if err != nil || !held {
		t.Fatalf("first: got held %v, %v; want the lead", held, err)
	}
	if _, _, held, err := second.TryLead(t.Context(), "pager"); err != nil || held {
		t.Fatalf("second beside the first: got held %v, %v; want neither", held, err)
	}
	if _, other, held, err := second.TryLead(t.Context(), "something else"); err != nil || !held {
		t.Fatalf("another lead: got held %v, %v; want it", held, err)
	} else {
		other()
	}
	select {
	case <-lost:
		t.Fatal("the first lost its lead for nothing")
	default:
	}
	const locks = `FROM pg_locks WHERE locktype = 'advisory' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	eventually(t, "the other lead's session has ended", func() bool { return count(t, dsn, "SELECT count(pid) "+locks) == 1 })
	// The session dies: the leader hears of it, and the second can lead.
	if got := count(t, dsn, "SELECT count(pg_terminate_backend(pid)) "+locks); got != 1 {
		t.Fatalf("killed %d leaders, want 1", got)
	}
	select {
	case <-lost:
	case <-time.After(30 * time.Second):
		t.Fatal("the first never heard that its session died")
	}
	release() // of a lost lead: nothing to give back
	_, release, held, err = second.TryLead(t.Context(), "pager")
	if err != nil || !held {
		t.Fatalf("second after the first: got held %v, %v; want the lead", held, err)
	}
	release()
	eventually(t, "a lead that was given back is free", func() bool {
		_, release, held, err := first.TryLead(t.Context(), "pager")
		if err == nil && held {
			release()
		}
		return err == nil && held
	})
}

// TestLeadIsFreeAtOnce: a lead that was given back is free, not only when the server has
// noticed that its session ended.
func TestLeadIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for range 50 {
		_, release, held, err := db.TryLead(t.Context(), "pager")
		if err != nil || !held {
			t.Fatalf("got held %v, %v; want the lead that was given back", held, err)
		}
		release()
	}
}

func TestLastLead(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, who := range []string{"", "west", "east", "east"} {
		if who != "" {
			if err := db.NoteLead(t.Context(), "pager", who, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		got, up, err := db.LastLead(t.Context(), "pager")
		if err != nil || got != who {
			t.Errorf("got %q, %v; want %q", got, err, who)
		}
		if up.IsZero() || up.Location() != time.UTC || time.Since(up) < 0 {
			t.Errorf("up since %s, want an instant in the past, in UTC", up)
		}
	}
}

func TestLeadWithoutDatabase(t *testing.T) {
	t.Parallel()
	db, err := postgres.Connect(t.Context(), "postgres://nobody@127.0.0.1:1/none", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, held, err := db.TryLead(t.Context(), "pager"); !errors.Is(err, postgres.ErrUnreachable) || held {
		t.Errorf("got held %v, %v; want ErrUnreachable: nobody could be asked", held, err)
	}
}
