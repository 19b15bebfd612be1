package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// The phases of a look, as [Fault] names them.
const (
	phaseDNS       = "dns"
	phaseConnect   = "connect"
	phaseTLS       = "tls"
	phaseFirstByte = "first_byte"
	phaseTransfer  = "transfer"
	phaseExpect    = "expect"
)

const (
	maxMessage  = 500     // bytes of a fault's message
	maxEvidence = 2 << 10 // bytes of an answer kept as evidence
	maxQuoted   = 80      // bytes of a foreign value quoted in a message
)

// unmet is the fault of an expectation that an answer does not meet.
func unmet(class Class, format string, args ...any) Fault {
	return Fault{Class: class, Phase: phaseExpect, Message: clip(fmt.Sprintf(format, args...), maxMessage)}
}

// clip cuts s to at most limit bytes of valid UTF-8 without control signs.
func clip(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// quoted is a foreign value as messages show it.
func quoted(s string) string { return `"` + clip(s, maxQuoted) + `"` }

// evidence copies the start of an answer, without the secrets that were sent to
// get it: a page that echoes its request must not carry a token into a page.
func evidence(body []byte, secrets ...Secret) []byte {
	if len(body) == 0 {
		return nil
	}
	longest := 0
	for _, s := range secrets {
		longest = max(longest, len(s))
	}
	// A secret may straddle the cut: look a little further than what is kept.
	kept := bytes.Clone(body[:min(len(body), maxEvidence+longest)])
	for _, s := range secrets {
		if len(s) >= 4 { // a shorter one would black out plain words and hides nothing
			kept = bytes.ReplaceAll(kept, []byte(s.Reveal()), []byte("REDACTED"))
		}
	}
	return kept[:min(len(kept), maxEvidence)]
}

// netFault turns an error of the network into a fault. The messages hold nothing
// that changes from look to look (local ports, times), so that equal failures
// have equal messages. blind means that this machine lacks something: that is
// not the other side's fault.
func netFault(ctx context.Context, err error, phase string) (fault Fault, blind bool) {
	fault = Fault{Phase: phase, Class: phaseClass(phase)}
	var (
		dnsErr *net.DNSError
		netErr net.Error
	)
	switch {
	case exhausted(err):
		fault.Class = ClassBroken
		fault.Message = "this machine has no more files, ports or memory to connect with: raise its limits"
		return fault, true
	case errors.Is(err, errUnreachable):
		fault.Class, fault.Phase = ClassConnect, phaseConnect
		fault.Message = errUnreachable.Error()
	case isTLS(err):
		fault.Class, fault.Phase = ClassTLS, phaseTLS
		fault.Message = tlsMessage(err)
	case errors.As(err, &dnsErr) && (!dnsErr.IsTimeout || ctx.Err() == nil):
		fault.Class, fault.Phase = ClassDNS, phaseDNS
		fault.Message = dnsMessage(dnsErr)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		fault.Class = ClassTimeout
		fault.Message = "no answer in time: still " + waitingFor(phase)
	case errors.Is(err, context.Canceled):
		fault.Class = ClassTimeout
		fault.Message = "the look was called off while " + waitingFor(phase)
	default:
		fault.Message = plainMessage(err, phase)
	}
	fault.Message = clip(fault.Message, maxMessage)
	return fault, false
}

// phaseClass is the class of a failure that says nothing more than where it was.
func phaseClass(phase string) Class {
	switch phase {
	case phaseDNS:
		return ClassDNS
	case phaseTLS:
		return ClassTLS
	case phaseTransfer:
		return ClassBody
	}
	return ClassConnect
}

// waitingFor says in words what a phase waits for.
func waitingFor(phase string) string {
	switch phase {
	case phaseDNS:
		return "resolving the name"
	case phaseConnect:
		return "connecting"
	case phaseTLS:
		return "shaking hands for TLS"
	case phaseTransfer:
		return "reading the answer"
	}
	return "waiting for the first byte"
}

// exhausted reports whether this machine, not the other side, is the one that
// cannot go on.
func exhausted(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL,
	}, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

func dnsMessage(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return fmt.Sprintf("the name %s does not resolve", quoted(err.Name))
	case err.IsTimeout:
		return fmt.Sprintf("the name %s was not resolved in time", quoted(err.Name))
	}
	return fmt.Sprintf("the name %s was not resolved: the name server failed", quoted(err.Name))
}

// plainMessage words the errors that people know.
func plainMessage(err error, phase string) string {
	var opErr *net.OpError
	where := ""
	if errors.As(err, &opErr) && opErr.Op == "dial" && opErr.Addr != nil {
		where = " by " + opErr.Addr.String()
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused" + where
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset while " + waitingFor(phase)
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to the host"
	case errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to the network"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed while " + waitingFor(phase)
	case opErr != nil && opErr.Err != nil:
		return opErr.Err.Error()
	}
	return err.Error()
}

// isTLS reports whether an error comes from the handshake or the certificates.
func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
	)
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert)
}

// tlsMessage words the errors of certificates without the present time in them.
func tlsMessage(err error) string {
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("the certificate of %s is valid from %s to %s only", quoted(invalid.Cert.Subject.CommonName),
			invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &host):
		return "the certificate does not fit: " + host.Error()
	case errors.As(err, &unknown):
		return "the certificate is signed by an unknown authority"
	case errors.As(err, &record):
		return "the other side does not speak TLS"
	}
	return "the handshake failed: " + plainMessage(err, phaseTLS)
}

// slow is the fault of a right answer that took too long; a zero limit is never
// passed. The time taken is in the look, not in the message: see [netFault].
func slow(took, limit time.Duration) Fault {
	if limit == 0 || took < limit {
		return Fault{}
	}
	return unmet(ClassLatency, "the answer was right but took %s or more", limit)
}
