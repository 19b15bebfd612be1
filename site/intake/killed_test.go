package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"keepwatch/postgres"
	"keepwatch/postgres/pgtest"
	"keepwatch/site/archive"
	"keepwatch/site/gallery"
	"keepwatch/site/intake"
	"keepwatch/site/originals"
)

const (
	killEnv = "KEEPWATCH_TEST_KILL" // where the child is to be killed
	dsnEnv  = "KEEPWATCH_TEST_KILL_DSN"
	dirEnv  = "KEEPWATCH_TEST_KILL_DIR"
	tagEnv  = "KEEPWATCH_TEST_KILL_TAG"
)

// killed ends the process as kill -9 does.
func killed() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }

type killer struct {
	intake.Store
	before bool
}

func (k killer) Add(ctx context.Context, n gallery.NewPhoto, ask gallery.Asking, decide func([]gallery.TagFacts) error) (int64, error) {
	if k.before {
		killed()
	}
	id, err := k.Store.Add(ctx, n, ask, decide)
	killed()
	return id, err
}

// killingReader kills in the middle of the file.
type killingReader struct{}

func (killingReader) Read([]byte) (int, error) { killed(); return 0, io.EOF }

// TestUploadKilled kills a process with SIGKILL at each step of an upload; what it
// leaves is cleaned at the next start, and what was stored stays.
func TestUploadKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(killEnv) != "" {
		uploadAndDie(t)
		return
	}
	for step, want := range map[string]struct{ files, photos, recovered int }{
		"in the upload":         {0, 0, 0},
		"before the file":       {0, 0, 0},
		"between file and row":  {1, 0, 1},
		"after the transaction": {1, 1, 0},
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dsn, dir := pgtest.DSN(t), t.TempDir()
			s := siteAt(t, dsn, dir)
			tag := s.grant("lake", gallery.Write).Tag.ID
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUploadKilled$")
			cmd.Env = append(os.Environ(), killEnv+"="+step, dsnEnv+"="+dsn, dirEnv+"="+dir, fmt.Sprintf("%s=%d", tagEnv, tag))
			out, err := cmd.CombinedOutput()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			if kept := s.kept(); len(kept) != want.files {
				t.Errorf("before the next start: kept %v, want %d", kept, want.files)
			}
			if left := files(t, s.spoolDir); len(left) != 0 {
				t.Errorf("left in the directory of uploads: %v", left)
			}
			n, err := archive.Recover(t.Context(), s.Photos, s.files, owner, time.Now().UTC())
			if err != nil {
				t.Fatal(err)
			}
			if want.recovered > 0 && n != want.recovered {
				t.Errorf("recovered %d, want %d", n, want.recovered)
			}
			if kept := s.kept(); len(kept) != want.photos {
				t.Errorf("after the next start: kept %v, want %d", kept, want.photos)
			}
			s.settled(int64(want.photos))
			// The same picture can be sent again.
			b := intake.Batch{Fields: intake.Fields{Tags: []int64{tag}}, Visitor: gallery.NewVisitor([]gallery.Grant{{Tag: gallery.Ref{ID: tag}, Level: gallery.Write}}, time.Now())}
			if report, err := s.receive(b, upload{"a.jpg", intake.JPEGOf(t, 30, 20, 7)}); err != nil {
				t.Errorf("again: %+v, %v", report, err)
			}
			s.settled(1)
		})
	}
}

func uploadAndDie(t *testing.T) {
	t.Helper()
	step, dir := os.Getenv(killEnv), os.Getenv(dirEnv)
	db, err := postgres.Open(t.Context(), os.Getenv(dsnEnv), nil)
	if err != nil {
		t.Fatal(err)
	}
	var tag int64
	if _, err := fmt.Sscan(os.Getenv(tagEnv), &tag); err != nil {
		t.Fatal(err)
	}
	kept, err := originals.NewDir(dir + "/originals")
	if err != nil {
		t.Fatal(err)
	}
	p := intake.Parts{Store: postgres.Photos{DB: db}, Originals: kept, Owner: owner}
	var data io.Reader = bytes.NewReader(intake.JPEGOf(t, 30, 20, 7))
	switch step {
	case "in the upload":
		data = io.MultiReader(data, killingReader{})
	case "before the file":
		p.Originals = dying{}
	case "between file and row":
		p.Store = killer{p.Store, true}
	case "after the transaction":
		p.Store = killer{p.Store, false}
	}
	in, err := intake.New(intake.Config{Dir: dir + "/uploads"}, p)
	if err != nil {
		t.Fatal(err)
	}
	b := intake.Batch{Fields: intake.Fields{Tags: []int64{tag}}, Visitor: gallery.NewVisitor([]gallery.Grant{{Tag: gallery.Ref{ID: tag}, Level: gallery.Write}}, time.Now())}
	_, err = in.Receive(t.Context(), b, func() (intake.Part, error) { return intake.Part{Name: "a.jpg", Data: data}, nil })
	t.Fatalf("it lives: %v", err)
}

type dying struct{ intake.Originals }

func (dying) Put(context.Context, string, io.ReadSeeker) error { killed(); return nil }
