package alerting_test

import (
	"testing"

	"keepwatch/alerting"
	"keepwatch/alerting/storetest"
)

func TestBook(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) alerting.Store { return &alerting.Book{} })
}
