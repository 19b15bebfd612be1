package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	superuser = "keepwatch"
	database  = "keepwatch"

	startTries   = 3
	orphanTime   = 30 * time.Second       // backends of a killed server end within a second; stuck ones never
	orphanPoll   = 250 * time.Millisecond // between two looks whether they have
	startTimeout = 10 * time.Minute       // a recovery after a crash may read much
	readyPoll    = 10 * time.Millisecond  // between two questions whether it is ready
	adoptProof   = 250 * time.Millisecond // a server that is being shut down is gone by then
	fastStop     = 5 * time.Second        // from SIGINT to SIGQUIT
	hardStop     = 2 * time.Second        // from SIGQUIT to SIGKILL

	restartMin = 200 * time.Millisecond
	restartMax = 30 * time.Second
	stableTime = time.Minute // after that a crash begins a new series
)

// Server is a Postgres server of our own: a child process that listens on a
// Unix socket only and ends with this process. Make one with [StartServer],
// then give it a goroutine with [Server.Run].
type Server struct {
	place    serverDir
	log      *slog.Logger
	lock     *os.File
	sockets  string
	adoption context.CancelFunc // ends the watch over an adopted server
	running  *postmaster        // owned by StartServer, then by Run
}

// StartServer starts the server of dir, making its cluster at the first call,
// or adopts one that runs there without an owner. It returns when the server
// answers; a recovery after a crash may take its time, ctx ends the wait.
//
// dir is made when it is missing and belongs to the server's user afterwards.
// When this process is root the server runs as the cluster's owner, or as the
// account postgres or nobody. Errors are one sentence that says what to do:
// [ErrNoBinaries], [ErrOwned], and unnamed ones for a directory that cannot be
// written, a full disk or a cluster of another major version, which is left
// untouched.
func StartServer(ctx context.Context, dir string, log *slog.Logger) (*Server, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", dir, err)
	}
	s := &Server{place: serverDir{dir: abs}, log: log, adoption: func() {}}
	if s.lock, err = s.place.claim(); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Server) begin(ctx context.Context) error {
	if err := s.place.prepare(ctx, s.log); err != nil {
		return err
	}
	if err := s.startAnew(ctx); err != nil {
		return err
	}
	if err := s.ensureDatabase(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// DSN is the address of the server's database, as key=value words. It holds no
// secret: who may open the socket's directory may connect.
func (s *Server) DSN() string { return socketDSN(s.sockets, database) }

func socketDSN(dir, name string) string {
	return fmt.Sprintf("host=%s port=5432 user=%s dbname=%s sslmode=disable", dir, superuser, name)
}

// Run supervises the server until ctx ends, then shuts it down (a fast
// shutdown: open transactions are rolled back, what was committed stays) and
// returns nil. A server that ends by itself is started again, after longer and
// longer pauses. Close the pool before ctx ends. Call Run once, also to stop a
// server that is not wanted any more (with a ctx that has ended).
func (s *Server) Run(ctx context.Context) error {
	defer s.release()
	pause := restartMin
	since := time.Now()
	for {
		select {
		case <-ctx.Done():
			return s.stop()
		case <-s.running.done:
		}
		if ctx.Err() != nil {
			return s.stop()
		}
		if time.Since(since) > stableTime {
			pause = restartMin
		}
		s.log.Error("database server ended, starting it again", "pause_ms", pause.Milliseconds(), "err", s.running.said.String())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, restartMax)
		since = time.Now()
		if err := s.start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			s.log.Error("database server did not start", "err", err)
			continue // s.running has ended, so the next turn pauses and tries again
		}
		s.log.Info("database server is back", "took_ms", time.Since(since).Milliseconds())
	}
}

var (
	errKilled  = errors.New("the database server was killed while it started")
	errOrphans = errors.New("processes of the previous database server are still alive")
)

// startAnew starts the server, and again when something kills it meanwhile: the kernel for
// want of memory, or a person. What a killed server leaves behind takes a moment to end
// and bars the next one for as long, so that is waited for.
func (s *Server) startAnew(ctx context.Context) error {
	var waiting time.Time // since when; zero: not yet
	for tries := 1; ; {
		err := s.start(ctx)
		switch {
		case errors.Is(err, errKilled) && tries < startTries:
			tries++
			s.log.Warn("database server was killed while it started, starting it again", "err", err)
		case errors.Is(err, errOrphans) && waiting.IsZero():
			waiting = time.Now()
			s.log.Warn("waiting for the processes of the previous database server to end", "at_most_s", orphanTime.Seconds(), "err", err)
		case !errors.Is(err, errOrphans) || time.Since(waiting) > orphanTime:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(orphanPoll/2 + rand.N(orphanPoll/2)):
		}
	}
}

// start adopts or starts the server and waits until it answers. On error
// nothing is left running that was not running before.
func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if found, err := s.tryAdopt(ctx); found || err != nil {
		return err
	}
	if s.sockets == "" {
		var err error
		if s.sockets, err = s.place.socketDir(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.sockets, 0o700); err != nil { // a cleaner of /tmp may have taken it
		return explain(err, s.sockets)
	}
	if err := s.place.give(s.sockets); err != nil {
		return err
	}
	for _, file := range []string{
		filepath.Join(s.place.data(), "postmaster.pid"), filepath.Join(s.sockets, socketName+".lock"),
	} {
		if err := s.place.forgetDead(file); err != nil {
			return err
		}
	}
	cmd := s.place.bin.Command(context.WithoutCancel(ctx), s.place.who, "postgres", s.arguments()...)
	child, err := startChild(cmd, s.log) //nolint:contextcheck // the server outlives this call; Run ends it
	if err != nil {
		return err
	}
	s.running = child
	if err := s.awaitReady(ctx); err != nil {
		err = explainOutput(err, child.said.all(), s.place.dir)
		return errors.Join(err, s.stop())
	}
	return nil
}

// arguments are options that all of Postgres 15 to 18 have; durability is the
// server's default.
func (s *Server) arguments() []string {
	args := []string{"-D", s.place.data()}
	for _, setting := range []string{
		"listen_addresses=", "port=5432", "unix_socket_directories=" + s.sockets, "unix_socket_permissions=0700",
		"max_connections=100", "shared_buffers=128MB", "max_wal_size=512MB", "wal_compression=on",
		"timezone=UTC", "log_timezone=UTC", "log_destination=stderr", "logging_collector=off", "log_line_prefix=",
		"log_parameter_max_length_on_error=0", "cluster_name=keepwatch", "jit=off",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// tryAdopt looks for a server that runs in the directory without an owner (we
// hold the lock). One that is starting or stopping is waited for.
func (s *Server) tryAdopt(ctx context.Context) (bool, error) {
	for {
		file, ok := s.place.readPIDFile()
		if !ok || !runsIn(file.pid, s.place.data()) {
			return false, nil
		}
		if answers(ctx, file.socketDir) && s.lasts(ctx, file) {
			watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
			s.sockets, s.adoption = file.socketDir, cancel
			s.running = adopt(watch, file.pid, s.place.data())
			s.log.Info("adopted a running database server", "pid", file.pid)
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("process %d runs the database in %s and does not answer: end it, then start again", file.pid, s.place.dir)
		case <-time.After(adoptPoll):
		}
	}
}

// lasts asks again after a moment: the death of the former owner has just told
// the server to stop, and it may not have heard.
func (s *Server) lasts(ctx context.Context, file pidFile) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(adoptProof):
	}
	return runsIn(file.pid, s.place.data()) && answers(ctx, file.socketDir)
}

func answers(ctx context.Context, socketDir string) bool {
	return connectOnce(ctx, socketDSN(socketDir, "postgres"), nil) == nil
}

// connectOnce connects and runs fn, when that is not nil.
func connectOnce(ctx context.Context, dsn string, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	if fn != nil {
		err = fn(ctx, conn)
	}
	return errors.Join(err, conn.Close(ctx))
}

// awaitReady waits until the child answers, has ended, or ctx has.
func (s *Server) awaitReady(ctx context.Context) error {
	told := time.Now()
	for {
		err := connectOnce(ctx, socketDSN(s.sockets, "postgres"), nil)
		if err == nil {
			return nil
		}
		if time.Since(told) > connectTimeout {
			told = time.Now()
			s.log.Info("waiting for the database server", "err", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database server does not become ready: %w (it says: %s)", err, s.running.said)
		case <-s.running.done:
			if s.running.killed {
				return fmt.Errorf("%w (it says: %s)", errKilled, s.running.said)
			}
			return fmt.Errorf("the database server does not start (it says: %s)", s.running.said)
		case <-time.After(readyPoll):
		}
	}
}

const sqlDatabaseExists = `SELECT EXISTS (SELECT FROM pg_database d WHERE d.datname = @name)`

const sqlCreateDatabase = `CREATE DATABASE keepwatch TEMPLATE template0`

func (s *Server) ensureDatabase(ctx context.Context) error {
	err := connectOnce(ctx, socketDSN(s.sockets, "postgres"), func(ctx context.Context, conn *pgx.Conn) error {
		var exists bool
		err := conn.QueryRow(ctx, sqlDatabaseExists, pgx.NamedArgs{"name": database}).Scan(&exists)
		if err != nil || exists {
			return err
		}
		_, err = conn.Exec(ctx, sqlCreateDatabase)
		return err
	})
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainOutput(fmt.Errorf("create the database: %w", err), pgErr.Message, s.place.dir)
	}
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

// stop ends the server with rising force and waits until it has ended.
func (s *Server) stop() error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, hardStop}, {syscall.SIGKILL, hardStop}} {
		select {
		case <-s.running.done:
			return nil
		default:
		}
		if err := syscall.Kill(s.running.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the database server: %w", err)
		}
		select {
		case <-s.running.done:
			return nil
		case <-time.After(step.wait):
			s.log.Warn("database server is slow to stop", "signal", step.signal.String())
		}
	}
	return fmt.Errorf("the database server (process %d) does not stop", s.running.pid)
}

// release gives the directory back.
func (s *Server) release() {
	s.adoption()
	if s.sockets != "" && s.sockets != s.place.dir {
		if err := os.RemoveAll(s.sockets); err != nil {
			s.log.Warn("socket directory left behind", "err", err)
		}
	}
	if err := s.lock.Close(); err != nil {
		s.log.Warn("closing the owner lock", "err", err)
	}
}

// Attach returns the address of the server that a daemon runs in dir, for
// commands beside it; running is false when none answers there.
func Attach(dir string) (dsn string, running bool, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false, fmt.Errorf("find %s: %w", dir, err)
	}
	place := serverDir{dir: abs}
	if _, err := os.ReadDir(abs); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", false, fmt.Errorf("the database's directory %s cannot be read: run this command as the user who runs keepwatch: %w", abs, err)
	}
	file, ok := place.readPIDFile()
	if !ok {
		return "", false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(file.socketDir, socketName))
	if err != nil {
		return "", false, nil // nobody answers: that is the answer
	}
	return socketDSN(file.socketDir, database), true, conn.Close()
}
