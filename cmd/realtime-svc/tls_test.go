package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// pemPair makes a self-signed certificate with the serial number, and its key.
func pemPair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// certFixture is certificates on files of its own, under a clock that the test moves.
type certFixture struct {
	t         *testing.T
	cert, key string
	log       bytes.Buffer
	clock     time.Time
	*certificates
}

func newCertFixture(t *testing.T) *certFixture {
	t.Helper()
	dir := t.TempDir()
	f := &certFixture{t: t, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), clock: time.Unix(1e9, 0)}
	cert, key := pemPair(t, 1)
	f.write(cert, key)
	c, err := newCertificates(certificateFiles{cert: f.cert, key: f.key}, slog.New(slog.NewTextHandler(&f.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c.now, c.looked = func() time.Time { return f.clock }, f.clock
	f.certificates = c
	return f
}

// write replaces the files that are given, as a rename does: whole, and each with an age of its own.
func (f *certFixture) write(cert, key []byte) {
	f.t.Helper()
	for path, content := range map[string][]byte{f.cert: cert, f.key: key} {
		if content == nil {
			continue
		}
		if err := os.WriteFile(path+".new", content, 0o600); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			f.t.Fatal(err)
		}
	}
}

// serial is the serial number of the certificate that a handshake gets.
func (f *certFixture) serial() int64 {
	f.t.Helper()
	c, err := f.get(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return c.Leaf.SerialNumber.Int64()
}

// A certificate that is replaced is served from the next look on, which comes once a second at the most.
func TestCertificatesAreReplaced(t *testing.T) {
	f := newCertFixture(t)
	if got := f.serial(); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	f.write(pemPair(t, 2))
	f.clock = f.clock.Add(lookEvery - 1)
	if got := f.serial(); got != 1 {
		t.Errorf("certificate %d before a second has passed", got)
	}
	f.clock = f.clock.Add(1)
	if got := f.serial(); got != 2 {
		t.Errorf("certificate %d", got)
	}
	if !strings.Contains(f.log.String(), "replaced") {
		t.Errorf("log: %s", &f.log)
	}
	f.log.Reset()
	f.clock = f.clock.Add(time.Hour)
	if got := f.serial(); got != 2 || f.log.Len() > 0 {
		t.Errorf("certificate %d, log: %s", got, &f.log)
	}
}

// Files that cannot be used leave the last good certificate in use; the log tells once, and they are tried again.
func TestCertificatesThatCannotBeUsed(t *testing.T) {
	for name, spoil := range map[string]func(f *certFixture, cert, key []byte){
		"only the certificate so far": func(f *certFixture, cert, _ []byte) { f.write(cert, nil) },
		"only the key so far":         func(f *certFixture, _, key []byte) { f.write(nil, key) },
		"not PEM":                     func(f *certFixture, _, _ []byte) { f.write([]byte("hello"), nil) },
		"half of it":                  func(f *certFixture, cert, key []byte) { f.write(cert[:len(cert)/2], key) },
		"gone":                        func(f *certFixture, _, _ []byte) { _ = os.Remove(f.cert); _ = os.Remove(f.key) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newCertFixture(t)
			cert, key := pemPair(t, 2)
			spoil(f, cert, key)
			for range 3 {
				f.clock = f.clock.Add(lookEvery)
				if got := f.serial(); got != 1 {
					t.Errorf("certificate %d", got)
				}
			}
			if n := strings.Count(f.log.String(), "not replaced"); n != 1 {
				t.Errorf("told %d times: %s", n, &f.log)
			}
			if strings.Contains(f.log.String(), "PRIVATE") {
				t.Error("the log shows the key")
			}
			f.write(cert, key)
			f.clock = f.clock.Add(lookEvery)
			if got := f.serial(); got != 2 {
				t.Errorf("certificate %d after all", got)
			}
		})
	}
}

// A name that is moved to another file of the same age and size is noticed, as Kubernetes replaces its secrets.
func TestCertificatesBehindLinks(t *testing.T) {
	f := newCertFixture(t)
	dir := filepath.Dir(f.cert)
	same := time.Unix(1e9, 0)
	for _, version := range []string{"one", "two"} {
		cert, key := pemPair(t, int64(len(version)))
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
			path := filepath.Join(dir, version, name)
			if err := os.WriteFile(path, append(content, bytes.Repeat([]byte("\n"), 2000-len(content))...), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, same, same); err != nil {
				t.Fatal(err)
			}
		}
	}
	point := func(version string) {
		for _, path := range []string{f.cert, f.key} {
			_ = os.Remove(path)
			if err := os.Symlink(filepath.Join(dir, version, filepath.Base(path)), path); err != nil {
				t.Fatal(err)
			}
		}
		f.clock = f.clock.Add(lookEvery)
	}
	point("one")
	first, _ := f.get(nil)
	point("two")
	second, _ := f.get(nil)
	if bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("the first one is still served")
	}
}

// What cannot be used at the start is an error that names the files.
func TestCertificatesAtTheStart(t *testing.T) {
	f := newCertFixture(t)
	other, _ := pemPair(t, 2)
	f.write(other, nil)
	for _, files := range [][2]string{{f.cert, f.key}, {f.cert + "x", f.key}, {f.cert, ""}} {
		_, err := newCertificates(certificateFiles{cert: files[0], key: files[1]}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), files[0]) || !strings.Contains(err.Error(), files[1]) {
			t.Errorf("%v: %v", files, err)
		}
	}
}

// Handshakes over a connection get the certificate of the moment, many at a time.
func TestCertificatesOverTLS(t *testing.T) {
	f := newCertFixture(t)
	config := f.config()
	handshake := func() int64 {
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		go func() { _ = tls.Server(server, config).Handshake() }()
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Error(err)
			return 0
		}
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := handshake(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	f.write(pemPair(t, 2))
	f.clock = f.clock.Add(lookEvery)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got := handshake(); got != 1 && got != 2 {
				t.Errorf("certificate %d", got)
			}
		})
	}
	all.Wait()
	if got := handshake(); got != 2 {
		t.Errorf("certificate %d", got)
	}
}
