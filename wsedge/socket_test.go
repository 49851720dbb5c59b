package wsedge

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// A message that races with the end of its socket does not reach the next socket of the same client in the same
// namespace, who may be somebody else and is in other rooms.
func TestLateMessagesDoNotReachTheNextSocket(t *testing.T) {
	h := start(t, func(c *Config) { c.Observer = nil })
	n := h.namespace("/")
	p := h.open()
	id := p.connect("/", "")
	var stop atomic.Bool
	var emitters sync.WaitGroup
	for range 3 {
		emitters.Go(func() {
			for !stop.Load() {
				for _, m := range n.Select(nil, rooms.Target{}) {
					m.Deliver(&rooms.Message{Event: "to", Args: fmt.Appendf(nil, "%q", m.Info().ID)})
				}
			}
		})
	}
	defer emitters.Wait()
	defer stop.Store(true)
	for range 100 {
		p.send("41")
		p.send("40")
		got := p.next()
		for ; !strings.HasPrefix(got, `40{"sid":"`); got = p.next() {
			if want := fmt.Sprintf(`42["to",%q]`, id); got != want {
				t.Fatalf("socket %s got %s", id, got)
			}
		}
		var err error
		if id, err = rooms.ParseSocketID(got[len(`40{"sid":"`) : len(got)-len(`"}`)]); err != nil {
			t.Fatal(err)
		}
	}
}

// The same for answers to what the former socket asked: the ids of the next one may be the same.
func TestLateRepliesDoNotReachTheNextSocket(t *testing.T) {
	h := start(t)
	p, _ := h.join("/")
	p.send(`427["ask"]`)
	asked := h.event(rooms.KindEvent)
	m, _ := h.namespace("/").Member(asked.Socket)
	p.send("41")
	h.event(rooms.KindDisconnected)
	p.connect("/", "")
	if err := m.Reply(asked.AckID, []byte("1"), nil); !errors.Is(err, rooms.ErrSocketGone) {
		t.Errorf("reply: %v", err)
	}
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "next"})
	p.expect(`42["next"]`)
}

// PROTOCOL 1.5: a client that says b64 gets no binary frames, however it came to its WebSocket.
func TestClientsWithoutBinaryFrames(t *testing.T) {
	h := start(t)
	binary := func(event string) *rooms.Message {
		return &rooms.Message{Event: event, Args: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1, 2, 3}}}
	}
	n := h.namespace("/")
	normal, _ := h.join("/")
	direct := h.webSocket("EIO=4&transport=websocket&b64=1")
	direct.next()
	direct.connect("/", "")
	h.event(rooms.KindConnected)
	p := h.openPolling()
	p.post("40")
	h.event(rooms.KindConnected)
	p.get()
	upgraded := h.webSocket(p.upgradeQuery() + "&b64=1")
	upgraded.send("2probe")
	upgraded.expect("3probe")
	n.Emit(rooms.Target{}, binary("waits"))
	upgraded.send("5")
	upgraded.expect(`451-["waits",{"_placeholder":true,"num":0}]`, "bAQID")
	n.Emit(rooms.Target{}, binary("goes"))
	upgraded.expect(`451-["goes",{"_placeholder":true,"num":0}]`, "bAQID")
	for peer, want := range map[*peer]string{normal: "binary 010203", direct: "bAQID"} {
		for _, event := range []string{"waits", "goes"} {
			peer.expect(`451-["`+event+`",{"_placeholder":true,"num":0}]`, want)
		}
	}
	direct.send(`451-["up",{"_placeholder":true,"num":0}]`)
	direct.send("bAQID")
	if got := describe(h.event(rooms.KindEvent)); got != `event / up({"_placeholder":true,"num":0}) ["\x01\x02\x03"]` {
		t.Error(got)
	}
}
