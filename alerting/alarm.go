package alerting

import (
	"keepwatch/oncall"
)

// Severity is how bad it is, in PagerDuty's words.
type Severity string

// The severities. The zero value counts as Critical.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Alarm is something other than a check's failure that people must hear of: an
// error budget that burns, a gap in a rotation, a message sent by hand. It becomes
// an incident like any other, with its ladder, timeline and pages.
type Alarm struct {
	// Name tells alarms apart: while one of a name is open, raising it again changes
	// nothing but its summary. Letters, digits, hyphens and dots, at most 100.
	Name string
	// Service is the service that it concerns; "" when none.
	Service string
	// Summary is the sentence that people read.
	Summary string
	// Severity below Error wakes nobody: it goes to the channels that do not ring.
	Severity Severity
	// Policy is whom to page.
	Policy oncall.Policy
}
