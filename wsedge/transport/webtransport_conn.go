package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// webTransportConn is the one stream of a WebTransport session as a net.Conn. Read and Write may be called from a
// goroutine each, the other methods from any.
//
// It has no CloseWrite on purpose: no client answers the end of the stream with the end of its own, so that whoever
// waited for that would wait in vain while the client does not know that the session is over.
type webTransportConn struct {
	// Fixed at construction.
	quic    *quic.Conn
	session *webTransportSession
	stream  *webtransport.Stream

	reading sync.Mutex   // held while something is read
	writing atomic.Int32 // Writes under way
	closes  atomic.Int32 // calls of Close
}

func newWebTransportConn(q *quic.Conn, session *webTransportSession, stream *webtransport.Stream) *webTransportConn {
	return &webTransportConn{quic: q, session: session, stream: stream}
}

// Read implements net.Conn. The end of the stream, of the session and of the connection are all io.EOF if the client
// made them in order.
func (c *webTransportConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closes.Load() > 0 {
		return 0, net.ErrClosed
	}
	n, err := c.stream.Read(p)
	if err == nil || err == io.EOF { //nolint:errorlint // As io.Reader demands.
		return n, err
	}
	switch {
	case c.closes.Load() > 0:
		err = net.ErrClosed
	case c.orderly(err):
		err = io.EOF
	}
	return n, err
}

// settles is how long a connection takes at the most to notice that it has ended, once its streams have.
const settles = 100 * time.Millisecond

// orderly says whether err is how a client says good-bye.
func (c *webTransportConn) orderly(err error) bool {
	if session, ok := errors.AsType[*webtransport.SessionError](err); ok {
		return session.Remote
	}
	if _, ok := errors.AsType[*http3.Error](err); ok {
		// The session failed, because the connection did as a rule: why is for the connection to say.
		select {
		case <-c.quic.Context().Done():
			err = context.Cause(c.quic.Context())
		case <-time.After(settles):
		}
	}
	app, ok := errors.AsType[*quic.ApplicationError](err)
	return ok && app.Remote && (app.ErrorCode == 0 || app.ErrorCode == quic.ApplicationErrorCode(http3.ErrCodeNoError))
}

// Write implements net.Conn.
func (c *webTransportConn) Write(p []byte) (int, error) {
	c.writing.Add(1)
	defer c.writing.Add(-1)
	if c.closes.Load() > 0 {
		return 0, net.ErrClosed
	}
	return c.stream.Write(p)
}

// Close implements net.Conn: it ends the session when the client has read what was written, or after lingerMillis. A
// client throws away what it has not read when it hears of the session's end, and neither QUIC nor WebTransport tells how
// far it has come. Therefore a heartbeat goes last, which every client answers. A Close while another one waits, or while
// a Write does, ends the session at once.
func (c *webTransportConn) Close() error {
	switch n := c.closes.Add(1); {
	case n > 1:
		c.cut()
		_ = c.session.CloseWithError(0, "")
		return net.ErrClosed
	case c.writing.Load() > 0:
		return c.session.CloseWithError(0, "")
	}
	c.cut() // a Read
	c.reading.Lock()
	defer c.reading.Unlock()
	c.linger(time.Now().Add(lingerMillis * time.Millisecond))
	c.session.end()
	return nil
}

// cut ends the calls that wait for the client.
func (c *webTransportConn) cut() { _ = c.stream.SetDeadline(time.Unix(1, 0)) }

// lastPing and pong are the frames of the heartbeat that Close waits for.
var (
	lastPing = engineio.AppendStream(nil, engineio.Packet{Type: engineio.PacketPing})
	pong     = engineio.AppendStream(nil, engineio.Packet{Type: engineio.PacketPong})
)

// linger sends a ping, and reads until the pong comes or it is late. Where the stream was left by its last reader is not
// known, so that some other bytes may be taken for the pong; then the waiting ends too early, which is all.
func (c *webTransportConn) linger(by time.Time) {
	_ = c.stream.SetDeadline(by)
	if c.closes.Load() > 1 { // the deadline may have come after that of cut
		return
	}
	if _, err := c.stream.Write(lastPing); err != nil {
		return
	}
	buf := make([]byte, 512)
	kept := 0 // bytes at the start of buf that may be the beginning of the pong
	for {
		n, err := c.stream.Read(buf[kept:])
		if n += kept; err != nil || bytes.Contains(buf[:n], pong) {
			break
		}
		kept = copy(buf, buf[max(n-len(pong)+1, 0):n])
	}
	_ = c.stream.Close()
}

// LocalAddr implements net.Conn.
func (c *webTransportConn) LocalAddr() net.Addr { return c.session.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *webTransportConn) RemoteAddr() net.Addr { return c.session.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *webTransportConn) SetDeadline(t time.Time) error { return c.stream.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *webTransportConn) SetReadDeadline(t time.Time) error { return c.stream.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *webTransportConn) SetWriteDeadline(t time.Time) error { return c.stream.SetWriteDeadline(t) }
