package wsedge

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestConnectAnswersWithASocketID(t *testing.T) {
	h := start(t)
	p := h.open()
	p.send(`40{"token":"abc"}`)
	got := p.next()
	if !regexp.MustCompile(`^40\{"sid":"[A-Za-z0-9_-]{20}"\}$`).MatchString(got) {
		t.Fatalf("CONNECT answered %q", got)
	}
	e := h.event(rooms.KindConnected)
	if string(e.Auth) != `{"token":"abc"}` || e.Info.Transport != "websocket" || e.Info.Handshake.Query != "EIO=4&transport=websocket" {
		t.Errorf("connected %+v, info %+v", e, e.Info)
	}
	if !strings.Contains(got, e.Socket.String()) {
		t.Errorf("the client was told %s, the observer %s", got, e.Socket)
	}
}

func TestSeveralNamespacesOnOneSession(t *testing.T) {
	h := start(t)
	p, root := h.join("/")
	chat := p.connect("/chat", "")
	h.event(rooms.KindConnected)
	if root == chat {
		t.Fatal("both namespaces have the same socket id")
	}
	p.send("40/nowhere,")
	p.expect(`44/nowhere,{"message":"Invalid namespace"}`)
	p.send(`42/chat,["a",1]`)
	if got := describe(h.event(rooms.KindEvent)); got != `event /chat a(1) []` {
		t.Error(got)
	}
	h.namespace("/chat").Emit(rooms.Target{}, &rooms.Message{Event: "b", Args: []byte(`{"x":2}`)})
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "c"})
	p.expect(`42/chat,["b",{"x":2}]`, `42["c"]`)
	p.send("41/chat,")
	if e := h.event(rooms.KindDisconnected); e.Socket != chat || e.Reason != rooms.ReasonClientDisconnect {
		t.Errorf("%s", describe(e))
	}
	again := p.connect("/chat", "")
	if again == chat {
		t.Error("a socket id was used twice")
	}
}

// I7: what a client says in its arguments reaches the observer byte for byte,
// and what a service says reaches the client so.
func TestI7ArgumentsPassAsBytes(t *testing.T) {
	h := start(t)
	p, _ := h.join("/")
	args := `"\ud800\u2028", 1e+21,{"b":1,"a":12345678901234567890,"__proto__":null},[ ]`
	p.send(`42["e",` + args + `]`)
	if e := h.event(rooms.KindEvent); string(e.Args) != args {
		t.Errorf("up: %s", e.Args)
	}
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "e", Args: []byte(args)})
	p.expect(`42["e",` + args + `]`)
}

func TestBinaryBothWays(t *testing.T) {
	h := start(t)
	p, _ := h.join("/")
	p.send(`452-["pic",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	p.sendBinary(1, 2)
	p.sendBinary(3)
	e := h.event(rooms.KindEvent)
	if e.Name != "pic" || len(e.Attachments) != 2 || string(e.Attachments[0]) != "\x01\x02" || string(e.Attachments[1]) != "\x03" {
		t.Errorf("%s", describe(e))
	}
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{
		Event: "pic", Args: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{9, 8}},
	})
	p.expect(`451-["pic",{"_placeholder":true,"num":0}]`, "binary 0908")
}

func TestClientAsksServiceAnswers(t *testing.T) {
	h := start(t)
	p, id := h.join("/")
	p.send(`420["sum",1,2]`)
	e := h.event(rooms.KindEvent)
	if !e.WantsAck || e.AckID != 0 {
		t.Fatalf("ack id 0 is an id: %+v", e)
	}
	m, _ := h.namespace("/").Member(id)
	if err := m.Reply(0, []byte("3"), nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Reply(0, []byte("4"), nil); !errors.Is(err, rooms.ErrAckUnknown) {
		t.Errorf("second answer: %v", err)
	}
	if err := m.Reply(7, nil, nil); !errors.Is(err, rooms.ErrAckUnknown) {
		t.Errorf("answer to nothing: %v", err)
	}
	p.expect("430[3]")
	p.send(`429007199254740991["x"]`)
	if e := h.event(rooms.KindEvent); e.AckID != 9007199254740991 {
		t.Errorf("ack id %d", e.AckID)
	}
	if err := m.Reply(9007199254740991, []byte(`{"_placeholder":true,"num":0}`), [][]byte{{1}}); err != nil {
		t.Fatal(err)
	}
	p.expect(`461-9007199254740991[{"_placeholder":true,"num":0}]`, "binary 01")
}

func TestPendingAcksAreBounded(t *testing.T) {
	h := start(t, func(c *Config) { c.MaxPendingAcks = 3 })
	p, id := h.join("/")
	for i := range 4 {
		p.send(fmt.Sprintf(`42%d["q"]`, i))
		h.event(rooms.KindEvent)
	}
	m, _ := h.namespace("/").Member(id)
	if err := m.Reply(0, nil, nil); !errors.Is(err, rooms.ErrAckUnknown) {
		t.Errorf("the oldest was not given up: %v", err)
	}
	if err := m.Reply(3, nil, nil); err != nil {
		t.Error(err)
	}
	for range 5 {
		call := h.namespace("/").EmitWithAck(rooms.Target{}, &rooms.Message{Event: "q"})
		defer call.Cancel()
	}
	if s := h.server.Stats(); s.AcksExpired != 1 || s.AcksRefused != 2 {
		t.Errorf("%d given up, %d refused", s.AcksExpired, s.AcksRefused)
	}
}

func TestServiceAsksClientAnswers(t *testing.T) {
	h := start(t)
	a, idA := h.join("/")
	b, idB := h.join("/")
	call := h.namespace("/").EmitWithAck(rooms.Target{}, &rooms.Message{Event: "q", Args: []byte("1")})
	if call.Matched() != 2 {
		t.Fatalf("matched %d", call.Matched())
	}
	a.expect(`421["q",1]`)
	b.expect(`421["q",1]`)
	a.send(`431["yes"]`)
	first := <-call.Answers()
	if first.Socket != idA || string(first.Args) != `"yes"` || first.Gone {
		t.Errorf("first answer %+v", first)
	}
	a.send(`431["again"]`) // ignored
	b.conn.Close()
	second := <-call.Answers()
	if second.Socket != idB || !second.Gone {
		t.Errorf("second answer %+v", second)
	}
	if _, open := <-call.Answers(); open {
		t.Error("a third answer")
	}
}

func TestDisconnects(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(*harness, *peer, rooms.Member)
		hears  []string
		reason rooms.Reason
	}{
		{"client leaves", func(_ *harness, p *peer, _ rooms.Member) { p.send("41") }, nil, rooms.ReasonClientDisconnect},
		{"client closes", func(_ *harness, p *peer, _ rooms.Member) { p.frame(8, nil) }, []string{"close 1005", "end"}, rooms.ReasonTransportClose},
		{"client closes with a code", func(_ *harness, p *peer, _ rooms.Member) { p.frame(8, []byte{0x0f, 0xa1}) },
			[]string{"close 4001", "end"}, rooms.ReasonTransportClose},
		{"client vanishes", func(_ *harness, p *peer, _ rooms.Member) { p.conn.Close() }, nil, rooms.ReasonTransportClose},
		{"client resets", func(_ *harness, p *peer, _ rooms.Member) {
			_ = p.conn.(*net.TCPConn).SetLinger(0)
			p.conn.Close()
		}, nil, rooms.ReasonTransportClose},
		{"service disconnects", func(_ *harness, _ *peer, m rooms.Member) { m.Disconnect(false) }, []string{"41"}, rooms.ReasonServerDisconnect},
		{"service closes", func(_ *harness, _ *peer, m rooms.Member) { m.Disconnect(true) }, []string{"41", "close 1005"}, rooms.ReasonServerDisconnect},
		{"second CONNECT", func(_ *harness, p *peer, _ rooms.Member) { p.send("40") }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"CONNECT_ERROR", func(_ *harness, p *peer, _ rooms.Member) { p.send(`44"x"`) }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"event in a namespace not joined", func(_ *harness, p *peer, _ rooms.Member) { p.send(`42/chat,["x"]`) }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"no packet", func(_ *harness, p *peer, _ rooms.Member) { p.send("49") }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"broken JSON", func(_ *harness, p *peer, _ rooms.Member) { p.send(`42["a"`) }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"reserved event", func(_ *harness, p *peer, _ rooms.Member) { p.send(`42["disconnect"]`) }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"event name that is an object", func(_ *harness, p *peer, _ rooms.Member) { p.send(`42[{"toString":"foo"}]`) }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"binary out of place", func(_ *harness, p *peer, _ rooms.Member) { p.sendBinary(1) }, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"text among attachments", func(_ *harness, p *peer, _ rooms.Member) {
			p.send(`451-["a",{"_placeholder":true,"num":0}]`)
			p.send(`42["b"]`)
		}, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"placeholder out of range", func(_ *harness, p *peer, _ rooms.Member) {
			p.send(`451-["a",{"_placeholder":true,"num":1}]`)
			p.sendBinary(1)
		}, []string{"close 1005"}, rooms.ReasonForcedClose},
		{"ping from the client", func(_ *harness, p *peer, _ rooms.Member) { p.send("2") }, []string{"close 1005"}, rooms.ReasonTransportError},
		{"unknown packet type", func(_ *harness, p *peer, _ rooms.Member) { p.send("9") }, []string{"close 1005"}, rooms.ReasonParseError},
		{"empty frame", func(_ *harness, p *peer, _ rooms.Member) { p.send("") }, []string{"close 1005"}, rooms.ReasonParseError},
		{"bad UTF-8", func(_ *harness, p *peer, _ rooms.Member) { p.send("\xff") }, []string{"close 1007"}, rooms.ReasonTransportError},
		{"unmasked frame", func(_ *harness, p *peer, _ rooms.Member) { _, _ = p.conn.Write([]byte{0x81, 1, '2'}) }, []string{"close 1002"}, rooms.ReasonTransportError},
		{"reserved bit", func(_ *harness, p *peer, _ rooms.Member) { _, _ = p.conn.Write([]byte{0xf1, 0x81, 0, 0, 0, 0, '2'}) }, []string{"close 1002"}, rooms.ReasonTransportError},
		{"oversized frame", func(_ *harness, p *peer, _ rooms.Member) { p.send("4" + strings.Repeat("x", 1_000_000)) }, []string{"close 1009"}, rooms.ReasonTransportError},
		{"server shuts down", func(h *harness, _ *peer, _ rooms.Member) { go h.server.Shutdown(t.Context()) }, []string{"close 1005"}, rooms.ReasonShuttingDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t)
			p, id := h.join("/")
			h.namespace("/").Join(rooms.Target{}, "b", "a")
			m, ok := h.namespace("/").Member(id)
			if !ok {
				t.Fatal("not a member")
			}
			c.do(h, p, m)
			p.expect(c.hears...)
			e := h.event(rooms.KindDisconnected)
			if e.Reason != c.reason || e.Socket != id || !slices.Equal(e.Rooms, []string{"a", "b"}) {
				t.Errorf("disconnected: %q, rooms %q", e.Reason, e.Rooms)
			}
			if n := h.namespace("/").Count(rooms.Target{}); n != 0 {
				t.Errorf("%d members are left", n)
			}
			if m.Deliver(&rooms.Message{Event: "late"}) || !errors.Is(m.Reply(1, nil, nil), rooms.ErrSocketGone) {
				t.Error("a socket that is gone takes messages")
			}
			m.Disconnect(true)
			if s := h.server.Stats(); s.Disconnected[string(c.reason)] != 1 || s.Panics != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// A client whose socket the server has ended may have packets under way; they
// are dropped, its other namespaces live on.
func TestLatePacketsAfterServerDisconnect(t *testing.T) {
	h := start(t)
	p, id := h.join("/")
	p.connect("/chat", "")
	h.event(rooms.KindConnected)
	m, _ := h.namespace("/").Member(id)
	m.Disconnect(false)
	h.event(rooms.KindDisconnected)
	p.expect("41")
	p.send(`42["late"]`)
	p.send("41")
	p.send(`42/chat,["alive"]`)
	if got := describe(h.event(rooms.KindEvent)); got != "event /chat alive() []" {
		t.Error(got)
	}
	p.connect("/", "")
	h.event(rooms.KindConnected)
	p.send(`42["back"]`)
	if got := describe(h.event(rooms.KindEvent)); got != "event / back() []" {
		t.Error(got)
	}
}

func TestAcceptedWithoutEffect(t *testing.T) {
	h := start(t)
	p, _ := h.join("/")
	for _, packet := range []string{"42", "421", "43", "431", "439[]", "0", "5", "6", "3"} {
		if packet[0] == '4' {
			p.send(packet)
		} else {
			p.send(packet) // Engine.IO types that are ignored, and an unsolicited pong
		}
	}
	p.send(`42[1,"numbers are names"]`)
	e := h.event(rooms.KindEvent)
	if e.Name != "1" || !e.NameIsNumber {
		t.Errorf("%+v", e)
	}
}

func TestSmallThingsBesideTheClient(t *testing.T) {
	h := start(t, func(c *Config) {
		c.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "web ", r.URL.Path) })
	})
	p := h.poller()
	for path, want := range map[string]string{"/": "web /", "/socket.io": "web /socket.io", "/socket.iofoo/": "web /socket.iofoo/"} {
		resp, err := p.client.Get("http://x" + path)
		if err != nil {
			t.Fatal(err)
		}
		var b [64]byte
		n, _ := resp.Body.Read(b[:])
		resp.Body.Close()
		if string(b[:n]) != want {
			t.Errorf("%s: %q", path, b[:n])
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"no hub":            {},
		"unknown transport": {Hub: hub, Transports: []string{"websocket", "pigeon"}},
		"bad path":          {Hub: hub, Path: "/socket.io"},
		"unknown engine":    {Hub: hub, Engine: "steam"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTransportsCanBeDisabled(t *testing.T) {
	h := start(t, func(c *Config) { c.Transports = []string{"polling"} })
	_, open := h.poller().do("GET", "EIO=4&transport=polling", "")
	if !strings.Contains(open, `"upgrades":[]`) {
		t.Errorf("open packet %s", open)
	}
	if status, body := h.poller().do("GET", "EIO=4&transport=websocket", ""); status != 400 || !strings.Contains(body, "Transport unknown") {
		t.Errorf("websocket: %d %s", status, body)
	}
	h = start(t, func(c *Config) { c.DisableUpgrades = true })
	p := h.openPolling()
	w := h.webSocket(p.upgradeQuery())
	w.expect("close 1005")
	p.post("3")
}
