package wsedge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// PROTOCOL 5, better than the reference: a client that has got nothing, or something that it takes for an offset.
func TestProtocol5MissingAndPoisonedOffsets(t *testing.T) {
	h := startRecovering(t, RecoveryConfig{})
	var before string // an offset of before the session, in which something was emitted since
	for name, c := range map[string]func(g *guest) []string{
		"the last was volatile, and nothing was missed": func(g *guest) []string {
			h.emit("/", rooms.Target{}, "m", `1`)
			h.volatile("v", `"text"`)
			g.takes(`+["m",1]`, `["v","text"]`)
			g.cut()
			return nil
		},
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
			g.offset = &before
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
			r := h.server.cfg.Recovery
			before = r.offset(r.position.Load())
			h.emit("/", rooms.Target{}, "earlier", ``)
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

// Offsets are read as they were written, and nothing else is.
func TestOffsets(t *testing.T) {
	r := NewRecovery(RecoveryConfig{MaxAge: time.Hour})
	r.position.Store(5000)
	for _, position := range []uint64{1, 2, 35, 36, 5000} {
		if got, ok := r.parseOffset(r.offset(position)); !ok || got != position {
			t.Errorf("%d: %d, %t", position, got, ok)
		}
	}
	for _, text := range []string{
		"", r.prefix, r.prefix + "0", r.prefix + "01", r.prefix + "+1", r.prefix + "-1", r.prefix + "A", r.prefix + "1 ",
		r.prefix + "zzzzzzzzzzzzzzzzz", r.offset(5001), strings.ToUpper(r.prefix) + "1", "AAAAAAAA.1", "1", "text",
	} {
		if got, ok := r.parseOffset(text); ok {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

// The text that ends a message is found as JavaScript would see it.
func TestConfusingTexts(t *testing.T) {
	for args, want := range map[string]string{
		``: "name", `"a"`: "a", `1,"a"`: "a", `"a" `: "a", `""`: "", `{"k":"v"},"x\"y"`: `x"y`, `"a\\"`: `a\`, `"\\\"\\"`: `\"\`,
		`"b","\u00e9"`: "é", `"\\","c"`: "c", "\"a\"\t\r\n": "a",
		`1`: "-", `"a",1`: "-", `["a"]`: "-", `{"a":"b"}`: "-", `null`: "-", `"a",true`: "-",
	} {
		text, ok := confusing(&rooms.Message{Event: "name", Args: []byte(args), Volatile: true})
		if !ok {
			text = "-"
		}
		if text != want {
			t.Errorf("%s: %q, want %q", args, text, want)
		}
	}
	for name, m := range map[string]*rooms.Message{
		"with an offset": {Event: "e", Args: []byte(`"a"`), Offset: "o"},
		"with an answer": {Event: "e", Args: []byte(`"a"`), Acks: (*noAnswers)(nil)},
	} {
		if text, ok := confusing(m); ok {
			t.Errorf("%s: %q", name, text)
		}
	}
}

type noAnswers struct{}

func (*noAnswers) Acked(rooms.SocketID, []byte, [][]byte) {}
func (*noAnswers) Gone(rooms.SocketID)                    {}

// A text that was not sent in the end is forgotten, and what it took the place of comes back.
func TestConfusionUndoes(t *testing.T) {
	c := new(confusion)
	for i := range uint64(confusions) {
		c.note(100+i, i)
	}
	if undo := c.note(100, 0); undo != nil {
		t.Error("the same is noted twice")
	}
	undo := c.note(7, 7)
	if got, complete := c.positions(7); !slices.Equal(got, []uint64{7}) || complete {
		t.Errorf("%d, complete %t", got, complete)
	}
	undo()
	copied := c.clone()
	for i := range uint64(confusions) {
		if got, complete := copied.positions(100 + i); !slices.Equal(got, []uint64{i}) || !complete {
			t.Errorf("%d: %d, complete %t", i, got, complete)
		}
	}
	if got, _ := copied.positions(7); len(got) != 0 {
		t.Error("what was undone is remembered")
	}
}
