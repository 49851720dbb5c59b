package wsedge

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// newPrivateID makes the secret that a client comes back with, and the id of its
// socket, from which nobody learns it.
func newPrivateID() (pid string, id rooms.SocketID) {
	secret := engineio.NewID()
	return secret.String(), publicID(secret.String())
}

// publicID is the socket that a private id stands for.
func publicID(pid string) (id rooms.SocketID) {
	sum := sha256.Sum256([]byte(pid))
	base64.RawURLEncoding.Encode(id[:], sum[:15])
	return id
}

// claim is what a client says in its CONNECT to come back.
type claim struct {
	PID    string  `json:"pid"`
	Offset *string `json:"offset"` // nil: it has none
}

// parseClaim reads it from an auth payload. Any other shape is no claim.
func parseClaim(auth []byte) (c claim, ok bool) {
	if len(auth) == 0 || json.Unmarshal(auth, &c) != nil {
		return claim{}, false
	}
	_, ok = engineio.ParseID(c.PID)
	return c, ok
}

// recoverable is what a connected socket knows for the case that its connection
// is lost.
type recoverable struct {
	log   *messageLog
	start uint64 // as in parked

	// Held while the socket is given a message, so that what is noted is in the
	// order in which the client gets it. Whoever leaves may hold it already: the
	// rest is read without.
	mu       sync.Mutex
	last     atomic.Uint64             // as in parked
	lost     atomic.Uint64             // position of the first message that it did not take; 0: none
	mistaken atomic.Pointer[confusion] // as in parked
}

// newRecoverable is what a new socket of that log's namespace begins with.
func newRecoverable(log *messageLog) *recoverable {
	r := &recoverable{log: log, start: log.delivered.Load()}
	r.last.Store(r.start)
	return r
}

// give is Socket.send that notes what became of m.
func (r *recoverable) give(s *Socket, p *transport.Prepared, m *rooms.Message) bool {
	if m.Offset == "" {
		return r.giveUnrecorded(s, p, m)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := s.send(p, false)
	if taken {
		r.last.Store(r.log.position)
	} else {
		r.lost.CompareAndSwap(0, r.log.position)
	}
	return taken
}

// giveUnrecorded notes before it sends: once the client may have the text, whoever
// leaves sees the note.
func (r *recoverable) giveUnrecorded(s *Socket, p *transport.Prepared, m *rooms.Message) bool {
	text, ok := confusing(m)
	if !ok {
		return s.send(p, m.Volatile)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	mistaken := r.mistaken.Load()
	if mistaken == nil {
		mistaken = new(confusion)
		r.mistaken.Store(mistaken)
	}
	undo := mistaken.note(r.log.recovery.hash(text), r.last.Load())
	taken := s.send(p, m.Volatile)
	if !taken && undo != nil {
		undo()
	}
	return taken
}

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

// comesBack begins to restore the socket that a client claims to be, and reports
// whether there is one (PROTOCOL 5). It goes on in a goroutine of its own, as it
// waits for messages that are on their way out: a loop must not.
func (c *Client) comesBack(s *Socket, q *rooms.Question, claimed claim) bool {
	// In this order: a socket that is a member no longer is at least leaving.
	id := publicID(claimed.PID)
	live, isLive := s.namespace.Member(id)
	old, _ := live.(*Socket)
	if !isLive {
		var away *parked
		if away, old = logOf(s.namespace).recovery.find(s.namespace, id); away == nil && old == nil {
			return false
		}
	}
	go c.restore(s, q, claimed, old)
	return true
}

// restore is that goroutine. old is the socket that is to be restored if it has
// not left yet, otherwise nil. If it cannot be restored, the client begins anew.
func (c *Client) restore(s *Socket, q *rooms.Question, claimed claim, old *Socket) {
	defer c.survive()
	if old != nil {
		old.client.supersede(old)
	}
	if c.resume(s, q, claimed) {
		return
	}
	c.enter()
	defer c.exit()
	if c.waits(s) {
		c.ask(s, q)
	}
}

// survive, deferred directly, makes a panic cost its session only.
func (c *Client) survive() {
	if v := recover(); v != nil {
		c.srv.stats.Panics.Add(1)
		c.srv.cfg.Logger.Error("wsedge: recovery panicked", "panic", v, "stack", string(debug.Stack()))
		c.session.Close()
	}
}

// supersede ends a client whose socket s has come back over another connection
// before this one was seen to be dead, and returns when s has left.
func (c *Client) supersede(s *Socket) {
	c.enter()
	defer c.exit()
	if !c.over && !s.gone.Load() {
		c.why = rooms.ReasonTransportClose
		c.session.Close()
		// If the session had ended already, Closed may be still to come.
		c.ended.CompareAndSwap(nil, &sessionEnd{reason: engineio.TransportClose})
	}
}

// resume connects s as the socket that the client claims to be; false if it is
// not there any more, or what it missed is not.
func (c *Client) resume(s *Socket, q *rooms.Question, claimed claim) bool {
	log := logOf(s.namespace)
	log.mu.Lock() // nothing goes out between what was missed and the first live message
	defer log.mu.Unlock()
	p, _ := log.recovery.find(s.namespace, publicID(claimed.PID))
	if p == nil {
		return false
	}
	from, known := log.recovery.from(p, claimed.Offset)
	var missed []*rooms.Message
	if known {
		missed, known = log.missed(p, from)
	}
	known = known && sizeOf(missed) <= c.srv.cfg.MaxOutbox/2

	c.enter()
	defer c.exit()
	switch {
	case !c.waits(s):
		return true // and the lost socket may still come back
	case !log.recovery.take(p):
		return false
	case !known:
		log.recovery.expired([]*parked{p})
		return false
	}
	s.restoreFrom(p, missed)
	c.settle(s)
	c.srv.stats.Recovered.Add(1)
	c.accept(s, q, &welcome{pid: claimed.PID, rooms: p.rooms, missed: missed, recovered: true})
	p.namespace.Exit() // s has a use of its own
	c.tidy()
	return true
}

// restoreFrom makes s, which is not connected yet, the socket that p was. missed
// is what it will be told first.
func (s *Socket) restoreFrom(p *parked, missed []*rooms.Message) {
	s.Init(p.id)
	s.user = p.user
	s.keep(p.data, p.auth)
	log := logOf(s.namespace)
	s.lasting = &recoverable{log: log, start: p.start}
	s.lasting.last.Store(p.last)
	if n := len(missed); n > 0 {
		last, _ := log.recovery.parseOffset(missed[n-1].Offset)
		s.lasting.last.Store(max(last, p.last))
	}
	s.lasting.mistaken.Store(p.mistaken)
}

// sizeOf is about what messages take in a session's queue.
func sizeOf(messages []*rooms.Message) (bytes int) {
	const cost = 192 // of each: its place, its packet's beginning, its offset
	for _, m := range messages {
		bytes += cost + len(m.Event) + len(m.Args)
		for _, a := range m.Attachments {
			bytes += cost + len(a)
		}
	}
	return bytes
}
