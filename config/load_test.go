package config

import (
	"path/filepath"
	"testing"

	"keepwatch/probe"
)

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	f, err := Load(Options{Path: filepath.Join("..", "keepwatch.example.yaml"), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range f.Warnings {
		t.Log(w)
	}
	checks, err := f.ProbeChecks(probe.Env{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		t.Log(c.Name, c.Every, c.Timeout, c.Quorum, c.Locations, c.Spec)
	}
}
