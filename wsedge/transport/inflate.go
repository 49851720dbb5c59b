package transport

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflateTail is what the sender has cut off the end of each message (RFC 7692,
// section 7.2.2), and behind it an empty final block, which makes the
// decompressor say that it is done instead of asking for more.
const inflateTail = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff"

const (
	// window is how far back a block may refer: 15 window bits, the most there
	// are, so that whatever a client chose fits.
	window = 32 << 10
	// maxFinalBlocks bounds the blocks of one message that say they are the
	// last (section 7.2.3.4 allows them). Each makes the decompressor begin
	// anew, for two bytes sent; no client is known to write more than one.
	maxFinalBlocks = 16
	// maxPooledBuffer bounds what a pooled inflater or a compressor keeps for
	// the next message.
	maxPooledBuffer = 64 << 10
)

// inflater inflates one message at a time. It is about 40 KB, so none belongs to
// a session: they are pooled, and the garbage collector takes those that nobody
// needs. No message refers to the one before it, as client_no_context_takeover
// is always agreed on.
type inflater struct {
	z   io.Reader // also a flate.Resetter
	in  bytes.Reader
	raw []byte // the compressed message with inflateTail
	out []byte
}

var inflaters = sync.Pool{New: func() any { return &inflater{z: flate.NewReader(nil)} }}

// inflate returns the message of which payload is the compressed form. It is
// valid until recycle, and at most limit bytes long: errTooBig comes as soon as
// one byte more is there, so that a few bytes cannot become gigabytes.
// errDeflate says that payload is no deflate data, or breaks off. A payload of
// no bytes is an empty message, as it is for zlib, though it should be one zero
// byte.
func (x *inflater) inflate(payload []byte, limit int) ([]byte, error) {
	x.out = x.out[:0]
	if len(payload) == 0 {
		return x.out, nil
	}
	x.raw = append(append(x.raw[:0], payload...), inflateTail...)
	x.in.Reset(x.raw)
	for range maxFinalBlocks {
		if err := x.blocks(limit); err != nil {
			return nil, err
		}
		switch x.in.Len() {
		case 0, len(inflateTail): // the second: the client's last block said that it is the last
			return x.out, nil
		}
	}
	return nil, errDeflate
}

// blocks inflates up to the end of a final block.
func (x *inflater) blocks(limit int) error {
	history := x.out[max(0, len(x.out)-window):]
	if err := x.z.(flate.Resetter).Reset(&x.in, history); err != nil {
		return errDeflate
	}
	for {
		if len(x.out) == cap(x.out) {
			x.out = slices.Grow(x.out, max(firstRoom, len(x.out)))
		}
		n, err := x.z.Read(x.out[len(x.out):min(cap(x.out), limit+1)])
		x.out = x.out[:len(x.out)+n]
		switch {
		case len(x.out) > limit:
			return errTooBig
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errDeflate
		}
	}
}

// recycle gives x back. What inflate returned must not be used afterwards.
func (x *inflater) recycle() {
	if cap(x.raw) > maxPooledBuffer {
		x.raw = nil
	}
	if cap(x.out) > maxPooledBuffer {
		x.out = nil
	}
	x.in.Reset(nil)
	inflaters.Put(x)
}
