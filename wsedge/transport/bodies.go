package transport

import (
	"errors"
	"io"
	"sync/atomic"
)

// errBodies refuses a request body because those that are being received take
// Config.MaxBodies already.
var errBodies = errors.New("transport: too many bytes of request bodies are being received")

// bodies counts the bytes of all request bodies that are being received.
type bodies struct{ received atomic.Int64 }

// meter returns a reader of one body that fails with errBodies when there would
// be more than most bytes in all. Its bytes count until release is called.
func (b *bodies) meter(r io.Reader, most int64) *meteredBody {
	return &meteredBody{r: r, all: b, most: most}
}

type meteredBody struct {
	r    io.Reader
	all  *bodies
	most int64
	own  int64
}

// Read implements io.Reader.
func (m *meteredBody) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.own += int64(n)
	if m.all.received.Add(int64(n)) > m.most {
		return n, errBodies
	}
	return n, err
}

func (m *meteredBody) release() {
	m.all.received.Add(-m.own)
	m.own = 0
}
