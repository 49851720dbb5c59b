package netpoll

import "time"

// TryWrite implements Conn. It copies p into a bounded buffer, which a
// goroutine drains that is started when there is something to write.
func (c *streamConn) TryWrite(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return 0, c.failed
	}
	if c.closed || c.conn == nil {
		return 0, ErrClosed
	}
	n := min(len(p), c.engine.cfg.WriteBuffer-c.queued)
	if n == 0 {
		return 0, nil
	}
	if c.out == nil {
		c.out = c.engine.writes.Get().(*buffer)
	}
	c.out.b = append(c.out.b, p[:n]...)
	c.queued += n
	if !c.writing {
		c.writing = true
		c.engine.goroutines.Go(c.write)
	}
	return n, nil
}

// Arm implements Conn.
func (c *streamConn) Arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil || c.closed || c.failed != nil || c.armed {
		return
	}
	c.armed = true
	if c.queued < c.engine.cfg.WriteBuffer {
		c.engine.goroutines.Go(c.writable)
	}
}

// write is the goroutine that drains what TryWrite took.
func (c *streamConn) write() {
	for {
		c.mu.Lock()
		p := c.out
		c.out = nil
		if p == nil || c.failed != nil {
			c.writing = false
			if c.drained != nil {
				close(c.drained)
			}
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		_, err := c.conn.Write(p.b)
		n := len(p.b)
		c.engine.recycle(p)
		c.mu.Lock()
		c.queued -= n
		if err != nil {
			c.fail(err)
		}
		tell := c.armed && !c.closed
		c.mu.Unlock()
		if tell {
			c.writable()
		}
	}
}

// fail notes that a write failed. mu must be held. What the peer sent before
// that may still be read; the deadline is for a connection that has no end of its own.
func (c *streamConn) fail(err error) {
	c.failed, c.armed = err, false
	if c.closed {
		return
	}
	c.why = err
	if c.resume != nil { // nobody reads
		c.cut()
	} else {
		_ = c.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	}
}

// flushed returns when nothing is left to write, or writing has failed.
func (c *streamConn) flushed() {
	c.mu.Lock()
	if !c.writing {
		c.mu.Unlock()
		return
	}
	drained := make(chan struct{})
	c.drained = drained
	c.mu.Unlock()
	<-drained
}

// recycle gives a buffer back, unless it is so large that small writes should
// not find it in the pool.
func (e *portable) recycle(p *buffer) {
	if cap(p.b) <= busyRead {
		p.b = p.b[:0]
		e.writes.Put(p)
	}
}
