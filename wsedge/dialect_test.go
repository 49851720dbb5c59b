package wsedge

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/wsedge/socketio"
)

// allowOld lets clients of Engine.IO v3 in.
func allowOld(c *Config) { c.AllowEIO3 = true }

// openOld opens a WebSocket session of revision 3, which is connected to the default namespace by the server
// (PROTOCOL 2.7), and returns its id.
func (h *harness) openOld() (p *peer, sid string) {
	h.t.Helper()
	p = h.webSocket("EIO=3&transport=websocket")
	var open struct{ SID string }
	if got := p.next(); !strings.HasPrefix(got, "0") || json.Unmarshal([]byte(got[1:]), &open) != nil {
		h.t.Fatalf("open packet %q", got)
	}
	p.expect("40")
	h.event(rooms.KindConnected)
	return p, open.SID
}

// openMsgpack connects a client whose parser is MessagePack to a namespace.
func (h *harness) openMsgpack(namespace string) *peer {
	h.t.Helper()
	p := h.open()
	p.frame(ws.OpBinary, msgpackConnect(namespace))
	if got := p.next(); !strings.HasPrefix(got, "binary 83a47479706500") {
		h.t.Fatalf("CONNECT answered %q", got)
	}
	h.event(rooms.KindConnected)
	return p
}

// msgpackConnect is {type: 0, nsp: namespace}.
func msgpackConnect(namespace string) []byte {
	packet := append([]byte("\x82\xa4type\x00\xa3nsp"), 0xa0|byte(len(namespace)))
	return append(packet, namespace...)
}

// inHex is a MessagePack packet as peer.next shows it.
func inHex(packet []byte) string { return "binary " + hex.EncodeToString(packet) }

// Clients of three dialects share a room, and one Emit reaches each in its own form (PROTOCOL 2.5, 3).
func TestEveryDialectSharesRooms(t *testing.T) {
	h := start(t, allowOld)
	text, _ := h.join("/chat")
	packed := h.openMsgpack("/chat")
	old, _ := h.openOld()
	old.send("40/chat,")
	old.expect("40/chat,")
	h.event(rooms.KindConnected)

	n := h.namespace("/chat")
	n.Join(rooms.Target{}, "r")
	args := []byte(`"é",{"_placeholder":true,"num":0}`)
	attachments := [][]byte{{1, 2}}
	if matched, delivered := n.Emit(rooms.Target{Rooms: []string{"r"}}, &rooms.Message{Event: "x", Args: args, Attachments: attachments}); matched != 3 || delivered != 3 {
		t.Fatalf("matched %d, delivered %d", matched, delivered)
	}
	text.expect(`451-/chat,["x","é",{"_placeholder":true,"num":0}]`, "binary 0102")
	packed.expect(inHex(socketio.AppendMsgpackEvent(nil, &socketio.OutEvent{Namespace: "/chat", Name: "x", Args: args, Attachments: attachments})))
	old.expect(`451-/chat,["x","\u00e9",{"_placeholder":true,"num":0}]`, "binary 040102")
}

// PROTOCOL 3: a MessagePack client's packets, both ways.
func TestMsgpackClient(t *testing.T) {
	h := start(t)
	p := h.openMsgpack("/")
	// {type: 2, data: ["e", 1, bin], nsp: "/", id: 7}
	p.frame(ws.OpBinary, []byte("\x84\xa4type\x02\xa4data\x93\xa1e\x01\xc4\x02\x08\x09\xa3nsp\xa1/\xa2id\x07"))
	e := h.event(rooms.KindEvent)
	if e.Name != "e" || string(e.Args) != `1,{"_placeholder":true,"num":0}` || len(e.Attachments) != 1 || string(e.Attachments[0]) != "\x08\x09" || !e.WantsAck {
		t.Fatalf("%s wants ack %v", describe(e), e.WantsAck)
	}
	m, _ := h.namespace("/").Member(e.Socket)
	if err := m.Reply(e.AckID, []byte("true"), nil); err != nil {
		t.Fatal(err)
	}
	p.expect(inHex(socketio.AppendMsgpackAck(nil, &socketio.OutEvent{Namespace: "/", Args: []byte("true"), ID: 7})))

	call := h.namespace("/").EmitWithAck(rooms.Target{}, &rooms.Message{Event: "q"})
	p.expect(inHex(socketio.AppendMsgpackEvent(nil, &socketio.OutEvent{Namespace: "/", Name: "q", ID: 1, HasID: true})))
	p.frame(ws.OpBinary, []byte("\x84\xa4type\x03\xa4data\x91\xa2ok\xa3nsp\xa1/\xa2id\x01"))
	if a := <-call.Answers(); string(a.Args) != `"ok"` {
		t.Errorf("answer %+v", a)
	}

	p.frame(ws.OpBinary, msgpackConnect("/none"))
	p.expect(inHex(socketio.AppendMsgpackConnectError(nil, "/none", "Invalid namespace", nil)))
	m.Disconnect(false)
	p.expect(inHex(socketio.AppendMsgpackDisconnect(nil, "/")))
}

// PROTOCOL 3: what is no packet of the client's own parser closes the connection.
func TestDialectsDoNotMix(t *testing.T) {
	for name, do := range map[string]func(h *harness) *peer{
		"text from a MessagePack client": func(h *harness) *peer {
			p := h.openMsgpack("/")
			p.send(`42["x"]`)
			return p
		},
		"MessagePack from a JSON client": func(h *harness) *peer {
			p, _ := h.join("/")
			p.frame(ws.OpBinary, msgpackConnect("/chat"))
			return p
		},
		"binary garbage first": func(h *harness) *peer {
			p := h.open()
			p.sendBinary(0xff, 0xff)
			return p
		},
	} {
		t.Run(name, func(t *testing.T) { do(start(t)).expect("close 1005") })
	}
}

// PROTOCOL 2.7: automatic connection, ids, queries, refusals and acknowledgements of revision 4.
func TestOldClient(t *testing.T) {
	h := start(t, allowOld)
	p, sid := h.openOld()
	if m, ok := h.namespace("/").Member(rooms.SocketID([]byte(sid))); !ok || m.Info().Transport != "websocket" {
		t.Fatal("the socket of / has not the session's id")
	}
	p.send("40/chat?token=abc&x=%20y,")
	p.expect("40/chat,")
	if e := h.event(rooms.KindConnected); string(e.Auth) != `{"token":"abc","x":" y"}` || e.Socket.String() != sid {
		t.Errorf("auth %s, socket %s", e.Auth, e.Socket)
	}
	for _, target := range []rooms.Target{{Rooms: []string{"/chat#" + sid}}, {Rooms: []string{sid}}} {
		if n := h.namespace("/chat").Count(target); n != 1 {
			t.Errorf("%v selects %d", target, n)
		}
	}
	p.send("40/none,")
	p.expect(`44/none,{"message":"Invalid namespace"}`)

	p.send(`42["e",{"_placeholder":1}]`)
	p.send(`451-0["b",{"_placeholder":true,"num":0}]`)
	p.sendBinary(4, 1, 2)
	h.event(rooms.KindEvent)
	e := h.event(rooms.KindEvent)
	if describe(e) != `event / b({"_placeholder":true,"num":0}) ["\x01\x02"]` || !e.WantsAck || e.AckID != 0 {
		t.Error(describe(e))
	}
	m, _ := h.namespace("/").Member(e.Socket)
	if err := m.Reply(0, []byte(`"ö"`), nil); err != nil {
		t.Fatal(err)
	}
	p.expect(`430["\u00f6"]`)
	m.Disconnect(false)
	p.expect("41")
}

// PROTOCOL 2.7: what admission says to clients of revision 4.
func TestOldClientRefused(t *testing.T) {
	ask := make(asker, 10)
	h := start(t, allowOld, func(c *Config) { c.Admitter = ask })
	p := h.webSocket("EIO=3&transport=websocket")
	p.next()
	(<-ask).answer(rooms.Verdict{Refused: true, Message: "not you"})
	p.expect(`44"not you"`)
	p.send("40/chat,")
	(<-ask).answer(rooms.Verdict{Refused: true, Message: "nor here", ErrorData: []byte(`{"code":7}`)})
	p.expect(`44/chat,{"code":7}`)
}

// PROTOCOL 1.2, 11: revision 3 is for those who asked for it.
func TestOldClientsAreOffByDefault(t *testing.T) {
	h := start(t)
	status, body := h.poller().do("GET", "EIO=3&transport=polling", "")
	if status != 400 || body != `{"code":5,"message":"Unsupported protocol version"}` {
		t.Errorf("%d %s", status, body)
	}
}

// PROTOCOL 2.1: the client pings, and is gone when it does not; also after an upgrade, which the reference forgets (2.8).
func TestOldHeartbeat(t *testing.T) {
	virtually(t, func(t *testing.T, h *harness) {
		p, _ := h.openOld()
		_ = p.conn.SetDeadline(time.Time{})
		for range 5 {
			<-time.After(12 * time.Second)
			p.send("2")
			p.expect("3")
		}
		p.expect("close 1005")
		if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonPingTimeout {
			t.Error(e.Reason)
		}
	}, allowOld, func(c *Config) { c.PingInterval, c.PingTimeout = 10*time.Second, 5*time.Second })
}

// PROTOCOL 2.2, 2.3, 2.4: what polling clients of revision 3 get, and what they may send.
func TestOldPolling(t *testing.T) {
	h := start(t, allowOld)
	for name, c := range map[string]struct{ query, connected, event, posted, close string }{
		"text":   {"&b64=1", "2:40", "39:451-[\"x\",{\"_placeholder\":true,\"num\":0}]6:b4AQI=", "9:42[\"a\",1]", "1:1"},
		"binary": {"", "2:40", "\x00\x03\x09\xff451-[\"x\",{\"_placeholder\":true,\"num\":0}]\x01\x03\xff\x04\x01\x02", "9:42[\"a\",1]", "1:1"},
		"JSONP":  {"&j=3", `___eio[3]("2:40");`, `___eio[3]("39:451-[\"x\",{\"_placeholder\":true,\"num\":0}]6:b4AQI=");`, "d=9%3A42%5B%22a%22%2C1%5D", "d=1%3A1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.poller()
			query := "EIO=3&transport=polling" + c.query
			_, open := p.do("GET", query, "")
			sid := between(open, `sid`, `upgrades`)
			query += "&sid=" + strings.Trim(sid, `\":,`)
			h.event(rooms.KindConnected)
			if !strings.Contains(open, "0{") || !strings.HasSuffix(open, strings.TrimPrefix(c.connected, `___eio[3]("`)) {
				t.Fatalf("opened with %q", open)
			}
			n := h.namespace("/")
			n.Emit(rooms.Target{}, &rooms.Message{Event: "x", Args: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1, 2}}})
			if status, body := p.do("GET", query, ""); status != 200 || body != c.event {
				t.Errorf("%d %q, want %q", status, body, c.event)
			}
			if status, body := p.do("POST", query, c.posted); status != 200 || body != "ok" {
				t.Errorf("POST answered %d %q", status, body)
			}
			if got := describe(h.event(rooms.KindEvent)); got != "event / a(1) []" {
				t.Error(got)
			}
			p.do("POST", query, c.close)
			h.event(rooms.KindDisconnected)
		})
	}
}

// between is what stands in s after from and before to.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// The form without its offset is shared by those who have none to remember.
func TestFormsOfDialects(t *testing.T) {
	for d, want := range map[dialect][2]int{
		dialectJSON:    {formJSON, formJSONOffset},
		dialectMsgpack: {formMsgpack, formMsgpackOffset},
		dialectOld:     {formOld, formOld},
	} {
		if got := [2]int{d.form(false), d.form(true)}; got != want {
			t.Errorf("dialect %d: %v, want %v", d, got, want)
		}
	}
	m := &rooms.Message{Event: "x", Offset: "o1"}
	seen := make(map[string]bool)
	for _, d := range []dialect{dialectJSON, dialectMsgpack, dialectOld} {
		made := d.event("/", m)
		seen[fmt.Sprintf("%p", made)] = true
		if made != d.event("/", m) {
			t.Errorf("dialect %d: the message was made twice", d)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d messages for 3 dialects", len(seen))
	}
}
