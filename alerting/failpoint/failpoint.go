// Package failpoint kills this process at a chosen point, for the fault suite.
//
// Without the build tag failpoints it is nothing: Hit is empty, the compiler drops
// the calls, and not even the names are in the binary (a test of cmd/keepwatch looks).
// With it, KW_FAILPOINT=after_claim:kill ends the process by SIGKILL when it comes by
// there; after_claim/resolve:kill only when a resolve is on its way; after_claim:stop
// freezes it (SIGSTOP) once, until somebody sends SIGCONT.
package failpoint

// The points, in the order in which a page passes them.
const (
	BeforeCommit = "before_commit" // the change is written, its transaction is not committed
	AfterCommit  = "after_commit"  // it is committed, and nobody knows yet
	AfterClaim   = "after_claim"   // the page is leased, and not sent
	AfterWrite   = "after_write"   // the request is written, and not answered
	AfterReply   = "after_reply"   // PagerDuty said 202, and nothing is stored
	DuringMark   = "during_mark"   // the outcome is written, its transaction is not committed
)
