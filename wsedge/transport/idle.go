package transport

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// idlers are the connections that net/http holds without a request under way:
// their first head has not come whole, or they are kept alive for the next. Each
// has a goroutine and two buffers, and costs its owner nothing; so they are
// bounded in all, and one too many closes the one that has been idle for
// longest, as a client that was slow on purpose is among those. An honest one
// opens another connection.
type idlers struct {
	max int // fixed at construction

	mu    sync.Mutex // guards the following; a leaf
	order list.List  // of net.Conn, the longest idle one first
	conns map[net.Conn]*list.Element
}

// note follows the state of a connection. It returns one to close, or nil.
func (i *idlers) note(c net.Conn, state http.ConnState) (tooMany net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e, ok := i.conns[c]; ok {
		i.order.Remove(e)
		delete(i.conns, c)
	}
	if state != http.StateNew && state != http.StateIdle {
		return nil
	}
	if i.conns == nil {
		i.conns = make(map[net.Conn]*list.Element)
	}
	i.conns[c] = i.order.PushBack(c)
	if i.order.Len() <= i.max {
		return nil
	}
	tooMany = i.order.Remove(i.order.Front()).(net.Conn)
	delete(i.conns, tooMany)
	return tooMany
}

// len is how many there are.
func (i *idlers) len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.order.Len()
}

// connState follows the connections that net/http has from the Door.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	if idlest := s.idle.note(c, state); idlest != nil {
		s.stats.IdleEvicted.Add(1)
		s.cfg.Logger.Info("connection closed", "reason", "the longest idle of too many")
		_ = rawConn(idlest).Close()
	}
	if state == http.StateClosed || state == http.StateHijacked {
		s.limits.leave(addrOf(c.RemoteAddr()))
	}
}

// rawConn is the connection below TLS, whose own Close would wait for the peer to
// take its farewell.
func rawConn(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}
