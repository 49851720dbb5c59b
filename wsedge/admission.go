package wsedge

import (
	"bytes"
	"slices"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// connect handles a CONNECT packet: the namespace must exist and not be joined,
// then whoever decides about admissions is asked.
func (c *Client) connect(name string, auth []byte) {
	if c.socket([]byte(name)) != nil || c.isPending(name) {
		c.violate()
		return
	}
	namespace, ok := c.srv.cfg.Hub.Namespace(name)
	if !ok {
		c.srv.stats.InvalidNamespaces.Add(1)
		c.refuse(name, "Invalid namespace", nil)
		return
	}
	s := &Socket{client: c, namespace: namespace}
	s.Init(rooms.NewSocketID())
	q := &rooms.Question{
		Namespace: name,
		Socket:    s.ID(),
		Auth:      bytes.Clone(auth),
		Handshake: handshakeOf(c.session),
	}
	c.other().pending = append(c.rest.pending, s)
	verdict, ok := c.srv.cfg.Admitter.Admit(q, func(v rooms.Verdict) {
		c.enter()
		defer c.exit()
		c.decided(s, q, v)
	})
	if ok {
		c.decided(s, q, verdict)
	}
}

func (c *Client) isPending(name string) bool {
	return c.rest != nil && slices.ContainsFunc(c.rest.pending, func(s *Socket) bool {
		return s.namespace.Name() == name
	})
}

// decided carries out the answer to a question. An answer that comes after the
// client has gone finds its socket not pending any more.
func (c *Client) decided(s *Socket, q *rooms.Question, v rooms.Verdict) {
	if c.over || c.ended.Load() != nil || c.rest == nil || !slices.Contains(c.rest.pending, s) {
		return
	}
	c.rest.pending = slices.DeleteFunc(c.rest.pending, func(o *Socket) bool { return o == s })
	if v.Refused {
		c.srv.stats.Refused.Add(1)
		c.refuse(q.Namespace, v.Message, v.ErrorData)
	} else {
		c.accept(s, q, v)
	}
	if r := c.rest; r.assembly == nil && len(r.pending) == 0 && len(r.left) == 0 {
		c.rest = nil
	}
}

func (c *Client) refuse(namespace, message string, data []byte) {
	c.session.Send(transport.Prepare(len(namespace)+len(message)+len(data)+32, func(dst []byte) []byte {
		return socketio.AppendConnectError(dst, namespace, message, data)
	}, nil), false)
}

// accept connects the socket. The session is corked meanwhile: the CONNECT
// packet is the first thing that the client hears in this namespace, and by
// then the rooms hold and the subscribers have been told.
func (c *Client) accept(s *Socket, q *rooms.Question, v rooms.Verdict) {
	now := time.Now()
	s.user, s.data, s.connectedAt = v.User, v.Data, now.UnixMilli()
	name, id := q.Namespace, s.ID()
	c.rest.left = slices.DeleteFunc(c.rest.left, func(n string) bool { return n == name })
	c.session.SetAlarm(0)
	c.session.Cork()
	c.session.Send(transport.Prepare(len(name)+48, func(dst []byte) []byte {
		return socketio.AppendConnect(dst, name, id.String(), "")
	}, nil), false)
	if err := s.namespace.Add(s, v.User, v.Rooms); err != nil {
		// Two of 2^120 random ids were the same, or the code is wrong.
		c.srv.cfg.Logger.Error("socket cannot be added", "error", err)
		c.session.Uncork()
		c.session.Close()
		return
	}
	c.add(s)
	c.srv.stats.Connected.Add(1)
	info := rooms.Info{
		ID: id, Namespace: name, User: v.User, Data: v.Data,
		Transport: c.session.Transport().String(), ConnectedAt: now, Handshake: *q.Handshake,
	}
	info.Rooms, _ = s.namespace.RoomsOf(id)
	c.srv.cfg.Observer.Observe(&rooms.Event{
		Kind: rooms.KindConnected, Namespace: name, Socket: id, User: v.User, Time: now, Info: &info, Auth: q.Auth,
	})
	c.session.Uncork()
}
