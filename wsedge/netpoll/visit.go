package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// visit is a connection between its accept and its being handed on.
type visit struct {
	// Fixed at construction.
	conn  net.Conn
	proxy bool // it begins with a PROXY header

	// Owned by the accepting goroutine, then by the visit's.
	addr    netip.Addr // whose it is
	entered bool       // Enter has said true, Leave is owed

	// Guarded by Door.mu.
	older, newer *visit
	waiting      bool // in the queue: nobody else has closed conn
}

// queue is the visits whose head is being read, by age; guarded by Door.mu.
type queue struct {
	oldest, newest *visit
	len            int
}

func (q *queue) push(v *visit) {
	v.waiting = true
	v.older = q.newest
	if q.newest != nil {
		q.newest.newer = v
	} else {
		q.oldest = v
	}
	q.newest = v
	q.len++
}

// remove takes v out; false: it was not in.
func (q *queue) remove(v *visit) bool {
	if !v.waiting {
		return false
	}
	v.waiting = false
	if v.older != nil {
		v.older.newer = v.newer
	} else {
		q.oldest = v.newer
	}
	if v.newer != nil {
		v.newer.older = v.older
	} else {
		q.newest = v.older
	}
	v.older, v.newer = nil, nil
	q.len--
	return true
}

// pop takes the oldest out; nil: there is none.
func (q *queue) pop() *visit {
	v := q.oldest
	if v != nil {
		q.remove(v)
	}
	return v
}

// admit starts the goroutine that reads c's head.
func (d *Door) admit(c net.Conn) {
	v := &visit{conn: c, addr: addressOf(c.RemoteAddr())}
	v.proxy = within(d.ProxyProtocol, v.addr)
	by := time.Now().Add(d.HeadTimeout)
	d.counts.accepted.Add(1)
	if !v.proxy && !d.enter(v) {
		_ = c.Close()
		return
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		_ = c.Close()
		d.quit(v)
		return
	}
	full := d.pending.len >= d.MaxPending
	d.pending.push(v)
	d.visits.Add(1)
	d.mu.Unlock()
	if full {
		d.evict()
	}
	go d.receive(v, by)
}

// enter asks whether v may stay.
func (d *Door) enter(v *visit) bool {
	if d.Enter == nil {
		return true
	}
	if v.entered = d.Enter(v.addr); !v.entered {
		d.counts.refused.Add(1)
		d.closedFor("too many of its address")
	}
	return v.entered
}

// quit pays the Leave that is owed for v.
func (d *Door) quit(v *visit) {
	if v.entered {
		v.entered = false
		d.Leave(v.addr)
	}
}

// evict closes the oldest connection whose head is being read.
func (d *Door) evict() {
	d.mu.Lock()
	v := d.pending.pop()
	d.mu.Unlock()
	if v != nil {
		d.counts.evicted.Add(1)
		d.closedFor("the oldest of too many request heads")
		_ = v.conn.Close()
	}
}

// leave ends the time in which v may be evicted; false: it has been, or the
// Door has closed it.
func (d *Door) leave(v *visit) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pending.remove(v)
}

// receive is the goroutine of a visit. by is when its head must be complete.
func (d *Door) receive(v *visit, by time.Time) {
	defer d.visits.Done()
	defer d.quit(v)
	buf := d.heads.Get().(*buffer)
	defer d.heads.Put(buf)
	_ = v.conn.SetDeadline(by)
	c, n, end, err := d.readVisit(v, buf.b, by)
	if !d.leave(v) {
		return
	}
	if err != nil {
		d.failed(err)
		_ = v.conn.Close()
		return
	}
	_ = v.conn.SetDeadline(time.Time{})
	if end > 0 && d.fast(c, buf.b[:end], buf.b[end:n]) {
		d.counts.fast.Add(1)
		return
	}
	if d.web.offer(rewind(c, buf.b[:n])) {
		v.entered = false
		d.counts.http.Add(1)
	}
}

// failed counts a connection that ended with err; enter has counted the refused.
func (d *Door) failed(err error) {
	if errors.Is(err, errRefused) {
		return
	}
	d.counts.failed.Add(1)
	if errors.Is(err, errProxy) {
		d.counts.proxy.Add(1)
		d.closedFor("no PROXY header")
	}
}

// closedFor logs why a connection was closed. That many never said what they wanted is for the counters: whoever only looks
// whether the port is open does that.
func (d *Door) closedFor(reason string) { d.Logger.Info("connection closed", "reason", reason) }

// errRefused says that Enter did not want the connection; it is counted.
var errRefused = errors.New("netpoll: connection refused by Enter")

// readVisit is readHead, after the PROXY header and the TLS handshake where
// there are such. c is the connection to hand on. One that is to speak HTTP/2
// is left unread.
func (d *Door) readVisit(v *visit, buf []byte, by time.Time) (c net.Conn, n, end int, err error) {
	c = v.conn
	if v.proxy {
		source, err := readProxy(c)
		if err != nil {
			return c, 0, 0, errors.Join(errProxy, err)
		}
		if source.IsValid() {
			v.addr = source.Addr()
			c = named(c, net.TCPAddrFromAddrPort(source))
		}
		if !d.enter(v) {
			return c, 0, 0, errRefused
		}
	}
	if d.TLS != nil {
		c = tls.Server(c, d.TLS)
	}
	if tc, ok := c.(*tls.Conn); ok {
		ctx, cancel := context.WithDeadline(context.Background(), by)
		defer cancel()
		if err := tc.HandshakeContext(ctx); err != nil {
			return c, 0, 0, err
		}
		if p := tc.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
			return c, 0, 0, nil
		}
	}
	n, end, err = readHead(c, buf, d.Prefixes)
	return c, n, end, err
}

// fast calls Fast and survives its panic.
func (d *Door) fast(c net.Conn, head, early []byte) (taken bool) {
	if d.Fast == nil {
		return false
	}
	defer func() {
		if v := recover(); v != nil {
			d.Logger.Error("netpoll: fast path panicked", "panic", v, "stack", string(debug.Stack()))
			_ = c.Close()
			taken = true
		}
	}()
	return d.Fast(c, head, early)
}

// handover is the listener that brings net/http its connections.
type handover struct {
	door   *Door
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// offer returns when c has been accepted, true, or closed, false.
func (h *handover) offer(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		_ = c.Close()
		return false
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes nothing that was accepted.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener: the address of one of the Door's listeners.
func (h *handover) Addr() net.Addr {
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	for l := range h.door.listeners {
		return l.Addr()
	}
	return &net.TCPAddr{}
}
