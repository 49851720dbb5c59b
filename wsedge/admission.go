package wsedge

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// defaultNamespace is the one that exists without a name.
const defaultNamespace = "/"

// connect handles a CONNECT packet: the namespace must exist and not be joined,
// then a socket that was lost is restored, or whoever decides about admissions
// is asked.
func (c *Client) connect(name string, auth []byte) {
	if c.socket([]byte(name)) != nil || c.isPending(name) {
		c.violate()
		return
	}
	if c.namespaces() >= c.srv.cfg.MaxNamespaces {
		c.srv.stats.NamespacesLimited.Add(1)
		c.srv.noteRefused(whyNamespaces)
		c.session.Send(c.dialect.refuse(name, "Too many namespaces", nil), false)
		return
	}
	namespace, err := c.srv.cfg.Hub.Enter(name)
	if err != nil {
		c.noNamespace(name, err)
		return
	}
	s := &Socket{client: c, namespace: namespace, dialect: c.dialect}
	c.other().pending = append(c.rest.pending, s)
	q := &rooms.Question{Namespace: name, Auth: bytes.Clone(auth), Handshake: handshakeOf(c.session)}
	if c.dialect != dialectOld && logOf(namespace) != nil {
		if claim, ok := parseClaim(auth); ok && c.comesBack(s, q, claim) {
			return
		}
	}
	c.ask(s, q)
}

// namespaces is in how many the client is, or wants to be.
func (c *Client) namespaces() int {
	n := len(c.more)
	if c.first != nil {
		n++
	}
	if c.rest != nil {
		n += len(c.rest.pending)
	}
	return n
}

func (c *Client) noNamespace(name string, err error) {
	if errors.Is(err, rooms.ErrTooManyNamespaces) {
		c.srv.stats.NamespacesLimited.Add(1)
		c.srv.noteRefused(whyNamespaces)
		c.session.Send(c.dialect.refuse(name, "Too many namespaces", nil), false)
		return
	}
	c.srv.stats.InvalidNamespaces.Add(1)
	c.srv.noteRefused(whyNoNamespace)
	c.session.Send(c.dialect.invalidNamespace(name), false)
}

// ask asks whether the new socket s may connect.
func (c *Client) ask(s *Socket, q *rooms.Question) {
	pid := c.name(s)
	q.Socket = s.ID()
	verdict, ok := c.srv.cfg.Admitter.Admit(q, func(v rooms.Verdict) {
		c.enter()
		defer c.exit()
		c.decided(s, q, pid, v)
	})
	if ok {
		c.decided(s, q, pid, verdict)
	}
}

// name gives a new socket its id. The private id is empty if the socket cannot
// be recovered.
func (c *Client) name(s *Socket) (pid string) {
	switch {
	case c.dialect == dialectOld: // it believes that this is its id (PROTOCOL 2.7)
		s.Init(rooms.SocketID(c.session.ID()))
	case logOf(s.namespace) == nil:
		s.Init(rooms.NewSocketID())
	default:
		var id rooms.SocketID
		pid, id = newPrivateID()
		s.Init(id)
	}
	return pid
}

func (c *Client) isPending(name string) bool {
	return c.rest != nil && slices.ContainsFunc(c.rest.pending, func(s *Socket) bool {
		return s.namespace.Name() == name
	})
}

// settle takes s off the pending ones; false: the client has gone meanwhile, and
// s with it.
func (c *Client) settle(s *Socket) bool {
	if !c.waits(s) {
		return false
	}
	c.rest.pending = slices.DeleteFunc(c.rest.pending, func(o *Socket) bool { return o == s })
	return true
}

// waits reports whether s is still to be decided on.
func (c *Client) waits(s *Socket) bool {
	return !c.over && c.rest != nil && slices.Contains(c.rest.pending, s) && !c.session.Closed()
}

// tidy lets go of what says nothing any more.
func (c *Client) tidy() {
	if r := c.rest; r != nil && r.assembly == nil && len(r.pending) == 0 && len(r.held) == 0 && len(r.left) == 0 {
		c.rest = nil
	}
}

// decided carries out the answer to a question.
func (c *Client) decided(s *Socket, q *rooms.Question, pid string, v rooms.Verdict) {
	if !c.settle(s) {
		return
	}
	if v.Refused {
		c.srv.stats.Refused.Add(1)
		c.srv.noteRefused(whyNotAdmitted)
		s.namespace.Exit()
		c.session.Send(c.dialect.refuse(q.Namespace, v.Message, v.ErrorData), false)
	} else {
		s.user = v.User
		s.keep(v.Data, c.srv.keptAuth(q.Auth))
		if pid != "" {
			s.lasting = newRecoverable(logOf(s.namespace)) // now, as what was emitted before is not for it
		}
		c.accept(s, q, &welcome{pid: pid, rooms: v.Rooms, grant: v.Grant})
	}
	c.tidy()
}

// welcome is what a socket that may connect begins with.
type welcome struct {
	pid       string
	rooms     []string
	grant     any              // Verdict.Grant
	missed    []*rooms.Message // told before the client hears that it is connected
	recovered bool
}

// accept connects the socket. The session is corked meanwhile: the CONNECT
// packet is the first thing that the client hears in this namespace, but for
// what it has missed, and by then the rooms hold and the subscribers have been
// told.
func (c *Client) accept(s *Socket, q *rooms.Question, w *welcome) {
	now := time.Now()
	s.connectedAt = now.UnixMilli()
	name, id := q.Namespace, s.ID()
	c.rest.left = slices.DeleteFunc(c.rest.left, func(n string) bool { return n == name })
	c.session.SetAlarm(0)
	c.session.Cork()
	for _, m := range w.missed {
		c.session.Send(c.dialect.event(name, m), false)
	}
	c.session.Send(c.dialect.connect(name, id.String(), w.pid), false)
	if err := s.namespace.Add(s, s.user, w.rooms); err != nil {
		// Two of 2^120 random ids were the same, or the code is wrong.
		c.srv.cfg.Logger.Error("socket cannot be added", "error", err)
		s.namespace.Exit()
		c.session.Uncork()
		c.session.Close()
		return
	}
	c.add(s)
	c.srv.stats.Connected.Add(1)
	info := s.info(c.srv.shown(q.Handshake))
	info.Grant = w.grant
	flow := c.srv.cfg.Observer.Observe(&rooms.Event{
		Kind: rooms.KindConnected, Namespace: name, Socket: id, User: s.user, Time: now,
		Info: &info, Auth: q.Auth, Recovered: w.recovered,
	})
	c.follow(s, flow)
	c.session.Uncork()
}
