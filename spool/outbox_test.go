package spool_test

import (
	"path/filepath"
	"testing"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
	"keepwatch/spool"
)

func openOutbox(t *testing.T, path string) *spool.Outbox {
	t.Helper()
	o, err := spool.OpenOutbox(spool.OutboxOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func TestOutboxConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) alerting.Store {
		return openOutbox(t, filepath.Join(t.TempDir(), "outbox.db"))
	})
}
