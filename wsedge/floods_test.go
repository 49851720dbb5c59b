package wsedge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// The further inputs of PROTOCOL 9 that belong to the Socket.IO server, over real connections.

// CONNECTs to unknown names are each refused and leave nothing.
func TestFurtherInput_NamespaceFlood_UnknownNames(t *testing.T) {
	h := start(t)
	b := h.bystander()
	p, _ := h.join("/")
	flood := func(from, to int) {
		for i := from; i < to; i++ {
			p.send(fmt.Sprintf("40/nothing-%d,", i))
			p.expect(fmt.Sprintf(`44/nothing-%d,{"message":"Invalid namespace"}`, i))
		}
	}
	flood(0, 500)
	before := heap()
	flood(500, 10_000)
	const bound = 4 << 20
	if grown := heap() - before; grown > bound {
		t.Errorf("%d bytes more", grown)
	}
	if s := h.server.Stats(); s.InvalidNamespaces != 10_000 || len(h.hub.Namespaces()) != 3 {
		t.Errorf("%d counted, %d namespaces", s.InvalidNamespaces, len(h.hub.Namespaces()))
	}
	b.isWell()
}

// CONNECTs to dynamic names are bounded for each client, and in all.
func TestFurtherInput_NamespaceFlood_DynamicNames(t *testing.T) {
	const each, all = 10, 25
	dynamic := rooms.HubConfig{Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+"}, MaxDynamic: all}
	h := startWith(t, dynamic, func(c *Config) { c.MaxNamespaces = each })
	b := h.bystander()
	var floods []*peer
	accepted, refused := 0, 0
	for client := range 4 {
		p, _ := h.join("/")
		floods = append(floods, p)
		for i := range 100 {
			name := fmt.Sprintf("/room-%d", client*100+i)
			p.send("40" + name + ",")
			if got := p.next(); strings.HasPrefix(got, "40"+name+",{") {
				h.event(rooms.KindConnected)
				accepted++
			} else if got == "44"+name+`,{"message":"Too many namespaces"}` {
				refused++
			} else {
				t.Fatal(got)
			}
		}
		if most := (client + 1) * (each - 1); accepted != min(most, all) {
			t.Fatalf("%d after client %d", accepted, client)
		}
	}
	if n := h.server.Stats().NamespacesLimited; accepted != all || n != uint64(refused) || len(h.hub.Namespaces()) != 2+all {
		t.Errorf("%d accepted, %d refused, %d counted, %d namespaces", accepted, refused, n, len(h.hub.Namespaces()))
	}
	b.isWell()
	for _, p := range floods {
		p.frame(ws.OpClose, nil)
		p.expect("close 1005")
	}
	h.until(func() bool { return len(h.hub.Namespaces()) == 2 })
}

// A client whose every namespace the server ends, one after the other, is not remembered for all of them.
func TestFurtherInput_NamespaceFlood_EndedByTheServer(t *testing.T) {
	const bound = 5
	h := startWith(t, rooms.HubConfig{Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+"}},
		func(c *Config) { c.MaxNamespaces = bound })
	b := h.bystander()
	p, id := h.join("/")
	m, _ := h.namespace("/").Member(id)
	client := m.(*Socket).client
	for i := range 200 {
		name := fmt.Sprintf("/room-%d", i)
		in, _ := h.namespaceMember(p, name)
		in.Disconnect(false)
		p.expect("41" + name + ",")
		h.event(rooms.KindDisconnected)
		client.enter()
		n := len(client.rest.left)
		client.exit()
		if n > bound {
			t.Fatalf("%d names are remembered", n)
		}
	}
	p.send(`42/room-199,["late"]`) // sent before the end was heard: dropped
	p.send(`42["in time"]`)
	if got := describe(h.event(rooms.KindEvent)); got != "event / in time() []" {
		t.Error(got)
	}
	b.isWell()
}

// namespaceMember connects p and returns its socket there.
func (h *harness) namespaceMember(p *peer, name string) (rooms.Member, rooms.SocketID) {
	h.t.Helper()
	id := p.connect(name, "")
	h.event(rooms.KindConnected)
	m, ok := h.namespace(name).Member(id)
	if !ok {
		h.t.Fatalf("no socket in %s", name)
	}
	return m, id
}

// Events that want acks are bounded: the oldest wants are given up, the newest can be answered.
func TestFurtherInput_AckFlood_EventsThatWantAnswers(t *testing.T) {
	const bound, sent = 16, 5000
	h := start(t, func(c *Config) { c.MaxPendingAcks = bound })
	b := h.bystander()
	p, id := h.join("/")
	m, _ := h.namespace("/").Member(id)
	for i := range sent {
		p.send(fmt.Sprintf(`42%d["q"]`, i))
		h.event(rooms.KindEvent)
	}
	s := m.(*Socket)
	s.mu.Lock()
	n, room := len(s.acks.wanted), cap(s.acks.wanted)
	s.mu.Unlock()
	if n != bound || room > 2*bound {
		t.Errorf("%d wanted, room for %d", n, room)
	}
	if n := h.server.Stats().AcksExpired; n != sent-bound {
		t.Errorf("%d expired", n)
	}
	if err := m.Reply(sent-bound-1, nil, nil); err != rooms.ErrAckUnknown {
		t.Error(err)
	}
	for i := sent - bound; i < sent; i++ {
		if err := m.Reply(uint64(i), nil, nil); err != nil {
			t.Fatal(err)
		}
		p.expect(fmt.Sprintf(`43%d[]`, i))
	}
	b.isWell()
}

// Acks that nobody waits for are dropped without a trace.
func TestFurtherInput_AckFlood_UnknownAcks(t *testing.T) {
	h := start(t)
	b := h.bystander()
	p, id := h.join("/")
	m, _ := h.namespace("/").Member(id)
	for i := range 20_000 {
		p.send(fmt.Sprintf(`43%d["x"]`, i))
	}
	p.send(`42["after"]`)
	h.event(rooms.KindEvent)
	s := m.(*Socket)
	s.mu.Lock()
	kept := s.acks
	s.mu.Unlock()
	if kept != nil {
		t.Errorf("%+v is kept", kept)
	}
	if st := h.server.Stats(); st.Violations+st.Malformed != 0 || st.Events != 1 {
		t.Errorf("%+v", st)
	}
	b.isWell()
}

// Outstanding EmitWithAck to a client that never answers are bounded, each refused one is told so at once, and the end
// of the client ends the rest.
func TestFurtherInput_AckFlood_OutstandingCalls(t *testing.T) {
	const bound = 16
	h := start(t, func(c *Config) { c.MaxPendingAcks = bound })
	b := h.bystander()
	p, _ := h.join("/")
	var calls []*rooms.AckCall
	for range 5 * bound {
		calls = append(calls, h.namespace("/").EmitWithAck(rooms.Target{}, &rooms.Message{Event: "q"}))
	}
	onlyGone(t, calls[bound:])
	if n := h.server.Stats().AcksRefused; n != 4*bound {
		t.Errorf("%d refused", n)
	}
	for i := range bound {
		p.expect(fmt.Sprintf(`42%d["q"]`, i+1))
	}
	p.frame(ws.OpClose, nil)
	h.event(rooms.KindDisconnected)
	onlyGone(t, calls[:bound])
	b.isWell()
}

// onlyGone fails unless each call, made to one socket, ends with the news that the socket does not answer.
func onlyGone(t *testing.T, calls []*rooms.AckCall) {
	t.Helper()
	for i, call := range calls {
		n := 0
		for a := range call.Answers() {
			if n++; !a.Gone {
				t.Errorf("call %d answered %+v", i, a)
			}
		}
		if n != 1 {
			t.Errorf("call %d ended with %d answers", i, n)
		}
	}
}

// JSON and MessagePack that nest too deep end the session, in an event, in an ack and in an auth payload; what nests
// just within the bound does not.
func TestFurtherInput_DeepJSON(t *testing.T) {
	const depth = 64 // around a value, the packet's own array included
	h := start(t, allowOld)
	b := h.bystander()
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	packs := func(n int) string { return "\x92\xa1a" + strings.Repeat("\x91", n-1) + "\x90" }
	for dialect, open := range speakers {
		p := open(h)
		says(p, dialect, `42["a",`+nest(depth-1)+`]`, packs(depth-1))
		if e := h.event(rooms.KindEvent); string(e.Args) != nest(depth-1) {
			t.Errorf("%s: %s", dialect, e.Args)
		}
		says(p, dialect, `42["a",`+nest(depth)+`]`, packs(depth))
		endsMalformed(h, p)
		for _, n := range []int{100_000, 400_000} {
			p = open(h)
			says(p, dialect, `42["a",`+nest(n)+`]`, packs(n))
			endsMalformed(h, p)
		}
	}
	for _, text := range []string{`431[` + nest(depth) + `]`, `40/chat,{"a":` + nest(depth) + `}`, `42["a",` + strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth) + "]"} {
		p, _ := h.join("/")
		p.send(text)
		endsMalformed(h, p)
	}
	b.isWell()
}

// protoKeys are the names that mean something to JavaScript's objects.
var protoKeys = []string{"__proto__", "constructor", "toString", "hasOwnProperty", "prototype"}

// They are names like any other: as keys and event names they pass through untouched, both ways, as namespaces they do
// not exist, and in an auth payload admission sees them as they came.
func TestFurtherInput_ProtoKeys(t *testing.T) {
	ask := make(asker, 100)
	h := start(t, func(c *Config) { c.Admitter = ask })
	p := h.open()
	auth := `{"__proto__":{"admin":true},"constructor":{"prototype":{}},"toString":"x"}`
	p.send("40" + auth)
	q := <-ask
	if string(q.Auth) != auth {
		t.Errorf("auth %s", q.Auth)
	}
	q.answer(rooms.Verdict{})
	if got := p.next(); !strings.HasPrefix(got, `40{"sid":"`) {
		t.Fatal(got)
	}
	h.event(rooms.KindConnected)
	for _, key := range protoKeys {
		args := `{"` + key + `":{"` + key + `":1}}`
		p.send(`42["` + key + `",` + args + `]`)
		if e := h.event(rooms.KindEvent); e.Name != key || string(e.Args) != args {
			t.Error(describe(e))
		}
		h.emit("/", rooms.Target{}, key, args)
		p.expect(`42["` + key + `",` + args + `]`)
		p.send("40/" + key + ",")
		p.expect(`44/` + key + `,{"message":"Invalid namespace"}`)
	}
	p.send(`42/__proto__,["x"]`) // an event to a namespace that was not joined
	p.expect("close 1005")
	h.event(rooms.KindDisconnected)
}

// Clients of every dialect and over polling that come and break off, some in the midst of a packet, leave nothing.
func TestFurtherInput_Churn_EveryDialect(t *testing.T) {
	h := start(t, allowOld)
	before := h.warm()
	for range 30 {
		for dialect, open := range speakers {
			p := open(h)
			says(p, dialect, `451-7["a",{"_placeholder":true,"num":0}]`, "\x91\xa1a")
			if dialect == "MessagePack" {
				h.event(rooms.KindEvent)
			}
			p.conn.Close()
			h.event(rooms.KindDisconnected)
		}
		p := h.openPolling()
		p.post("40")
		h.event(rooms.KindConnected)
		p.post("1")
		h.event(rooms.KindDisconnected)
		p.client.CloseIdleConnections()
	}
	h.leftNothing(before)
	if n := h.namespace("/").Count(rooms.Target{}); n != 0 {
		t.Errorf("%d sockets", n)
	}
}

// With recovery on, churn keeps what may come back for MaxAge, and nothing after it.
func TestFurtherInput_Churn_WithRecovery(t *testing.T) {
	const clients = 200
	recovering(t, RecoveryConfig{MaxAge: time.Minute}, func(t *testing.T, h *harness) {
		for range clients {
			g := h.guest("/room-1")
			h.emit("/room-1", rooms.Target{}, "m", `"text"`)
			g.takes(`+["m","text"]`)
			g.cut()
		}
		if s := h.server.Stats(); s.SocketsAway != clients || s.RecoveryBytes == 0 {
			t.Errorf("%d away, %d bytes", s.SocketsAway, s.RecoveryBytes)
		}
		<-time.After(3 * time.Minute)
		for range clients {
			h.event(rooms.KindExpired)
		}
		if s := h.server.Stats(); s.SocketsAway != 0 || s.RecoveryBytes != 0 || s.Expired != clients || s.Sessions != 0 {
			t.Errorf("%d away, %d bytes, %d expired, %d sessions", s.SocketsAway, s.RecoveryBytes, s.Expired, s.Sessions)
		}
		if n := len(h.hub.Namespaces()); n != len(testNamespaces.Namespaces) {
			t.Errorf("%d namespaces", n)
		}
	})
}

// The same of clients of the other dialects.
func TestFurtherInput_ProtoKeys_OtherDialects(t *testing.T) {
	h := start(t, allowOld)
	b := h.bystander()
	for _, key := range protoKeys {
		str := string([]byte{0xa0 | byte(len(key))}) + key
		for _, dialect := range []string{"MessagePack", "revision 4"} {
			p := speakers[dialect](h)
			says(p, dialect, `42["`+key+`",{"`+key+`":1}]`, "\x92"+str+"\x81"+str+"\x01")
			if e := h.event(rooms.KindEvent); e.Name != key || string(e.Args) != `{"`+key+`":1}` {
				t.Errorf("%s: %s", dialect, describe(e))
			}
			p.frame(ws.OpClose, nil)
			h.event(rooms.KindDisconnected)
		}
		p := h.openMsgpack("/")
		p.frame(ws.OpBinary, msgpackConnect("/"+key))
		p.expect(inHex(socketio.AppendMsgpackConnectError(nil, "/"+key, "Invalid namespace", nil)))
		old, _ := h.openOld()
		old.send("40/" + key + ",")
		old.expect("44/" + key + `,{"message":"Invalid namespace"}`)
	}
	b.isWell()
}
