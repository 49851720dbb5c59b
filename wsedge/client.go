package wsedge

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// Client is the Socket.IO side of one session: the sockets that it has in its
// namespaces. It implements transport.Handler.
//
// Everything that a client does, and everything that decides about its sockets,
// happens under recv, one thing after the other: that is what makes the order
// connected, events, disconnected (I1) hold whoever is the cause. Nothing that
// is called under recv blocks or calls back into the same Client, with one
// exception: Closed may come from within a Send. It therefore only notes the
// end; whoever holds recv completes it on leaving.
type Client struct {
	// Fixed at construction.
	srv     *Server
	session *transport.Session

	recv    sync.Mutex                 // guards the following
	first   *Socket                    // the first namespace's socket: most clients have no other
	more    []*Socket                  // those of further namespaces
	rest    *clientRest                // what few clients have, nil otherwise
	rate    *rateLimit                 // what it may send, nil when that is not limited
	why     rooms.Reason               // overrides the reason that the session ends with
	dialect dialect                    // fixed by the client's first packet
	over    bool                       // the end is complete
	ended   atomic.Pointer[sessionEnd] // set by Closed, completed under recv
}

// clientRest is the part of a Client that is needed only now and then.
type clientRest struct {
	assembly *socketio.Assembly // a packet whose attachments are still to come
	pending  []*Socket          // sockets that wait for admission
	held     []holds            // sockets that are held, each once
	left     []string           // namespaces that the server ended, whose late packets are dropped; MaxNamespaces at most, oldest first
}

type sessionEnd struct {
	reason engineio.Reason
	cause  transport.Cause
}

// onSession begins the Socket.IO side of a session.
func (srv *Server) onSession(session *transport.Session) transport.Handler {
	c := &Client{srv: srv, session: session, rate: newRateLimit(&srv.cfg)}
	session.SetAlarm(srv.cfg.ConnectTimeout)
	return c
}

// Opened implements transport.Handler. Clients of Engine.IO v3 expect to be
// connected to the default namespace without asking (PROTOCOL 2.7).
func (c *Client) Opened() {
	if c.session.Revision() != engineio.Revision3 {
		return
	}
	c.enter()
	defer c.exit()
	c.dialect = dialectOld
	c.connect(defaultNamespace, nil)
}

func (c *Client) enter() { c.recv.Lock() }

// exit leaves the Client and completes its end if the session has ended
// meanwhile. The loop closes the gap between Unlock and a Closed that found the
// lock taken.
func (c *Client) exit() {
	c.release()
	for c.ended.Load() != nil && c.recv.TryLock() {
		done := c.over
		c.release()
		if done {
			return
		}
	}
}

// release unlocks, also when whoever hears of the end panics.
func (c *Client) release() {
	defer c.recv.Unlock()
	c.finish()
}

// Closed implements transport.Handler.
func (c *Client) Closed(reason engineio.Reason, cause transport.Cause) {
	c.ended.Store(&sessionEnd{reason, cause})
	if c.recv.TryLock() {
		c.exit()
	}
}

// finish ends every socket once the session has ended.
func (c *Client) finish() {
	end := c.ended.Load()
	if end == nil || c.over {
		return
	}
	c.over = true
	reason := c.why
	if reason == "" {
		reason = reasons[end.reason]
	}
	sockets := c.sockets()
	if c.rest != nil {
		for _, s := range c.rest.pending {
			s.namespace.Exit()
		}
	}
	c.first, c.more, c.rest = nil, nil, nil
	leaveAll(sockets, reason, end.cause.String())
}

// leaveAll ends sockets, each also when whoever hears of another one's end panics.
func leaveAll(sockets []*Socket, reason rooms.Reason, description string) {
	if len(sockets) == 0 {
		return
	}
	defer leaveAll(sockets[1:], reason, description)
	sockets[0].leave(reason, description)
}

// reasons translates why a session ended.
var reasons = map[engineio.Reason]rooms.Reason{
	engineio.TransportError: rooms.ReasonTransportError,
	engineio.TransportClose: rooms.ReasonTransportClose,
	engineio.ForcedClose:    rooms.ReasonForcedClose,
	engineio.PingTimeout:    rooms.ReasonPingTimeout,
	engineio.ParseError:     rooms.ReasonParseError,
}

// Alarm implements transport.Handler: the connect timeout.
func (c *Client) Alarm() {
	c.enter()
	defer c.exit()
	if !c.over && c.first == nil && len(c.more) == 0 {
		c.srv.stats.ConnectTimeouts.Add(1)
		c.srv.noteEnd(whyNoConnect)
		c.drop()
	}
}

// Message implements transport.Handler.
func (c *Client) Message(data []byte, binary bool) (taken bool) {
	c.enter()
	defer c.exit()
	switch {
	case c.over, c.ended.Load() != nil:
		return true
	case c.held():
		return false
	}
	c.message(data, binary)
	return true
}

// message handles one message.
func (c *Client) message(data []byte, binary bool) {
	if c.rate != nil && !c.rate.bytes.take(float64(len(data)), time.Now()) {
		c.srv.stats.BytesLimited.Add(1)
		c.reject(whyManyBytes)
		return
	}
	if c.dialect == dialectUnknown {
		c.dialect = dialectJSON
		if binary {
			c.dialect = dialectMsgpack
		}
	}
	switch {
	case c.dialect == dialectMsgpack:
		c.msgpack(data, binary)
	case binary:
		c.attachment(data)
	default:
		c.text(data)
	}
}

// msgpack takes a message of a client whose parser is MessagePack: each is one
// whole packet (PROTOCOL 3).
func (c *Client) msgpack(data []byte, binary bool) {
	if !binary {
		c.malformed()
		return
	}
	p, attachments, err := socketio.DecodeMsgpack(data, &c.srv.limits)
	if err != nil {
		c.malformed()
		return
	}
	c.packet(&p, attachments)
}

// limits is what its packets may hold. Clients 2.x put their auth, tokens and
// all, into the namespace (PROTOCOL 2.7).
func (c *Client) limits() *socketio.Limits {
	if c.dialect == dialectOld {
		return &c.srv.oldLimits
	}
	return &c.srv.limits
}

// text takes a text, which must be a packet or the beginning of one.
func (c *Client) text(data []byte) {
	p, err := socketio.Decode(data, c.limits())
	if err != nil || c.rest != nil && c.rest.assembly != nil {
		c.malformed()
		return
	}
	if p.Attachments == 0 {
		p.Args = bytes.Clone(p.Args) // an Assembly and DecodeMsgpack have made their own
		c.packet(&p, nil)
		return
	}
	if !c.knows(p.Namespace) {
		c.violate() // now, as what it sends before it is let in must not be kept
		return
	}
	assembly, err := socketio.NewAssembly(p, c.limits())
	if err != nil {
		c.malformed()
		return
	}
	c.other().assembly = assembly
}

// knows reports whether the client is in a namespace, or was until lately.
func (c *Client) knows(namespace []byte) bool {
	if c.dialect == dialectOld {
		namespace, _ = socketio.SplitQuery(namespace)
	}
	return c.socket(namespace) != nil || c.hasLeft(namespace)
}

// attachment takes a binary message, which must belong to a packet.
func (c *Client) attachment(data []byte) {
	if c.rest == nil || c.rest.assembly == nil {
		c.malformed()
		return
	}
	assembly := c.rest.assembly
	if !assembly.Add(data) {
		return
	}
	c.rest.assembly = nil
	p, attachments := assembly.Packet()
	c.packet(&p, attachments)
}

// malformed closes a session whose client sent what is no Socket.IO packet.
func (c *Client) malformed() {
	c.srv.stats.Malformed.Add(1)
	c.srv.noteEnd(whyNoPacket)
	c.session.Close()
}

// violate closes a session whose client broke the rules.
func (c *Client) violate() {
	c.srv.stats.Violations.Add(1)
	c.srv.noteEnd(whyBrokenRule)
	c.drop()
}

// drop closes a session that its client is to blame for. The reason that is
// told differs when the client cannot be told at once (PROTOCOL 4.1).
func (c *Client) drop() {
	if !c.session.Close() {
		c.why = rooms.ReasonForcedServerClose
	}
}

// packet handles one whole packet, whose Args and attachments are its own.
func (c *Client) packet(p *socketio.Packet, attachments [][]byte) {
	auth := p.Data
	if c.dialect == dialectOld {
		p.Namespace, auth = socketio.SplitQuery(p.Namespace)
	}
	if p.Type == socketio.Connect {
		c.connect(string(p.Namespace), auth)
		return
	}
	s := c.socket(p.Namespace)
	switch {
	case s == nil && c.hasLeft(p.Namespace):
		// The client sent it before it heard that the server had ended the socket.
	case s == nil, p.Type == socketio.ConnectError:
		c.violate()
	case p.Type == socketio.Disconnect:
		c.remove(s)
		s.leave(rooms.ReasonClientDisconnect, "")
	case p.Empty:
		// Accepted without effect (PROTOCOL 3).
	case p.Type == socketio.Event, p.Type == socketio.BinaryEvent:
		c.event(s, p, attachments)
	default:
		if !p.HasID {
			return
		}
		if sink := s.answered(p.ID); sink != nil {
			sink.Acked(s.ID(), p.Args, attachments)
		}
	}
}

func (c *Client) event(s *Socket, p *socketio.Packet, attachments [][]byte) {
	c.srv.stats.Events.Add(1)
	if c.rate != nil && !c.rate.events.take(1, time.Now()) {
		c.srv.stats.EventsLimited.Add(1)
		c.reject(whyManyEvents)
		return
	}
	if p.HasID && !s.want(p.ID) {
		c.srv.noteAck(whyServiceOwes)
	}
	flow := c.srv.cfg.Observer.Observe(&rooms.Event{
		Kind:         rooms.KindEvent,
		Namespace:    s.namespace.Name(),
		Socket:       s.ID(),
		User:         s.user,
		Time:         time.Now(),
		Name:         string(p.Name),
		NameIsNumber: p.NameIsNumber,
		Args:         p.Args,
		Attachments:  attachments,
		WantsAck:     p.HasID,
		AckID:        p.ID,
	})
	if flow.Refused != "" {
		c.refuse(s, p, flow.Refused)
	}
	c.follow(s, flow)
}

// socket finds the client's socket in a namespace, nil if it has none.
func (c *Client) socket(namespace []byte) *Socket {
	if s := c.first; s != nil && s.namespace.Name() == string(namespace) {
		return s
	}
	for _, s := range c.more {
		if s.namespace.Name() == string(namespace) {
			return s
		}
	}
	return nil
}

// sockets lists the client's sockets.
func (c *Client) sockets() []*Socket {
	if c.first == nil {
		return c.more
	}
	return append([]*Socket{c.first}, c.more...)
}

func (c *Client) add(s *Socket) {
	if c.first == nil {
		c.first = s
	} else {
		c.more = append(c.more, s)
	}
}

// remove takes a socket out that leaves, and what it is held for.
func (c *Client) remove(s *Socket) {
	c.letGoAll(s)
	if c.first == s {
		c.first = nil
		return
	}
	c.more = slices.DeleteFunc(c.more, func(o *Socket) bool { return o == s })
}

func (c *Client) other() *clientRest {
	if c.rest == nil {
		c.rest = &clientRest{}
	}
	return c.rest
}

func (c *Client) hasLeft(namespace []byte) bool {
	return c.rest != nil && slices.Contains(c.rest.left, string(namespace))
}

// noteLeft notes that the server ended the socket of a namespace. The oldest name is forgotten beyond the bound: a client
// that joins dynamic names one after the other, and is put out of each, would be remembered for all of them.
func (c *Client) noteLeft(namespace string) {
	r := c.other()
	if len(r.left) >= c.srv.cfg.MaxNamespaces {
		r.left = slices.Delete(r.left, 0, 1)
	}
	r.left = append(r.left, namespace)
}

// disconnect ends one socket from the server's side.
func (c *Client) disconnect(s *Socket) {
	c.enter()
	defer c.exit()
	if s.gone.Load() {
		return
	}
	c.remove(s)
	c.noteLeft(s.namespace.Name())
	s.leave(rooms.ReasonServerDisconnect, "")
	c.session.Send(c.dialect.disconnect(s.namespace.Name()), false)
}

// kick ends every socket of the client and the session: a DISCONNECT packet for
// each namespace, then the close (PROTOCOL 4.1).
func (c *Client) kick() {
	c.enter()
	defer c.exit()
	if c.over {
		return
	}
	c.session.Cork()
	for _, s := range c.sockets() {
		s.leave(rooms.ReasonServerDisconnect, "")
		c.session.Send(c.dialect.disconnect(s.namespace.Name()), false)
	}
	c.first, c.more = nil, nil
	c.session.Uncork()
	c.session.Close()
}

// shutDown ends every socket because the process ends; the clients hear of a
// closed transport only, and so reconnect (PROTOCOL 4.1).
func (c *Client) shutDown() {
	c.enter()
	defer c.exit()
	if c.over {
		return
	}
	leaveAll(c.sockets(), rooms.ReasonShuttingDown, "")
	c.first, c.more = nil, nil
	c.session.Close()
}
