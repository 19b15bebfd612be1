// Command keepwatch runs a team's image site, watches it and any other site,
// pages the person on call and writes the weekly report.
//
// This package holds the command line: one file a subcommand, its flags and what it
// prints. The wiring of what runs is below, in daemon and simulation.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones must be right on a machine that has none installed

	"keepwatch/config"
)

// version is set by the linker (see the Makefile).
var version = "dev"

func main() {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit status: 0 good, 1 the work
// failed, 2 the command line was wrong.
func execute(args []string, out, errOut io.Writer) int {
	ctx, stop := stopOnSignal(errOut)
	defer stop()
	root := newRoot(&cli{out: out, errOut: errOut})
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var problems config.Problems
	var quiet quietError
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(errOut, problems.Error())
	case errors.As(err, &quiet):
	default:
		fmt.Fprintln(errOut, "keepwatch:", err)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// stopOnSignal ends the context at the first SIGINT or SIGTERM and the process at the second.
func stopOnSignal(errOut io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with the returned stop
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			fmt.Fprintln(errOut, "keepwatch: stopped at once by a second signal")
			os.Exit(130)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
