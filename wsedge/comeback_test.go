package wsedge

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// startRecovering is startWith with connection state recovery.
func startRecovering(t testing.TB, cfg RecoveryConfig, edit ...func(*Config)) *harness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRecovering(t, cfg, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, edit...)
}

func serveRecovering(t testing.TB, cfg RecoveryConfig, l net.Listener, dial func() (net.Conn, error), edit ...func(*Config)) *harness {
	t.Helper()
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 2 * time.Minute
	}
	r := NewRecovery(cfg)
	hub, err := rooms.NewHub(rooms.HubConfig{
		Namespaces: testNamespaces.Namespaces, Patterns: []string{"/room-[0-9]+"}, Recorder: r.Recorder,
	})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, hub, l, dial, append([]func(*Config){func(c *Config) { c.Recovery = r }}, edit...)...)
}

// recovering is virtually with connection state recovery.
func recovering(t *testing.T, cfg RecoveryConfig, test func(*testing.T, *harness), edit ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		edit = append(edit, func(c *Config) { c.Engine = "portable" })
		test(t, serveRecovering(t, cfg, l, l.dial, edit...))
	})
}

// guest is a client in one namespace that does with pid and offset what the stock
// client does.
type guest struct {
	*peer
	h         *harness
	namespace string
	id        rooms.SocketID
	pid       string
	offset    *string
}

// guest connects a new one.
func (h *harness) guest(namespace string) *guest {
	h.t.Helper()
	g := &guest{h: h, namespace: namespace}
	g.back()
	h.event(rooms.KindConnected)
	return g
}

func (g *guest) prefix() string {
	if g.namespace == "/" {
		return ""
	}
	return g.namespace + ","
}

// back opens a new connection, says CONNECT on it, and reads up to the answer.
// It returns what came before that.
func (g *guest) back() (recovered bool, missed []string) {
	g.h.t.Helper()
	g.peer = g.h.open()
	g.knock()
	return g.answer()
}

// knock sends CONNECT as the stock client does.
func (g *guest) knock() {
	g.h.t.Helper()
	if g.pid == "" {
		g.send("40" + g.prefix())
		return
	}
	auth, _ := json.Marshal(map[string]any{"pid": g.pid, "offset": g.offset})
	if g.offset == nil {
		auth, _ = json.Marshal(map[string]any{"pid": g.pid})
	}
	g.send("40" + g.prefix() + string(auth))
}

func (g *guest) answer() (recovered bool, missed []string) {
	g.h.t.Helper()
	for {
		packet := g.next()
		rest, ok := strings.CutPrefix(packet, "40"+g.prefix())
		if !ok {
			missed = append(missed, g.event(packet))
			continue
		}
		var answer struct{ SID, PID string }
		if err := json.Unmarshal([]byte(rest), &answer); err != nil || len(answer.PID) != 20 {
			g.h.t.Fatalf("CONNECT answered %q", packet)
		}
		recovered = answer.PID == g.pid
		if recovered != (answer.SID == g.id.String()) {
			g.h.t.Fatalf("pid %s to %s, sid %s to %s", g.pid, answer.PID, g.id, answer.SID)
		}
		g.pid, g.id = answer.PID, rooms.SocketID([]byte(answer.SID))
		return recovered, missed
	}
}

// event reads an event packet: its arguments, and a + in front if it had an offset.
func (g *guest) event(packet string) string {
	g.h.t.Helper()
	text, ok := strings.CutPrefix(packet, "42"+g.prefix())
	if i := strings.IndexByte(packet, '-'); strings.HasPrefix(packet, "45") && i > 0 {
		text, ok = strings.CutPrefix(packet[i+1:], g.prefix())
	}
	var args []json.RawMessage
	if !ok || json.Unmarshal([]byte(text), &args) != nil {
		return packet
	}
	last := string(args[len(args)-1])
	var s string
	if json.Unmarshal([]byte(last), &s) == nil && last != "null" {
		g.offset = &s
		if cut, ok := strings.CutSuffix(text, ","+last+"]"); ok && strings.HasPrefix(s, g.h.server.cfg.Recovery.prefix) {
			return "+" + cut + "]"
		}
	}
	return text
}

// takes reads as many events and compares.
func (g *guest) takes(want ...string) {
	g.h.t.Helper()
	for _, w := range want {
		if got := g.event(g.next()); got != w {
			g.h.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// cut ends the connection as a broken network does, and waits until that is noticed.
func (g *guest) cut() *rooms.Event {
	g.h.t.Helper()
	g.conn.Close()
	e := g.h.event(rooms.KindDisconnected)
	g.h.settled()
	return e
}

// settled waits until everybody who was leaving has left.
func (h *harness) settled() {
	r := h.server.cfg.Recovery
	h.until(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.leaving) == 0
	})
}

// until waits for what tells nobody.
func (h *harness) until(ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			h.t.Fatal("it never came true")
		}
		runtime.Gosched()
	}
}

// returns comes back and fails unless it is recovered and missed exactly that.
func (g *guest) returns(want ...string) *rooms.Event {
	g.h.t.Helper()
	recovered, missed := g.back()
	e := g.h.event(rooms.KindConnected)
	if !recovered || !e.Recovered || !slices.Equal(missed, want) {
		g.h.t.Fatalf("recovered %t, told as %t, missed %q, want %q", recovered, e.Recovered, missed, want)
	}
	return e
}

// startsAnew comes back and fails unless it is somebody new.
func (g *guest) startsAnew() {
	g.h.t.Helper()
	recovered, missed := g.back()
	if e := g.h.event(rooms.KindConnected); recovered || e.Recovered || len(missed) > 0 {
		g.h.t.Fatalf("recovered %t, told as %t, missed %q", recovered, e.Recovered, missed)
	}
}

func (h *harness) emit(namespace string, t rooms.Target, event, args string) {
	h.namespace(namespace).Emit(t, &rooms.Message{Event: event, Args: []byte(args)})
}

func (h *harness) volatile(event, args string) {
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: event, Args: []byte(args), Volatile: true})
}

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

// PROTOCOL 5, better than the reference: a client that has got nothing, or something that it takes for an offset.
func TestProtocol5MissingAndPoisonedOffsets(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	for name, c := range map[string]func(g *guest) []string{
		"nothing came, and nothing was missed": func(g *guest) []string {
			g.cut()
			return nil
		},
		"nothing came": func(g *guest) []string {
			g.cut()
			h.emit("/", rooms.Target{}, "m", `1`)
			return []string{`+["m",1]`}
		},
		"the first was lost": func(g *guest) []string {
			h.emit("/", rooms.Target{}, "m", `1`)
			g.cut() // before it was read
			return []string{`+["m",1]`}
		},
		"the last was volatile": func(g *guest) []string {
			h.emit("/", rooms.Target{}, "m", `1`)
			g.takes(`+["m",1]`)
			h.volatile("v", `"text"`)
			g.takes(`["v","text"]`)
			h.emit("/", rooms.Target{}, "m", `2`)
			g.cut()
			return []string{`+["m",2]`}
		},
		"the last was volatile, and has no arguments": func(g *guest) []string {
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("name", ``)
			g.takes(`+["m",1]`, `["name"]`)
			g.cut()
			h.emit("/", rooms.Target{}, "m", `2`)
			return []string{`+["m",2]`}
		},
		"the last was volatile, and empty": func(g *guest) []string {
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"a\\\"","" `)
			g.takes(`+["m",1]`, `["v","a\\\"","" ]`)
			g.cut()
			h.emit("/", rooms.Target{}, "m", `2`)
			return []string{`+["m",2]`}
		},
		"two were volatile, and the second was lost with what was before it": func(g *guest) []string {
			h.volatile("v", `"\u00e9\\"`)
			g.takes(`["v","\u00e9\\"]`)
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"second"`)
			g.cut()
			return []string{`+["m",1]`}
		},
		"it is of an earlier process": func(g *guest) []string {
			old := "AAAAAAAA.2s"
			g.offset = &old
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"lost"`)
			g.cut()
			return []string{`+["m",1]`}
		},
		"it is of an earlier session": func(g *guest) []string {
			old := h.server.cfg.Recovery.offset(2)
			g.offset = &old
			h.emit("/", rooms.Target{}, "m", `1`)
			g.cut()
			return []string{`+["m",1]`}
		},
		"a volatile one that says nothing": func(g *guest) []string {
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"text",1`)
			g.takes(`+["m",1]`, `["v","text",1]`)
			g.cut()
			h.emit("/", rooms.Target{}, "m", `2`)
			return []string{`+["m",2]`}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			g := h.guest("/")
			h.emit("/chat", rooms.Target{}, "other", ``)
			want := c(g)
			g.returns(want...)
			// And again, as what it said may stay the last that it has.
			g.cut()
			g.returns()
			g.send("41")
			h.event(rooms.KindDisconnected)
		})
	}
}

// A text that could be several positions is not guessed at: nothing is lost or told twice in silence.
func TestProtocol5AmbiguousOffsetsBeginAnew(t *testing.T) {
	for name, c := range map[string]func(h *harness, g *guest){
		"the same text again": func(h *harness, g *guest) {
			h.volatile("v", `"same"`)
			g.takes(`["v","same"]`)
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"same"`)
		},
		"the offset of another message": func(h *harness, g *guest) {
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"`+h.server.cfg.Recovery.offset(2)+`"`)
			g.takes(`+["m",1]`)
			forged := h.server.cfg.Recovery.offset(2)
			g.offset = &forged
			h.emit("/chat", rooms.Target{}, "m", ``)
			h.emit("/", rooms.Target{}, "m", `2`)
			h.volatile("v", `"`+h.server.cfg.Recovery.offset(2)+`"`)
		},
		"more texts than are remembered": func(h *harness, g *guest) {
			h.volatile("v", `"first"`)
			g.takes(`["v","first"]`)
			h.emit("/", rooms.Target{}, "m", `1`)
			for i := range confusions {
				h.volatile("v", `"`+strings.Repeat("x", i+1)+`"`)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := startRecovering(t, RecoveryConfig{})
			g := h.guest("/")
			c(h, g)
			g.cut()
			g.back()
			h.event(rooms.KindExpired)
			if e := h.event(rooms.KindConnected); e.Recovered {
				t.Error("recovered")
			}
		})
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
