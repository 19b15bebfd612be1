package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepwatch/config"
)

// TestManualIsFresh fails when a comment was changed and make generate was not run.
func TestManualIsFresh(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	got, err := manual(root, config.Keys())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(root, "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/config.md is old, run make generate (-file +comments):\n%s", diff)
	}
}

func TestKeyWithoutCommentIsRefused(t *testing.T) {
	t.Parallel()
	key := config.Key{Path: "x", Type: "text", Package: "keepwatch/config", Struct: "File", Field: "NoSuchField"}
	if _, err := manual(filepath.Join("..", ".."), []config.Key{key}); err == nil || !strings.Contains(err.Error(), "File.NoSuchField has no comment") {
		t.Errorf("got %v, want a complaint about the comment", err)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want meaning
	}{
		{"address to ask. Default: 127.0.0.1:9090.", meaning{"Address to ask.", "127.0.0.1:9090", ""}},
		{"request method. Default GET. Example: HEAD", meaning{"Request method.", "GET", "HEAD"}},
		{"zone, for hours; default UTC.", meaning{"Zone, for hours.", "UTC", ""}},
		{"token. Default: none; paging works without it. Example: \"${T}\".", meaning{"Token. Paging works without it.", "none", "\"${T}\""}},
		{"a size. Range: 16MiB or more.", meaning{"A size. Range: 16MiB or more.", "", ""}},
		{"", meaning{}},
	}
	for _, test := range tests {
		if got := split(test.text); got != test.want {
			t.Errorf("split(%q) = %+v, want %+v", test.text, got, test.want)
		}
	}
}
