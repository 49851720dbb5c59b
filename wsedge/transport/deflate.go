package transport

import (
	"fmt"
	"runtime"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// DeflateConfig is about permessage-deflate (RFC 7692), the compression of
// WebSocket messages. The zero value leaves it off, which is what most should
// do: it costs time for each message and helps only where messages are long.
type DeflateConfig struct {
	// Enabled agrees to it with the clients that offer it, always without
	// context takeover in either direction: a context would cost each session
	// about a megabyte.
	Enabled bool
	// Threshold is the shortest message, in bytes, that is sent compressed.
	// What comes from a client may be compressed whatever its length. 0 means
	// 1024.
	Threshold int
	// Level is how hard to try, from 1 (fast) to 9 (small). 0 means 6.
	Level int
}

// Defaults of DeflateConfig.
const (
	defaultDeflateThreshold = 1024
	defaultDeflateLevel     = 6
)

func (c *DeflateConfig) setDefaults() error {
	c.Threshold = orDefault(c.Threshold, defaultDeflateThreshold)
	c.Level = orDefault(c.Level, defaultDeflateLevel)
	if c.Threshold < 0 {
		return fmt.Errorf("transport: deflate threshold %d is negative", c.Threshold)
	}
	if c.Level < flate.BestSpeed || c.Level > flate.BestCompression {
		return fmt.Errorf("transport: deflate level %d is not between %d and %d", c.Level, flate.BestSpeed, flate.BestCompression)
	}
	return nil
}

// rsv1 is the Per-Message Compressed bit in the first byte of a frame (RFC 7692,
// section 6).
const rsv1 = 0x40

// deflateTail ends what a compressor flushes. It is not sent (RFC 7692, section
// 7.2.1).
const deflateTail = "\x00\x00\xff\xff"

// deflater compresses messages for all sessions of a server. Every client that
// has agreed on permessage-deflate can read what it writes, so a broadcast is
// compressed once. It may be used from any goroutine.
type deflater struct {
	// Fixed at construction.
	threshold int
	level     int
	// free holds the compressors that nobody uses, nil for one that does not
	// exist yet. Each is up to 1.2 MB, so there are as many as can work at the
	// same time and no more; who finds none waits for one to be done with one
	// message, which is microseconds.
	free chan *compressor
}

// compressor compresses one message at a time.
type compressor struct {
	z   *flate.Writer
	out []byte
}

func newDeflater(c DeflateConfig) *deflater {
	n := runtime.GOMAXPROCS(0)
	d := &deflater{threshold: c.Threshold, level: c.Level, free: make(chan *compressor, n)}
	for range n {
		d.free <- nil
	}
	return d
}

// worthwhile reports whether a message of n bytes is long enough to be sent
// compressed. It is false for a nil deflater.
func (d *deflater) worthwhile(n int) bool { return d != nil && n >= d.threshold }

// appendFrame appends one final, unmasked frame of op, ws.OpText or ws.OpBinary,
// that carries payload compressed, or as it is if that is shorter. dst grows by
// what the frame takes and no more.
func (d *deflater) appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	c := <-d.free
	defer func() { d.release(c) }() // also after a panic, or all would wait for it one day
	c = d.compress(c, payload)
	if len(c.out) >= len(payload) {
		return appendFrame(dst, op, payload)
	}
	at := len(dst)
	dst = appendFrame(dst, op, c.out)
	dst[at] |= rsv1
	return dst
}

// compress leaves the compressed form of payload in c.out. It makes c if that is
// nil.
func (d *deflater) compress(c *compressor, payload []byte) *compressor {
	if c == nil {
		c = &compressor{}
		c.z, _ = flate.NewWriter(c, d.level) // fails for a level that setDefaults refuses
	}
	c.out = c.out[:0]
	c.z.Reset(c)
	_, _ = c.z.Write(payload) // fails when c.Write does: never
	_ = c.z.Flush()
	c.out = c.out[:len(c.out)-len(deflateTail)]
	return c
}

// Write implements io.Writer for z.
func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// release gives c back, or the right to make one.
func (d *deflater) release(c *compressor) {
	if c != nil && cap(c.out) > maxPooledBuffer {
		c.out = nil
	}
	d.free <- c
}
