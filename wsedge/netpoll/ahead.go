package netpoll

import (
	"crypto/tls"
	"io"
	"net"
)

// ahead is what is known of a connection before it is handed on: bytes that were
// read, the first of its next owner, whose reads alone touch them, and whom a
// PROXY header named as its peer, nil if none did.
type ahead struct {
	b      []byte
	remote net.Addr
}

// remoteOr returns the named peer, otherwise the one that the connection has.
func (a *ahead) remoteOr(c net.Conn) net.Addr {
	if a.remote != nil {
		return a.remote
	}
	return c.RemoteAddr()
}

// take moves what fits into p. The last byte taken frees the buffer.
func (a *ahead) take(p []byte) int {
	n := copy(p, a.b)
	if a.b = a.b[n:]; len(a.b) == 0 {
		a.b = nil
	}
	return n
}

// unread returns what has not been read yet.
func (a *ahead) unread() []byte { return a.b }

// The three types below are one connection each that begins with the bytes of
// ahead and has its peer. What they embed decides what else they can do: net/http finds ReadFrom
// (sendfile) and CloseWrite of a *net.TCPConn, and ConnectionState of a
// *tls.Conn, without which Request.TLS would be nil.
type (
	tcpAhead struct {
		*net.TCPConn
		ahead
	}
	tlsAhead struct {
		*tls.Conn
		ahead
	}
	connAhead struct {
		net.Conn
		ahead
	}
)

// rewind returns a connection that reads b, which it copies, and then c. With
// no bytes that is c itself, so that net/http sees a *tls.Conn as such: only
// then it speaks HTTP/2 on it.
func rewind(c net.Conn, b []byte) net.Conn {
	if len(b) == 0 {
		return c
	}
	a := ahead{b: append([]byte(nil), b...)}
	switch c := c.(type) {
	case *tcpAhead: // of named
		c.b = a.b
		return c
	case *connAhead:
		c.b = a.b
		return c
	case *net.TCPConn:
		return &tcpAhead{c, a}
	case *tls.Conn:
		return &tlsAhead{c, a}
	default:
		return &connAhead{c, a}
	}
}

// named returns c with another peer.
func named(c net.Conn, remote net.Addr) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		return &tcpAhead{tcp, ahead{remote: remote}}
	}
	return &connAhead{c, ahead{remote: remote}}
}

// unwrap undoes rewind and named: the connection itself, and the bytes that are next,
// given those that were read from c and not used.
func unwrap(c net.Conn, early []byte) (net.Conn, []byte) {
	var rest []byte
	switch w := c.(type) {
	case *tcpAhead:
		c, rest = w.TCPConn, w.unread()
	case *tlsAhead:
		c, rest = w.Conn, w.unread()
	case *connAhead:
		c, rest = w.Conn, w.unread()
	}
	if len(rest) > 0 {
		early = append(early[:len(early):len(early)], rest...)
	}
	return c, early
}

// RemoteAddr implements net.Conn.
func (c *tcpAhead) RemoteAddr() net.Addr { return c.remoteOr(c.TCPConn) }

// Read implements net.Conn.
func (c *tcpAhead) Read(p []byte) (int, error) {
	if n := c.take(p); n > 0 {
		return n, nil
	}
	return c.TCPConn.Read(p)
}

// WriteTo implements io.WriterTo, which the embedded one would do without the
// bytes of ahead.
func (c *tcpAhead) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.b)
	c.b = c.b[n:]
	if err != nil || len(c.b) > 0 {
		return int64(n), err
	}
	m, err := c.TCPConn.WriteTo(w)
	return int64(n) + m, err
}

// Read implements net.Conn.
func (c *tlsAhead) Read(p []byte) (int, error) {
	if n := c.take(p); n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}

// RemoteAddr implements net.Conn.
func (c *connAhead) RemoteAddr() net.Addr { return c.remoteOr(c.Conn) }

// Read implements net.Conn.
func (c *connAhead) Read(p []byte) (int, error) {
	if n := c.take(p); n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}
