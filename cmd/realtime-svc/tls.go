package main

import (
	"crypto/tls"
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

// certificates hands out the certificate that a pair of PEM files holds, and takes a new one from them without a restart
// as soon as a handshake comes more than lookEvery after the change. Files that do not belong together, as happens while
// the second of them is being written, or cannot be read, leave the last good certificate in use and are tried again.
// All methods may be called from any goroutine.
type certificates struct {
	// Fixed at construction.
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]

	mu       sync.Mutex // guards the following; held while the files are read
	looked   time.Time
	stamps   [2]stamp  // of current
	rejected *[2]stamp // of the files that the log has told about; nil: none
}

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

func same(a, b [2]stamp) bool { return a[0].same(b[0]) && a[1].same(b[1]) }

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size(), info}
}

// newCertificates reads the files: the certificate, followed by what leads to its root, and its private key. It fails if
// they cannot be used.
func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
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

// get implements tls.Config.GetCertificate. It never fails.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.mu.TryLock() { // else somebody looks already
		c.look()
		c.mu.Unlock()
	}
	return c.current.Load(), nil
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
		c.log.Info("TLS certificate replaced", "file", c.certFile, "expires", c.current.Load().Leaf.NotAfter)
	} else if c.rejected == nil || !same(stamps, *c.rejected) {
		c.rejected = &stamps
		c.log.Error("TLS certificate not replaced; the last good one stays in use", "error", err)
	}
}

// stampFiles looks at both files. It is done before they are read: what is written meanwhile is found the next time.
func (c *certificates) stampFiles() [2]stamp {
	return [2]stamp{stampOf(c.certFile), stampOf(c.keyFile)}
}

// load reads the files. mu must be held, except at construction.
func (c *certificates) load(stamps [2]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	c.stamps, c.rejected = stamps, nil
	return nil
}
