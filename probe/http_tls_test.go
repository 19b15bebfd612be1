package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a certificate authority of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// certName is the name on every certificate of the tests.
const certName = "photos.test"

// issue makes a certificate that is valid until notAfter.
func (a *authority) issue(t *testing.T, notAfter time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: certName}, DNSNames: []string{certName},
		NotBefore: time.Now().AddDate(0, 0, -30), NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve starts an https server with a certificate and returns its address.
func serve(t *testing.T, cert tls.Certificate, maxVersion uint16) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: maxVersion}
	srv.Config.ErrorLog = discardLog()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	in := func(days int) time.Time {
		return time.Now().Add(time.Duration(days)*24*time.Hour + time.Hour).Truncate(time.Second)
	}
	long, short, over := serve(t, ca.issue(t, in(90)), 0), serve(t, ca.issue(t, in(9)), 0), serve(t, ca.issue(t, in(-2)), 0)
	old := serve(t, ca.issue(t, in(90)), tls.VersionTLS12)
	trust := TLSClient{CAFile: ca.file, ServerName: certName}
	tests := []struct {
		name  string
		kind  Kind
		class Class
		says  string
		end   time.Time
	}{
		{"https", &HTTP{URL: "https://" + long, TLS: trust, Expect: HTTPExpect{TLSDaysLeft: 90}}, "", "", in(90)},
		{"https, ends soon", &HTTP{URL: "https://" + short, TLS: trust, Expect: HTTPExpect{TLSDaysLeft: 14}}, ClassTLS, in(9).UTC().Format(time.RFC3339), in(9)},
		{"https, ends soon, nobody asked", &HTTP{URL: "https://" + short, TLS: trust}, "", "", in(9)},
		{"https, over", &HTTP{URL: "https://" + over, TLS: trust}, ClassTLS, "is valid from", time.Time{}},
		{"https, unknown authority", &HTTP{URL: "https://" + long, TLS: TLSClient{ServerName: certName}}, ClassTLS, "unknown authority", time.Time{}},
		{"https, other name", &HTTP{URL: "https://" + long, TLS: TLSClient{CAFile: ca.file, ServerName: "other.test"}}, ClassTLS, "does not fit", time.Time{}},
		{"https, not verified", &HTTP{URL: "https://" + over, TLS: TLSClient{SkipVerify: true}}, "", "", in(-2)},
		{"tls", &TLS{Address: long, ServerName: certName, CAFile: ca.file, DaysLeft: 90}, "", "", in(90)},
		{"tls, two weeks by default", &TLS{Address: short, ServerName: certName, CAFile: ca.file}, ClassTLS, "less than 14 days", in(9)},
		{"tls, over", &TLS{Address: over, ServerName: certName, CAFile: ca.file}, ClassTLS, "is valid from", time.Time{}},
		{"tls, other name", &TLS{Address: long, ServerName: "other.test", CAFile: ca.file}, ClassTLS, "does not fit", time.Time{}},
		{"tls, name of the address", &TLS{Address: long, CAFile: ca.file}, ClassTLS, "", time.Time{}},
		{"tls, version as wished", &TLS{Address: old, ServerName: certName, CAFile: ca.file}, "", "", in(90)},
		{"tls, old version", &TLS{Address: old, ServerName: certName, CAFile: ca.file, MinVersion: tls.VersionTLS13}, ClassTLS, "version", time.Time{}},
		{"tls, slow", &TLS{Address: long, ServerName: certName, CAFile: ca.file, LatencyUnder: 1}, ClassLatency, "took 1ns or more", in(90)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			look := lookAt(t, tc.kind)
			wantLook(t, look, tc.class, tc.says)
			if diff := look.CertNotAfter.Sub(tc.end); diff.Abs() > 10*time.Second {
				t.Errorf("end of the chain: got %v, want %v", look.CertNotAfter, tc.end)
			}
			if look.Phases.TLS <= 0 || look.Phases.Connect <= 0 {
				t.Errorf("phases: got %+v, want a handshake", look.Phases)
			}
		})
	}
}

func TestCAFileMistakes(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".gone"} {
		if _, err := (&TLS{Address: "x:1", CAFile: file}).Checker(Env{}); err == nil {
			t.Errorf("ca_file %s: got no error", filepath.Base(file))
		}
		if _, err := (&HTTP{URL: "https://x", TLS: TLSClient{CAFile: file}}).Checker(Env{}); err == nil {
			t.Errorf("tls.ca_file %s: got no error", filepath.Base(file))
		}
	}
}
