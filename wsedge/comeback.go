package wsedge

import (
	"github.com/realtime-svc/realtime-svc/rooms"
)

// comesBack begins to restore the socket that a client claims to be, and reports
// whether there is one (PROTOCOL 5). It goes on in a goroutine of its own, as it
// waits for messages that are on their way out: a loop must not.
func (c *Client) comesBack(s *Socket, q *rooms.Question, claimed claim) bool {
	log := logOf(s.namespace)
	if log == nil {
		return false
	}
	id := publicID(claimed.PID)
	live, isLive := s.namespace.Member(id)
	if !isLive && !c.srv.cfg.Recovery.isAway(s.namespace, id) {
		return false
	}
	go c.restore(s, q, claimed, live)
	return true
}

// restore is that goroutine. live is the socket that is to be restored if its old
// connection still seems to be there, otherwise nil.
func (c *Client) restore(s *Socket, q *rooms.Question, claimed claim, live rooms.Member) {
	if old, ok := live.(*Socket); ok {
		old.client.supersede(old)
	}
	r, log := c.srv.cfg.Recovery, logOf(s.namespace)
	log.mu.Lock() // nothing goes out between what was missed and the first live message
	defer log.mu.Unlock()
	c.enter()
	defer c.exit()
	if !c.waits(s) {
		return // and the lost socket may still come back
	}
	p := r.take(s.namespace, publicID(claimed.PID))
	if p == nil {
		c.ask(s, q)
		return
	}
	missed, ok := log.missed(p, r.from(p, claimed.Offset))
	if !ok || sizeOf(missed) > c.srv.cfg.MaxOutbox/2 {
		r.expired(p)
		c.ask(s, q)
		return
	}
	c.settle(s)
	c.resume(s, q, p, &welcome{pid: claimed.PID, rooms: p.rooms, missed: missed, recovered: true})
	p.namespace.Exit() // s has a use of its own
	c.tidy()
}

// resume connects s as the socket p was.
func (c *Client) resume(s *Socket, q *rooms.Question, p *parked, w *welcome) {
	s.Init(p.id)
	s.user = p.user
	s.keep(p.data, p.auth)
	s.lasting = &recoverable{log: logOf(s.namespace), start: p.start}
	s.lasting.last.Store(p.last)
	if n := len(w.missed); n > 0 {
		last, _ := c.srv.cfg.Recovery.parseOffset(w.missed[n-1].Offset)
		s.lasting.last.Store(max(last, p.last))
	}
	s.lasting.poisoned.Store(p.poisoned)
	c.srv.stats.Recovered.Add(1)
	c.accept(s, q, w)
}

// sizeOf is about what messages take in a session's queue.
func sizeOf(messages []*rooms.Message) (bytes int) {
	for _, m := range messages {
		bytes += entryOverhead + len(m.Event) + len(m.Args)
		for _, a := range m.Attachments {
			bytes += len(a)
		}
	}
	return bytes
}

// newRecoverable is what a new socket of that log's namespace begins with.
func newRecoverable(log *messageLog) *recoverable {
	r := &recoverable{log: log, start: log.delivered.Load()}
	r.last.Store(r.start)
	return r
}

// gave notes that the socket was given m, or that it did not take it.
func (r *recoverable) gave(m *rooms.Message, taken bool) {
	switch {
	case m.Offset != "" && taken:
		r.last.Store(r.log.position)
	case m.Offset != "":
		r.lost.CompareAndSwap(0, r.log.position)
	case taken && m.Volatile && endsWithText(m.Args):
		r.poisoned.Store(r.last.Load())
	}
}

// endsWithText reports whether the last argument is a string.
func endsWithText(args []byte) bool { return len(args) > 0 && args[len(args)-1] == '"' }

// delivered is up to which position the socket has been given all that was for
// it, if it leaves now.
func (r *recoverable) delivered() uint64 {
	position := r.log.delivered.Load()
	if lost := r.lost.Load(); lost != 0 {
		return min(position, lost-1)
	}
	return position
}

// mayComeBack reports whether a socket that ends so may be recovered: neither side
// wanted the end (PROTOCOL 5). At a shutdown nothing is left to come back to.
func mayComeBack(reason rooms.Reason) bool {
	switch reason {
	case rooms.ReasonClientDisconnect, rooms.ReasonServerDisconnect, rooms.ReasonParseError, rooms.ReasonShuttingDown:
		return false
	}
	return true
}
