package wsedge

import (
	"slices"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// holds says how often a socket is held. While a client has one that is, its
// session is paused: what it sends is left where TCP holds it back (I4).
type holds struct {
	socket *Socket
	n      int // at least 1
}

// follow does to the client of s what whoever heard of its event wants.
func (c *Client) follow(s *Socket, f rooms.Flow) {
	if f.Holds <= 0 {
		return
	}
	c.srv.stats.Holds.Add(uint64(f.Holds))
	r := c.other()
	if i := r.heldAt(s); i >= 0 {
		r.held[i].n += f.Holds
		return
	}
	r.held = append(r.held, holds{s, f.Holds})
	if len(r.held) == 1 {
		c.session.Pause()
	}
}

// held reports whether nothing that the client sends may be handled.
func (c *Client) held() bool { return c.rest != nil && len(c.rest.held) > 0 }

// heldAt finds a socket among those that are held, -1 if it is not.
func (r *clientRest) heldAt(s *Socket) int {
	return slices.IndexFunc(r.held, func(h holds) bool { return h.socket == s })
}

// letGo takes back n holds of s, or all that there are if they are fewer.
func (c *Client) letGo(s *Socket, n int) {
	if !c.held() {
		return
	}
	i := c.rest.heldAt(s)
	if i < 0 {
		return
	}
	if c.rest.held[i].n > n {
		c.rest.held[i].n -= n
		return
	}
	c.rest.held = slices.Delete(c.rest.held, i, i+1)
	if len(c.rest.held) == 0 {
		c.rest.held = nil
		c.session.Resume()
		c.tidy()
	}
}

// letGoAll takes back every hold of a socket that has left.
func (c *Client) letGoAll(s *Socket) {
	if c.held() {
		if i := c.rest.heldAt(s); i >= 0 {
			c.letGo(s, c.rest.held[i].n)
		}
	}
}

// Resume takes back one hold that an Observer asked for (rooms.Flow). What the client has sent meanwhile is handled once
// none is left for any of its sockets: by whoever reads its session, not within the call. Without effect if the socket has
// none, as it is unknown or has gone. It may be called before the Observe that asks for the hold has returned; it waits for
// the Observe calls of that client that are under way, and may itself tell the Observer of the client's end. Therefore no
// lock may be held that an Observer takes, and Observe must not call it.
//
// A socket that is recovered keeps its id and no hold: a call that was meant for one from before may take back a later one.
func (s *Server) Resume(namespace string, id rooms.SocketID) {
	n, ok := s.cfg.Hub.Namespace(namespace)
	if !ok {
		return
	}
	m, _ := n.Member(id)
	if socket, ok := m.(*Socket); ok {
		c := socket.client
		c.enter()
		defer c.exit()
		c.letGo(socket, 1)
	}
}

// refusal is what becomes of a rooms.Refusal: the reason that clients see, and its text.
type refusal struct {
	of              rooms.Refusal
	reason, message string
}

var refusals = [...]refusal{
	{rooms.RefusedOverloaded, "OVERLOADED", "the server is overloaded"},
	{rooms.RefusedNotAllowed, "NOT_ALLOWED", "the event is not allowed"},
}

// refuse tells the client that its event was not accepted, if it wants an answer
// and nobody has given one. A refusal that is not known counts as the first.
func (c *Client) refuse(s *Socket, p *socketio.Packet, why rooms.Refusal) {
	i := max(slices.IndexFunc(refusals[:], func(r refusal) bool { return r.of == why }), 0)
	c.srv.stats.refusedBy[i].Add(1)
	if !p.HasID || !s.unwant(p.ID) {
		return
	}
	args := `{"error":{"reason":"` + refusals[i].reason + `","message":"` + refusals[i].message + `"}}`
	s.send(s.dialect.ack(s.namespace.Name(), p.ID, []byte(args), nil), false)
}
