package wsedge

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// PROTOCOL 5: same sid, pid, user, rooms and data; what was missed comes first, in order, each with its offset.
func TestProtocol5AClientComesBack(t *testing.T) {
	asked := make(chan *rooms.Question, 10)
	h := startRecovering(t, RecoveryConfig{}, func(c *Config) {
		c.Admitter = admits(func(q *rooms.Question) rooms.Verdict {
			asked <- q
			return rooms.Verdict{User: "ann", Rooms: []string{"a"}, Data: []byte(`{"n":1}`)}
		})
	})
	g := h.guest("/")
	h.namespace("/").Join(rooms.Target{Sockets: []rooms.SocketID{g.id}}, "b")
	h.namespace("/").Leave(rooms.Target{Sockets: []rooms.SocketID{g.id}}, "a")
	h.emit("/", rooms.Target{}, "one", `1,"x"`)
	g.takes(`+["one",1,"x"]`)
	if e := g.cut(); !e.Recoverable || e.Reason != rooms.ReasonTransportClose && e.Reason != rooms.ReasonTransportError {
		t.Errorf("%s, recoverable: %t", describe(e), e.Recoverable)
	}
	h.emit("/", rooms.Target{Rooms: []string{"b"}}, "two", ``)
	h.emit("/", rooms.Target{Users: []string{"ann"}}, "three", `{"a":"b"}`)
	id := g.id
	e := g.returns(`+["two"]`, `+["three",{"a":"b"}]`)
	if e.Info.User != "ann" || !slices.Equal(e.Info.Rooms, []string{"b"}) || string(e.Info.Data) != `{"n":1}` || g.id != id {
		t.Errorf("restored as %+v", e.Info)
	}
	h.emit("/", rooms.Target{Users: []string{"ann"}}, "four", ``)
	h.emit("/", rooms.Target{Rooms: []string{"b"}}, "five", ``)
	g.takes(`+["four"]`, `+["five"]`)
	if len(asked) != 1 {
		t.Errorf("admission was asked %d times", len(asked))
	}
	if s := h.server.Stats(); s.Recovered != 1 || s.Expired != 0 || s.SocketsAway != 0 {
		t.Errorf("%d recovered, %d expired, %d away", s.Recovered, s.Expired, s.SocketsAway)
	}
	// Once more, with what came after the return.
	g.cut()
	g.returns()
}

// admits answers at once.
type admits func(*rooms.Question) rooms.Verdict

func (a admits) Admit(q *rooms.Question, _ func(rooms.Verdict)) (rooms.Verdict, bool) {
	return a(q), true
}

// PROTOCOL 5: a private id and offsets only where there is recovery, and only on what is recorded.
func TestProtocol5OffsetsAreOnRecordedEventsOnly(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/")
	h.emit("/", rooms.Target{Sockets: []rooms.SocketID{g.id}}, "direct", ``)
	g.takes(`+["direct"]`)
	h.volatile("volatile", `1`)
	g.takes(`["volatile",1]`)
	call := h.namespace("/").EmitWithAck(rooms.Target{}, &rooms.Message{Event: "asks"})
	defer call.Cancel()
	g.expect(`421["asks"]`)
	g.send(`420["ask"]`)
	if m, ok := h.namespace("/").Member(h.event(rooms.KindEvent).Socket); !ok || m.Reply(0, []byte(`"a text"`), nil) != nil {
		t.Fatal("no reply")
	}
	g.expect(`430["a text"]`)

	off := start(t)
	p := off.open()
	p.send("40")
	if got := p.next(); !strings.HasPrefix(got, `40{"sid":"`) || strings.Contains(got, "pid") {
		t.Error(got)
	}
	off.emit("/", rooms.Target{}, "plain", ``)
	p.expect(`42["plain"]`)
}

// PROTOCOL 5: clients of revision 3 know of none of it.
func TestProtocol5OldClientsHaveNoPart(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{}, func(c *Config) { c.AllowEIO3 = true })
	p := h.webSocket("EIO=3&transport=websocket")
	p.next()
	p.expect("40")
	h.event(rooms.KindConnected)
	h.emit("/", rooms.Target{}, "e", `1`)
	p.expect(`42["e",1]`)
	p.conn.Close()
	if e := h.event(rooms.KindDisconnected); e.Recoverable {
		t.Error("recoverable")
	}
	if s := h.server.Stats(); s.SocketsAway != 0 {
		t.Errorf("%d away", s.SocketsAway)
	}
}

// PROTOCOL 5: who ends how may come back or may not.
func TestProtocol5WhichEndsAreRecoverable(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*guest)
		want bool
	}{
		"client namespace disconnect": {func(g *guest) { g.send("41") }, false},
		"server namespace disconnect": {func(g *guest) {
			m, _ := g.h.namespace("/").Member(g.id)
			m.Disconnect(false)
		}, false},
		"server namespace disconnect, connection": {func(g *guest) {
			m, _ := g.h.namespace("/").Member(g.id)
			m.Disconnect(true)
		}, false},
		"parse error":     {func(g *guest) { g.frame(ws.OpText, []byte("x")) }, false},
		"transport close": {func(g *guest) { g.frame(ws.OpClose, nil) }, true},
		"forced close":    {func(g *guest) { g.send("49") }, true},
		"violation":       {func(g *guest) { g.send("40") }, true},
		"engine close":    {func(g *guest) { g.frame(ws.OpText, []byte("1")) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := startRecovering(t, RecoveryConfig{})
			g := h.guest("/")
			c.end(g)
			if e := h.event(rooms.KindDisconnected); e.Recoverable != c.want {
				t.Errorf("%s: recoverable %t", describe(e), e.Recoverable)
			}
			h.settled()
			if c.want {
				g.returns()
			} else {
				g.startsAnew()
			}
		})
	}
}

// PROTOCOL 5: what is not known is an ordinary session, of which admission is asked.
func TestProtocol5UnknownClaimsBeginAnew(t *testing.T) {
	asked := 0
	h := startRecovering(t, RecoveryConfig{}, func(c *Config) {
		c.Admitter = admits(func(*rooms.Question) rooms.Verdict { asked++; return rooms.Verdict{} })
	})
	for _, auth := range []string{
		`{"pid":"aaaaaaaaaaaaaaaaaaaa"}`, `{"pid":"aaaaaaaaaaaaaaaaaaaa","offset":"x"}`, `{"pid":"short","offset":"x"}`,
		`{"pid":1}`, `{"pid":"aaaaaaaaaaaaaaaaaaaa","offset":1}`, `{"pid":null,"offset":null}`, `{"token":"t"}`, `{}`,
	} {
		asked = 0
		p := h.open()
		p.connect("/", auth)
		if e := h.event(rooms.KindConnected); e.Recovered || string(e.Auth) != auth || asked != 1 {
			t.Errorf("%s: recovered %t, auth %s, asked %d", auth, e.Recovered, e.Auth, asked)
		}
	}
	// The public id of a socket is no claim on it.
	g := h.guest("/")
	p := h.open()
	p.connect("/", `{"pid":"`+g.id.String()+`"}`)
	if e := h.event(rooms.KindConnected); e.Recovered {
		t.Error("recovered by the public id")
	}
}

// PROTOCOL 5: the replay filter.
func TestProtocol5WhatIsReplayed(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{}, func(c *Config) {
		c.Admitter = admits(func(*rooms.Question) rooms.Verdict { return rooms.Verdict{User: "ann", Rooms: []string{"a", "b"}} })
	})
	g := h.guest("/chat")
	ids := []rooms.SocketID{g.id}
	other := []rooms.SocketID{rooms.NewSocketID()}
	g.cut()
	own := g.id.String()
	var want []string
	for _, c := range []struct {
		name   string
		target rooms.Target
		missed bool
	}{
		{"everyone", rooms.Target{}, true},
		{"a room", rooms.Target{Rooms: []string{"x", "b"}}, true},
		{"another room", rooms.Target{Rooms: []string{"x"}}, false},
		{"the room of the id", rooms.Target{Rooms: []string{own}}, true},
		{"the same, of revision 3", rooms.Target{Rooms: []string{"/chat#" + own}}, true},
		{"of another namespace", rooms.Target{Rooms: []string{"/#" + own}}, false},
		{"the user", rooms.Target{Users: []string{"ann"}}, true},
		{"another user", rooms.Target{Users: []string{"bob"}}, false},
		{"a user as a room", rooms.Target{Rooms: []string{"ann"}}, false},
		{"the socket", rooms.Target{Sockets: ids}, true},
		{"another socket", rooms.Target{Sockets: other}, false},
		{"a union", rooms.Target{Rooms: []string{"x"}, Sockets: ids}, true},
		{"everyone but a room", rooms.Target{ExceptRooms: []string{"a"}}, false},
		{"everyone but another room", rooms.Target{ExceptRooms: []string{"x"}}, true},
		{"a room but its own", rooms.Target{Rooms: []string{"a"}, ExceptRooms: []string{own}}, false},
		{"everyone but it", rooms.Target{ExceptSockets: ids}, false},
		{"everyone but another", rooms.Target{ExceptSockets: other}, true},
	} {
		h.emit("/chat", c.target, c.name, ``)
		if c.missed {
			want = append(want, `+["`+c.name+`"]`)
		}
	}
	h.emit("/", rooms.Target{}, "elsewhere", ``)
	g.returns(want...)
}

// PROTOCOL 5: events with attachments come back whole, and those of other namespaces of the same connection in theirs.
func TestProtocol5BinaryAndNamespaces(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/")
	chat := &guest{h: h, namespace: "/chat", peer: g.peer}
	chat.knock()
	chat.answer()
	h.event(rooms.KindConnected)
	g.conn.Close()
	h.event(rooms.KindDisconnected)
	h.event(rooms.KindDisconnected)
	h.settled()
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{
		Event: "file", Args: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1, 2}}, NoCompress: true,
	})
	h.emit("/chat", rooms.Target{}, "text", `"last"`)
	g.returns(`+["file",{"_placeholder":true,"num":0}]`, "binary 0102")
	chat.peer = g.peer
	chat.knock()
	if recovered, missed := chat.answer(); !recovered || !slices.Equal(missed, []string{`+["text","last"]`}) {
		t.Errorf("recovered %t, missed %q", recovered, missed)
	}
}

// PROTOCOL 5: a client that is cut again before it has read what it missed misses it still.
func TestProtocol5CutDuringTheReplay(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	g := h.guest("/")
	h.emit("/", rooms.Target{}, "m", `1`)
	g.takes(`+["m",1]`)
	g.cut()
	want := []string{}
	for i := range 5 {
		h.emit("/", rooms.Target{}, "m", fmt.Sprint(i))
		want = append(want, fmt.Sprintf(`+["m",%d]`, i))
		g.peer = h.open()
		g.knock()
		if e := h.event(rooms.KindConnected); !e.Recovered {
			t.Fatal("not recovered")
		}
		g.cut()
	}
	g.returns(want...)
}

// PROTOCOL 5, for clients whose parser is MessagePack: the offset that they lack is undefined there.
func TestProtocol5Msgpack(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	connect := func(data string) (p *peer, first string) {
		p = h.open()
		p.frame(ws.OpBinary, []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa4data"+data))
		return p, p.next()
	}
	p, answer := connect("\x80")
	h.event(rooms.KindConnected)
	_, after, _ := strings.Cut(answer, fmt.Sprintf("%x", "\xa3pid\xb4"))
	raw, err := hex.DecodeString(after[:40])
	if err != nil {
		t.Fatal(err)
	}
	pid, id := string(raw), publicID(string(raw)).String()
	want := func(args, offset string) string {
		return inHex(socketio.AppendMsgpackEvent(nil, &socketio.OutEvent{Namespace: "/", Name: "m", Args: []byte(args), Offset: offset}))
	}
	for i, offset := range []string{"\xd4\x00\x00", "\xc0"} {
		p.conn.Close()
		h.event(rooms.KindDisconnected)
		h.settled()
		m := &rooms.Message{Event: "m", Args: fmt.Append(nil, i)}
		h.namespace("/").Emit(rooms.Target{}, m)
		var first string
		p, first = connect("\x82\xa3pid\xb4" + pid + "\xa6offset" + offset)
		if i == 0 {
			if first != want("0", m.Offset) {
				t.Fatalf("got %s, want %s", first, want("0", m.Offset))
			}
			p.expect(inHex(socketio.AppendMsgpackConnect(nil, "/", id, pid)))
		}
		if e := h.event(rooms.KindConnected); !e.Recovered {
			t.Fatalf("offset %x: not recovered", offset)
		}
	}
	h.emit("/", rooms.Target{}, "m", `"live"`)
	for got := p.next(); !strings.Contains(got, fmt.Sprintf("%x", "live")); got = p.next() {
	}
}
