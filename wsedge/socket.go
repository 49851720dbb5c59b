package wsedge

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// Socket is one client in one namespace: what rooms calls a Member. Its life is
// decided by its Client; everything here may be called from any goroutine.
type Socket struct {
	rooms.Membership // the id, and the rooms it is in

	// Fixed before the socket is connected.
	client      *Client
	namespace   *rooms.Namespace
	user        string
	lasting     *recoverable // nil when it cannot be recovered
	connectedAt int64        // milliseconds since 1970: a time.Time would take thrice as much
	dialect     dialect

	gone  atomic.Bool                 // the socket has left its namespace
	texts atomic.Pointer[socketTexts] // nil when there are none; replaced, never changed

	mu   sync.Mutex // guards the following; a leaf
	acks *acks      // nil until the first acknowledgement is wanted
}

// socketTexts is what few sockets have.
type socketTexts struct {
	data []byte // what admission attached
	auth []byte // what the client said, if that is kept
}

// keep sets the socket's texts.
func (s *Socket) keep(data, auth []byte) {
	if len(data)+len(auth) > 0 {
		s.texts.Store(&socketTexts{data, auth})
	}
}

// SetData implements rooms.Member.
func (s *Socket) SetData(data []byte) {
	for {
		old := s.texts.Load()
		texts := &socketTexts{data: data}
		if old != nil {
			texts.auth = old.auth
		}
		if len(data)+len(texts.auth) == 0 {
			texts = nil
		}
		if s.texts.CompareAndSwap(old, texts) {
			return
		}
	}
}

// acks is what a socket owes and is owed.
type acks struct {
	// asked are the messages whose answers the client owes, by ack id.
	asked map[uint64]rooms.AckSink
	// wanted are the events that the client wants answered, oldest first.
	wanted []uint64
}

// Deliver implements rooms.Member: the message's finished frame is shared by all
// sockets that get it.
func (s *Socket) Deliver(m *rooms.Message) bool {
	if s.gone.Load() {
		return false
	}
	p := s.dialect.event(s.namespace.Name(), m)
	switch {
	case m.Acks != nil:
		return s.deliverAsking(p, m)
	case s.lasting != nil:
		return s.lasting.give(s, p, m)
	default:
		return s.send(p, m.Volatile)
	}
}

// DeliverBatch implements rooms.BatchMember: the bytes are shared as those of one
// message are.
func (s *Socket) DeliverBatch(b *rooms.Batch) (taken uint64) {
	if s.gone.Load() {
		return 0
	}
	if s.lasting == nil {
		return s.client.session.SendBundleUnless(&s.gone, s.dialect.bundle(s.namespace.Name(), b))
	}
	s.client.session.Cork()
	for i, m := range b.Messages {
		if s.Deliver(m) {
			taken |= 1 << i
		}
	}
	s.client.session.Uncork()
	return taken
}

// deliverAsking is Deliver of a message that wants an answer.
func (s *Socket) deliverAsking(p *transport.Prepared, m *rooms.Message) bool {
	if taken, full := s.ask(m.AckID, m.Acks); !taken {
		if full {
			s.client.srv.noteAck(whyClientOwes)
		}
		return false
	}
	if !s.send(p, m.Volatile) {
		// If the answer or the end came first, the sink has been told of it,
		// and the message counts as taken.
		return s.answered(m.AckID) == nil
	}
	return true
}

// send sends while the socket is connected: what comes late must not reach the
// next socket that the client has in this namespace.
func (s *Socket) send(p *transport.Prepared, volatile bool) bool {
	return s.client.session.SendUnless(&s.gone, p, volatile)
}

// ask notes that the client owes an answer, unless it is gone or owes as many as it may (full).
func (s *Socket) ask(id uint64, sink rooms.AckSink) (taken, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone.Load() {
		return false, false
	}
	if s.acks == nil {
		s.acks = &acks{}
	}
	if len(s.acks.asked) >= s.client.srv.cfg.MaxPendingAcks {
		s.client.srv.stats.AcksRefused.Add(1)
		return false, true
	}
	if s.acks.asked == nil {
		s.acks.asked = make(map[uint64]rooms.AckSink)
	}
	s.acks.asked[id] = sink
	return true, false
}

// answered takes the sink that waits for the answer id, nil when none does.
func (s *Socket) answered(id uint64) rooms.AckSink {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks == nil {
		return nil
	}
	sink := s.acks.asked[id]
	delete(s.acks.asked, id)
	s.acks = s.acks.orNil()
	return sink
}

// orNil lets go of bookkeeping that says nothing.
func (a *acks) orNil() *acks {
	if len(a.asked) == 0 && len(a.wanted) == 0 {
		return nil
	}
	return a
}

// ForgetAck implements rooms.Member.
func (s *Socket) ForgetAck(id uint64) { s.answered(id) }

// want notes that the client wants an answer to its event. Beyond the bound the
// oldest want is given up, its Reply will fail; then it returns false.
func (s *Socket) want(id uint64) (fits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks == nil {
		s.acks = &acks{}
	}
	fits = len(s.acks.wanted) < s.client.srv.cfg.MaxPendingAcks
	if !fits {
		s.acks.wanted = slices.Delete(s.acks.wanted, 0, 1)
		s.client.srv.stats.AcksExpired.Add(1)
	}
	s.acks.wanted = append(s.acks.wanted, id)
	return fits
}

// Reply implements rooms.Member.
func (s *Socket) Reply(id uint64, args []byte, attachments [][]byte) error {
	if s.gone.Load() {
		return rooms.ErrSocketGone
	}
	if !s.unwant(id) {
		return rooms.ErrAckUnknown
	}
	p := s.dialect.ack(s.namespace.Name(), id, args, attachments)
	if !s.send(p, false) {
		return rooms.ErrSocketGone
	}
	return nil
}

func (s *Socket) unwant(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks == nil {
		return false
	}
	i := slices.Index(s.acks.wanted, id)
	if i < 0 {
		return false
	}
	s.acks.wanted = slices.Delete(s.acks.wanted, i, i+1)
	s.acks = s.acks.orNil()
	return true
}

// Disconnect implements rooms.Member.
func (s *Socket) Disconnect(closeSession bool) {
	if closeSession {
		s.client.kick()
	} else {
		s.client.disconnect(s)
	}
}

// Info implements rooms.Member.
func (s *Socket) Info() rooms.Info {
	return s.info(s.client.srv.shown(handshakeOf(s.client.session)))
}

func (s *Socket) info(h *rooms.Handshake) rooms.Info {
	held, _ := s.namespace.RoomsOf(s.ID())
	info := rooms.Info{
		ID:          s.ID(),
		Namespace:   s.namespace.Name(),
		User:        s.user,
		Rooms:       held,
		Transport:   s.client.session.Transport().String(),
		ConnectedAt: time.UnixMilli(s.connectedAt),
		Handshake:   *h,
	}
	if texts := s.texts.Load(); texts != nil {
		info.Data, info.Auth = texts.data, texts.auth
	}
	return info
}

// handshakeOf is a session's handshake.
func handshakeOf(session *transport.Session) *rooms.Handshake {
	return fromHandshake(session.Handshake())
}

// fromHandshake translates a handshake.
func fromHandshake(h *transport.Handshake) *rooms.Handshake {
	out := &rooms.Handshake{
		Address: h.Address,
		URL:     h.URL,
		Query:   h.Query(),
		Secure:  h.Secure,
		XDomain: h.CrossDomain,
		Issued:  h.Issued,
	}
	for _, f := range h.Headers {
		out.Headers = append(out.Headers, rooms.Header(f))
	}
	return out
}

// leave takes the socket out of its namespace and tells everybody who waits for
// it. Its Client calls it, one call at a time; only the first counts.
func (s *Socket) leave(reason rooms.Reason, description string) {
	var delivered uint64
	if s.lasting != nil {
		delivered = s.lasting.delivered() // before gone: what comes later is not given to it
	}
	if s.gone.Swap(true) {
		return
	}
	comesBack := s.lasting != nil && mayComeBack(reason)
	if comesBack {
		s.lasting.log.recovery.leaves(s)
	}
	held, _ := s.namespace.Remove(s)
	if comesBack { // also when whoever hears of it panics
		defer s.park(held, delivered)
	} else {
		defer s.namespace.Exit()
	}
	s.mu.Lock()
	left := s.acks
	s.acks = nil
	s.mu.Unlock()
	if left != nil {
		for _, sink := range left.asked {
			sink.Gone(s.ID())
		}
	}
	s.client.srv.stats.disconnected(reason)
	s.client.srv.cfg.Observer.Observe(&rooms.Event{
		Kind:        rooms.KindDisconnected,
		Namespace:   s.namespace.Name(),
		Socket:      s.ID(),
		User:        s.user,
		Time:        time.Now(),
		Reason:      reason,
		Description: description,
		Rooms:       held,
		Recoverable: comesBack,
	})
}

// park keeps what the socket was, for its client to come back to.
func (s *Socket) park(held []string, delivered uint64) {
	p := &parked{
		id: s.ID(), namespace: s.namespace, user: s.user, rooms: held,
		start: s.lasting.start, last: s.lasting.last.Load(), delivered: delivered, mistaken: s.lasting.mistaken.Load().clone(),
	}
	if texts := s.texts.Load(); texts != nil {
		p.data, p.auth = texts.data, texts.auth
	}
	s.lasting.log.recovery.park(p)
}
