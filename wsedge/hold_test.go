package wsedge

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// valve is an Observer that holds and refuses by the name of the event: "hold" and "hold twice", "full" and "forbidden".
// A socket of /admin is held from its beginning.
type valve struct{ Observer }

// Observe implements Observer.
func (v *valve) Observe(e *rooms.Event) rooms.Flow {
	v.Observer.Observe(e)
	switch {
	case e.Kind == rooms.KindConnected && e.Namespace == "/admin":
		return rooms.Flow{Holds: 1}
	case e.Kind == rooms.KindDisconnected:
		return rooms.Flow{Holds: 9}
	}
	return map[string]rooms.Flow{
		"hold": {Holds: 1}, "hold twice": {Holds: 2}, "full": {Refused: rooms.RefusedOverloaded}, "forbidden": {Refused: rooms.RefusedNotAllowed},
		"full and hold": {Refused: rooms.RefusedOverloaded, Holds: 1}, "strange": {Refused: "strange"},
	}[e.Name]
}

func withValve(c *Config) { c.Observer = &valve{c.Observer} }

// names expects events of these names, in order.
func (h *harness) names(want ...string) {
	h.t.Helper()
	for _, w := range want {
		if e := h.event(rooms.KindEvent); e.Name != w {
			h.t.Fatalf("heard %q, want %q", e.Name, w)
		}
	}
}

// silent fails if something was observed.
func (h *harness) silent() {
	h.t.Helper()
	select {
	case e := <-h.events:
		h.t.Fatalf("observed %s", describe(e))
	default:
	}
}

// paused waits until so many sessions are paused.
func (h *harness) paused(want int) {
	h.t.Helper()
	for by := time.Now().Add(patience); h.server.Stats().Paused != want; <-time.After(time.Millisecond) {
		if time.Now().After(by) {
			h.t.Fatalf("%d sessions are paused, want %d", h.server.Stats().Paused, want)
		}
	}
}

// batch writes texts in one go, as one read brings them.
func (p *peer) batch(texts ...string) {
	p.t.Helper()
	var b []byte
	for _, text := range texts {
		b = append(b, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))...)
	}
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// I4: behind an event that holds the client nothing is heard of it, while messages reach it; at the last Resume all comes
// in order.
func TestI4HeldClientIsNotRead(t *testing.T) {
	h := start(t, withValve)
	p, id := h.join("/")
	p.batch(`42["a"]`, `42["hold twice"]`, `42["b"]`, `42["hold"]`, `42["c"]`)
	h.names("a", "hold twice")
	h.paused(1)
	p.batch(`42["d"]`, `42["e"]`)
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "down"})
	p.expect(`42["down"]`)
	h.server.Resume("/", id) // one of two
	h.server.Resume("/chat", id)
	h.server.Resume("/", rooms.NewSocketID())
	h.server.Resume("/nowhere", id)
	h.silent()
	h.server.Resume("/", id)
	h.names("b", "hold")
	h.paused(1)
	h.silent()
	h.server.Resume("/", id)
	h.names("c", "d", "e")
	h.paused(0)
	h.server.Resume("/", id) // none is left, and none is saved for later
	p.batch(`42["hold"]`, `42["f"]`)
	h.names("hold")
	h.paused(1)
	h.silent()
	if s := h.server.Stats(); s.Holds != 4 {
		t.Errorf("%d holds", s.Holds)
	}
}

// A session is held while one of its sockets is; what ends a socket ends its holds and no others.
func TestI4HoldsAreCountedPerSocket(t *testing.T) {
	h := start(t, withValve)
	p, root := h.join("/")
	chat := p.connect("/chat", "")
	h.event(rooms.KindConnected)
	p.batch("40/admin,", `42["a"]`)
	h.event(rooms.KindConnected) // which holds
	p.next()
	h.paused(1)
	admin := h.only("/admin")
	h.server.Resume("/", root)
	h.server.Resume("/chat", chat)
	h.silent()
	h.server.Resume("/admin", admin.ID())
	h.names("a")

	p.batch(`42/chat,["hold"]`, `42["b"]`, `42/chat,["late"]`, `42["hold"]`, `42["c"]`)
	h.names("hold")
	h.paused(1)
	h.only("/chat").Disconnect(false)
	if e := h.event(rooms.KindDisconnected); e.Namespace != "/chat" {
		t.Errorf("%s", describe(e))
	}
	p.expect("41/chat,")
	h.names("b", "hold")
	h.paused(1)
	h.only("/admin").Disconnect(false)
	h.event(rooms.KindDisconnected)
	h.silent()
	h.server.Resume("/", root)
	h.names("c")
	h.paused(0)
}

// only is the one socket of a namespace.
func (h *harness) only(namespace string) *Socket {
	h.t.Helper()
	members := h.namespace(namespace).Select(nil, rooms.Target{})
	if len(members) != 1 {
		h.t.Fatalf("%d sockets in %s", len(members), namespace)
	}
	return members[0].(*Socket)
}

// A session that is held ends as any other does, and nothing of what waited is heard.
func TestEndOfAHeldSession(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(h *harness, p *peer)
		heard  []string // before the end
		reason rooms.Reason
		says   []string
	}{
		"disconnected": {func(h *harness, _ *peer) { h.only("/").Disconnect(false) }, nil, rooms.ReasonServerDisconnect, []string{"41"}},
		"kicked":       {func(h *harness, _ *peer) { h.only("/").Disconnect(true) }, nil, rooms.ReasonServerDisconnect, []string{"41", "close 1005", "end"}},
		"shut down": {func(h *harness, _ *peer) { h.server.transport.Sessions()[0].Handler().(*Client).shutDown() }, nil,
			rooms.ReasonShuttingDown, []string{"close 1005", "end"}},
		"closed by the client": {func(h *harness, p *peer) {
			p.frame(ws.OpClose, nil)
			h.silent()
			h.server.Resume("/", h.only("/").ID())
		}, []string{"late", "later"}, rooms.ReasonTransportClose, []string{"close 1005"}},
		"cut by the client": {func(h *harness, p *peer) {
			p.conn.(*net.TCPConn).CloseWrite()
			h.silent()
			h.server.Resume("/", h.only("/").ID())
		}, []string{"late", "later"}, rooms.ReasonTransportClose, nil},
		"reset by the client": {func(h *harness, p *peer) {
			p.conn.(*net.TCPConn).SetLinger(0)
			p.conn.Close()
			for h.server.Stats().Sessions > 0 { // the kernel says so, or what is sent does
				h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "down"})
				<-time.After(time.Millisecond)
			}
		}, nil, rooms.ReasonTransportClose, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, withValve)
			p, id := h.join("/")
			p.batch(`42["hold"]`, `42["late"]`)
			h.names("hold")
			p.batch(`42["later"]`)
			h.paused(1)
			c.end(h, p)
			h.names(c.heard...)
			if e := h.event(rooms.KindDisconnected); e.Reason != c.reason {
				t.Errorf("%s, want %s", describe(e), c.reason)
			}
			for _, want := range c.says {
				got := p.next()
				for got == `42["down"]` {
					got = p.next()
				}
				if got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if got == "close 1005" && c.heard == nil {
					p.frame(ws.OpClose, nil)
				}
			}
			h.paused(0)
			h.server.Resume("/", id)
		})
	}
}

// A POST that is being handled when the hold comes is answered after the last Resume, others as well; polls are answered.
func TestI4HeldPolling(t *testing.T) {
	for name, revision := range map[string]string{"4": "4", "3": "3"} {
		t.Run("revision "+name, func(t *testing.T) {
			h := start(t, withValve, allowOld)
			p := h.openPollingOf(revision)
			id := h.only("/").ID()
			wrap := func(packets ...string) string {
				if revision == "4" {
					return strings.Join(packets, "\x1e")
				}
				var b strings.Builder
				for _, packet := range packets {
					fmt.Fprintf(&b, "%d:%s", len(packet), packet)
				}
				return b.String()
			}
			answers := make(chan string, 1)
			post := func(packets ...string) {
				go func() {
					status, body, err := p.try("POST", p.query(), wrap(packets...))
					answers <- fmt.Sprint(status, body, err)
				}()
			}
			post(`42["a"]`, `42["hold twice"]`, `42["b"]`)
			h.names("a", "hold twice")
			h.paused(1)
			h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "down"})
			if got := p.get(); got != wrap(`42["down"]`) {
				t.Errorf("polled %q", got)
			}
			h.server.Resume("/", id)
			h.silent()
			if len(answers) != 0 {
				t.Errorf("answered %q", <-answers)
			}
			h.server.Resume("/", id)
			h.names("b")
			if got := <-answers; got != "200ok<nil>" {
				t.Errorf("answered %q", got)
			}
			post(`42["c"]`, `42["hold"]`) // the last one holds
			h.names("c", "hold")
			h.paused(1)
			if len(answers) != 0 {
				t.Errorf("answered %q", <-answers)
			}
			h.only("/").Disconnect(true)
			h.event(rooms.KindDisconnected)
			if got := <-answers; got != "200ok<nil>" {
				t.Errorf("answered %q", got)
			}
			h.paused(0)
		})
	}
}

// openPollingOf begins a polling session of a revision, in "/", and fetches what it begins with.
func (h *harness) openPollingOf(revision string) *poller {
	h.t.Helper()
	if revision == "4" {
		p := h.openPolling()
		p.post("40")
		h.event(rooms.KindConnected)
		p.get()
		return p
	}
	p := h.poller()
	_, body := p.do("GET", "EIO=3&transport=polling", "")
	_, sid, _ := strings.Cut(body, `"sid":"`)
	p.sid, p.revision = sid[:20], "3"
	h.event(rooms.KindConnected)
	return p
}

// A POST that comes during a pause waits before its body is read, JSONP as any other; the end of the session releases it.
func TestI4PostDuringAPause(t *testing.T) {
	for name, c := range map[string]struct{ query, body string }{
		"plain": {"", `42["late"]`},
		"jsonp": {"&j=0", `d=42%5B%22late%22%5D`},
	} {
		for ending, end := range map[string]func(*harness, rooms.SocketID){
			"resumed": func(h *harness, id rooms.SocketID) { h.server.Resume("/admin", id) },
			"ended":   func(h *harness, _ rooms.SocketID) { h.only("/admin").Disconnect(true) },
		} {
			t.Run(name+" "+ending, func(t *testing.T) {
				h := start(t, withValve)
				p := h.openPolling()
				p.post("40")
				h.event(rooms.KindConnected)
				hold := make(chan int, 1)
				go func() {
					status, _, _ := p.try("POST", p.query(), "40/admin,") // holds
					hold <- status
				}()
				h.event(rooms.KindConnected)
				h.paused(1)
				id := h.only("/admin").ID()
				// A second POST would be against the rules: this one has to be answered before the next pause.
				h.server.Resume("/admin", id)
				if status := <-hold; status != 200 {
					t.Errorf("answered %d", status)
				}
				session := h.server.transport.Sessions()[0]
				client := session.Handler().(*Client)
				client.recv.Lock() // held by nothing that it has sent
				client.follow(client.socket([]byte("/admin")), rooms.Flow{Holds: 1})
				client.recv.Unlock()
				h.paused(1)
				answers := make(chan string, 1)
				go func() {
					req, _ := http.NewRequest("POST", "http://x/socket.io/?"+p.query()+c.query, strings.NewReader(c.body))
					req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					resp, err := p.client.Do(req)
					if err != nil {
						answers <- err.Error()
						return
					}
					resp.Body.Close()
					answers <- resp.Status
				}()
				p.get() // the CONNECT answers
				h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "down"})
				if got := p.get(); got != `42["down"]` {
					t.Errorf("polled %q", got)
				}
				h.silent()
				end(h, id)
				if ending == "resumed" {
					h.names("late")
				} else {
					h.event(rooms.KindDisconnected)
					h.event(rooms.KindDisconnected)
				}
				if got := <-answers; got != "200 OK" {
					t.Errorf("answered %q", got)
				}
			})
		}
	}
}

// PROTOCOL 1.6: an upgrade is completed while the client is held, and the WebSocket is held then.
func TestI4UpgradeDuringAPause(t *testing.T) {
	h := start(t, withValve)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	client := h.server.transport.Sessions()[0].Handler().(*Client)
	socket := h.only("/")
	client.recv.Lock()
	client.follow(socket, rooms.Flow{Holds: 1})
	client.recv.Unlock()
	w := h.webSocket(p.upgradeQuery())
	w.send("2probe")
	w.expect("3probe")
	w.batch("5", `42["a"]`, `42["b"]`)
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "down"})
	w.expect(`42["down"]`)
	w.batch(`42["c"]`)
	h.silent()
	h.server.Resume("/", socket.ID())
	h.names("a", "b", "c")
}

// Events that are refused are answered with an error, in the words of the client's dialect, once; they count.
func TestRefusedEvents(t *testing.T) {
	const overloaded, forbidden = `{"error":{"reason":"OVERLOADED","message":"the server is overloaded"}}`,
		`{"error":{"reason":"NOT_ALLOWED","message":"the event is not allowed"}}`
	h := start(t, withValve, allowOld)
	text, id := h.join("/chat")
	packed := h.openMsgpack("/chat")
	old, _ := h.openOld()
	text.batch(`42/chat,7["full",1]`, `42/chat,8["forbidden"]`, `42/chat,["full"]`, `42/chat,9["strange"]`, `42/chat,["hold"]`)
	text.expect(`43/chat,7[`+overloaded+`]`, `43/chat,8[`+forbidden+`]`, `43/chat,9[`+overloaded+`]`)
	h.names("full", "forbidden", "full", "strange", "hold")
	h.paused(1)
	old.send(`423["forbidden"]`)
	old.expect(`433[` + forbidden + `]`)
	// {type: 2, nsp: "/chat", id: 5, data: ["full"]}
	packed.frame(ws.OpBinary, []byte("\x84\xa4type\x02\xa3nsp\xa5/chat\xa2id\x05\xa4data\x91\xa4full"))
	packed.expect(inHex(socketio.AppendMsgpackAck(nil, &socketio.OutEvent{Namespace: "/chat", Args: []byte(overloaded), ID: 5, HasID: true})))
	s := h.server.Stats()
	if s.EventsRefused["OVERLOADED"] != 4 || s.EventsRefused["NOT_ALLOWED"] != 2 || len(s.EventsRefused) != 2 || s.Events != 7 {
		t.Errorf("%v of %d", s.EventsRefused, s.Events)
	}
	m, _ := h.namespace("/chat").Member(id)
	if err := m.Reply(7, nil, nil); err != rooms.ErrAckUnknown {
		t.Errorf("a reply to a refused event: %v", err)
	}
}

// An event that was answered before it was refused has its answer; one that holds as well is answered and holds.
func TestRefusedAfterTheReply(t *testing.T) {
	h := start(t, func(c *Config) { c.Observer = &hasty{Observer: &valve{c.Observer}} })
	p, id := h.join("/")
	h.server.cfg.Observer.(*hasty).m.Store(h.only("/"))
	p.batch(`421["full"]`, `422["full and hold"]`, `42["late"]`)
	p.expect(`431["mine"]`, `432["mine"]`)
	h.names("full", "full and hold")
	h.paused(1)
	h.silent()
	h.server.Resume("/", id)
	h.names("late")
}

// hasty replies to every event before anybody hears of it.
type hasty struct {
	Observer
	m atomic.Pointer[Socket]
}

// Observe implements Observer.
func (r *hasty) Observe(e *rooms.Event) rooms.Flow {
	if s := r.m.Load(); s != nil && e.WantsAck {
		_ = s.Reply(e.AckID, []byte(`"mine"`), nil)
	}
	return r.Observer.Observe(e)
}

// A client that is not held has nothing that says so.
func TestHoldsCostNothingAfterwards(t *testing.T) {
	h := start(t, withValve)
	p, id := h.join("/")
	p.batch(`42["hold"]`, `42["late"]`)
	h.names("hold")
	h.server.Resume("/", id)
	h.names("late")
	c := h.only("/").client
	c.recv.Lock()
	defer c.recv.Unlock()
	if c.rest != nil {
		t.Errorf("%+v is left", c.rest)
	}
}
