package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often the files of a certificate are looked at, at the most: a handshake more often than that takes
// what is there.
const lookEvery = time.Second

// certificates hands out the certificate that a pair of PEM files holds, and who may sign those of clients, and takes new ones
// from the files without a restart as soon as a handshake comes more than lookEvery after the change. Files that do not belong
// together, as happens while the second of them is being written, or cannot be read, leave the last good ones in use and are
// tried again. All methods may be called from any goroutine.
type certificates struct {
	// Fixed at construction.
	files certificateFiles
	log   *slog.Logger
	now   func() time.Time

	current atomic.Pointer[material]

	mu       sync.Mutex // guards the following; held while the files are read
	looked   time.Time
	stamps   stamps  // of current
	rejected *stamps // of the files that the log has told about; nil: none
}

// certificateFiles are PEM files: a certificate, followed by what leads to its root, its private key, and who may sign the
// certificates of clients, which are not asked for without it ("").
type certificateFiles struct{ cert, key, clientCA string }

// material is what the files hold.
type material struct {
	certificate tls.Certificate
	clientCA    *x509.CertPool // nil: clients need no certificate
}

// stamps are those of certificateFiles, in that order.
type stamps [3]stamp

// stamp tells two versions of a file apart. The zero value is a file that is not there.
type stamp struct {
	modified time.Time
	size     int64
	info     os.FileInfo
}

// same compares also which file it is: a name may be moved to another one of the same age and size.
func (s stamp) same(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == nil && other.info == nil
	}
	return s.modified.Equal(other.modified) && s.size == other.size && os.SameFile(s.info, other.info)
}

func same(a, b stamps) bool {
	for i := range a {
		if !a[i].same(b[i]) {
			return false
		}
	}
	return true
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size(), info}
}

// newCertificates reads the files. It fails if they cannot be used.
func newCertificates(files certificateFiles, log *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, log: log, now: time.Now}
	c.looked = c.now()
	stamps := c.stampFiles()
	if err := c.load(stamps); err != nil {
		return nil, err
	}
	return c, nil
}

// config returns a new tls.Config that serves the certificate as it is at each handshake. It is for TCP and for QUIC.
func (c *certificates) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// http returns a new tls.Config for browsers: HTTP/2 where they want it.
func (c *certificates) http() *tls.Config {
	config := c.config()
	config.NextProtos = []string{"h2", "http/1.1"}
	return config
}

// edgeCertificates reads those of --listen; nil if it takes no TLS.
func (c *Config) edgeCertificates(logger *slog.Logger) (*certificates, error) {
	if c.TLSCert == "" {
		return nil, nil //nolint:nilnil // nothing needs any
	}
	found, err := newCertificates(certificateFiles{cert: c.TLSCert, key: c.TLSKey}, logger)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	return found, nil
}

// checkEnd covers how the process ends, and what it shares with the one that follows.
func (c *Config) checkEnd(wrong func(name, format string, args ...any)) {
	if c.SharePorts && c.webTransport() {
		wrong("share-ports", "two processes cannot share the UDP address of WebTransport")
	}
	if c.DrainDelay > 0 && c.DrainDelay >= c.GracePeriod {
		wrong("drain-delay", "is part of --grace-period, %s, and must leave some of it", c.GracePeriod)
	}
}

// checkTLS covers what TLS on --listen needs.
func (c *Config) checkTLS(wrong func(name, format string, args ...any)) {
	switch {
	case c.TLSCert == "" && c.TLSKey != "":
		wrong("tls-key", "needs --tls-cert")
	case c.TLSCert != "" && c.TLSKey == "":
		wrong("tls-cert", "needs --tls-key")
	}
}

// callers returns a new tls.Config for services, for these protocols: with client certificates, if there is a file of who signs them. A session is not
// resumed: that would pass over a change of the file, and services connect seldom.
func (c *certificates) callers(protocols ...string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, SessionTicketsDisabled: true}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := c.latest()
		one := config.Clone()
		one.GetConfigForClient = nil
		one.Certificates = []tls.Certificate{now.certificate}
		if now.clientCA != nil {
			one.ClientAuth, one.ClientCAs = tls.RequireAndVerifyClientCert, now.clientCA
		}
		return one, nil
	}
	return config
}

// get implements tls.Config.GetCertificate. It never fails.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &c.latest().certificate, nil
}

// latest looks whether there is something new and returns it.
func (c *certificates) latest() *material {
	if c.mu.TryLock() { // else somebody looks already
		c.look()
		c.mu.Unlock()
	}
	return c.current.Load()
}

// look takes a new certificate if there is one. mu must be held.
func (c *certificates) look() {
	now := c.now()
	if now.Sub(c.looked) < lookEvery {
		return
	}
	c.looked = now
	stamps := c.stampFiles()
	if same(stamps, c.stamps) {
		return
	}
	if err := c.load(stamps); err == nil {
		c.log.Info("TLS certificate replaced", "file", c.files.cert, "expires", c.current.Load().certificate.Leaf.NotAfter)
	} else if c.rejected == nil || !same(stamps, *c.rejected) {
		c.rejected = &stamps
		c.log.Error("TLS certificate not replaced; the last good one stays in use", "error", err)
	}
}

// stampFiles looks at the files. It is done before they are read: what is written meanwhile is found the next time.
func (c *certificates) stampFiles() stamps {
	return stamps{stampOf(c.files.cert), stampOf(c.files.key), stampOf(c.files.clientCA)}
}

// load reads the files. mu must be held, except at construction.
func (c *certificates) load(stamps stamps) error {
	pair, err := tls.LoadX509KeyPair(c.files.cert, c.files.key)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.files.cert, c.files.key, err)
	}
	next := &material{certificate: pair}
	if c.files.clientCA != "" {
		if next.clientCA, err = loadPool(c.files.clientCA); err != nil {
			return err
		}
	}
	c.current.Store(next)
	c.stamps, c.rejected = stamps, nil
	return nil
}

// loadPool reads certificates of which there must be at least one, and nothing else: a part of a file that is left out in silence
// would be somebody who cannot connect.
func loadPool(path string) (*x509.CertPool, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for n := 0; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if n == 0 || len(bytes.TrimSpace(rest)) > 0 {
				return nil, fmt.Errorf("%s: not certificates in PEM form, or not only", path)
			}
			return pool, nil
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, n+1, err)
		}
		pool.AddCert(certificate)
	}
}
