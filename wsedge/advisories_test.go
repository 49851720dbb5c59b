package wsedge

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// The advisories of PROTOCOL 9 that belong to the Socket.IO server, each with the input that triggers it as raw bytes
// over a real connection. Those of the parser alone stand in socketio/cve_test.go.

// packed is a MessagePack packet of a type below 16; data is MessagePack.
func packed(kind byte, namespace, data string) []byte {
	b := append([]byte("\x83\xa4type"), kind)
	b = append(b, "\xa3nsp\xd9"...)
	b = append(append(b, byte(len(namespace))), namespace...)
	return append(append(b, "\xa4data"...), data...)
}

// speakers opens a client of each dialect that is in the default namespace.
var speakers = map[string]func(h *harness) *peer{
	"JSON":        func(h *harness) *peer { p, _ := h.join("/"); return p },
	"revision 4":  func(h *harness) *peer { p, _ := h.openOld(); return p },
	"MessagePack": func(h *harness) *peer { return h.openMsgpack("/") },
}

// says sends a packet of the default namespace in the client's own dialect.
func says(p *peer, dialect, text, msgpack string) {
	p.t.Helper()
	if dialect == "MessagePack" {
		p.frame(ws.OpBinary, packed(2, "/", msgpack))
		return
	}
	p.send(text)
}

// bystander is a client that must notice nothing.
type bystander struct {
	*peer
	h *harness
}

func (h *harness) bystander() *bystander {
	h.t.Helper()
	p, _ := h.join("/chat")
	return &bystander{p, h}
}

// isWell fails unless it is heard and hears, and the server counts no panic.
func (b *bystander) isWell() {
	b.t.Helper()
	b.send(`42/chat,["still"]`)
	if got := describe(b.h.event(rooms.KindEvent)); got != "event /chat still() []" {
		b.t.Error(got)
	}
	b.h.emit("/chat", rooms.Target{}, "alive", "")
	b.expect(`42/chat,["alive"]`)
	if s := b.h.server.Stats(); s.Panics != 0 {
		b.t.Errorf("%d panics", s.Panics)
	}
}

// endsMalformed fails unless p's session ends for what it sent, and nothing of that was observed.
func endsMalformed(h *harness, p *peer) {
	h.t.Helper()
	p.expect("close 1005")
	if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonForcedClose {
		h.t.Error(describe(e))
	}
	if h.server.Stats().Malformed == 0 {
		h.t.Error("not counted as malformed")
	}
}

// refusesTexts sends each text from a client of its own and fails unless each is closed.
func refusesTexts(t *testing.T, texts ...string) {
	h := start(t, allowOld)
	b := h.bystander()
	for _, dialect := range []string{"JSON", "revision 4"} {
		for _, text := range texts {
			p := speakers[dialect](h)
			p.send(text)
			endsMalformed(h, p)
		}
	}
	if n, want := h.server.Stats().Malformed, uint64(2*len(texts)); n != want {
		t.Errorf("%d malformed, want %d", n, want)
	}
	b.isWell()
}

// allocated is how many bytes f makes the process allocate.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// heap is what the process holds after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestCVE_2020_36049_LongDigitsAndNamespacesAtTheServer(t *testing.T) {
	const n = 200_000
	refusesTexts(t,
		"42"+strings.Repeat("1", n), "45"+strings.Repeat("1", n)+"-[]",
		"42/"+strings.Repeat("a", n), "40/"+strings.Repeat("a", n)+",", "42"+strings.Repeat("/", n))
}

// A packet four times as long allocates four times as much at the most, not sixteen times.
func TestCVE_2020_36049_CostIsLinear(t *testing.T) {
	h := start(t)
	b := h.bystander()
	for _, form := range []string{"42%s", "45%s-[]", "42/%s"} {
		cost := func(n int) uint64 {
			p, _ := h.join("/")
			text := fmt.Sprintf(form, strings.Repeat("1", n))
			return allocated(func() {
				p.send(text)
				endsMalformed(h, p)
			})
		}
		cost(200_000) // pools fill
		const slack = 1 << 20
		if small, large := cost(200_000), cost(800_000); large > 4*small+slack {
			t.Errorf("%s: %d bytes, of four times as much %d", form, small, large)
		}
	}
	b.isWell()
}

func TestCVE_2022_2421_PlaceholderNumAtTheServer(t *testing.T) {
	var texts []string
	for _, num := range []string{`"splice"`, `"0"`, `-1`, `1`, `1e9`, `0.5`, `null`, `{}`, `"__proto__"`, `"constructor"`} {
		texts = append(texts, `451-["a",{"_placeholder":true,"num":`+num+`}]`)
	}
	refusesTexts(t, texts...)
}

func TestCVE_2023_32695_EventNameTypeAtTheServer(t *testing.T) {
	refusesTexts(t, `42[{"toString":"foo"}]`, `42[{}]`, `42[[]]`, `42[null]`, `42[true]`, `451-[{"toString":"foo"}]`)
	h := start(t)
	for _, data := range []string{"\x91\x81\xa8toString\xa3foo", "\x91\x80", "\x91\x90", "\x91\xc0", "\x91\xc3"} {
		p := h.openMsgpack("/")
		says(p, "MessagePack", "", data)
		endsMalformed(h, p)
	}
}

// The event "error" reaches those who observe like any other, and goes out like any other.
func TestCVE_2024_38355_EventNamedErrorAtTheServer(t *testing.T) {
	h := start(t, allowOld)
	b := h.bystander()
	for dialect, open := range speakers {
		t.Run(dialect, func(t *testing.T) {
			p := open(h)
			for range 2 { // the first has not hurt
				says(p, dialect, `42["error",1]`, "\x92\xa5error\x01")
				if got := describe(h.event(rooms.KindEvent)); got != "event / error(1) []" {
					t.Error(got)
				}
			}
			h.emit("/", rooms.Target{}, "error", "2")
			if got := p.next(); dialect != "MessagePack" && got != `42["error",2]` {
				t.Error(got)
			}
			p.frame(ws.OpClose, nil)
			h.event(rooms.KindDisconnected)
		})
	}
	b.isWell()
}

func TestCVE_2026_33151_ManyAttachmentsAtTheServer(t *testing.T) {
	refusesTexts(t, `4511-["a"]`, `4599999999-["a"]`, `45999999999999999999999-["a"]`, `451e9-["a"]`, `4611-0[]`)
	h := start(t)
	p := h.openMsgpack("/")
	says(p, "MessagePack", "", "\xdc\x03\xea\xa1e"+strings.Repeat("\xc4\x00", 1001))
	endsMalformed(h, p)
}

func TestCVE_2026_69185_ZeroAttachmentsAtTheServer(t *testing.T) {
	refusesTexts(t, `450-["a"]`, `4500-["a"]`, `45-["a"]`, `45-0-["a"]`, `460-0[]`)
}

// Attachments that follow a refused header accumulate nowhere.
func TestCVE_2026_69185_NothingAccumulates(t *testing.T) {
	h := start(t)
	b := h.bystander()
	before := heap()
	for range 50 {
		p, _ := h.join("/")
		p.send(`450-["a"]`)
		for range 4 {
			f := ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 200_000)))
			if ws.WriteFrame(p.conn, f) != nil { // closed already
				break
			}
		}
		h.event(rooms.KindDisconnected)
		p.conn.Close()
	}
	const bound = 8 << 20 // of 40 MB sent
	if grown := heap() - before; grown > bound {
		t.Errorf("%d bytes more", grown)
	}
	b.isWell()
}

// A partial packet goes with the session that has it.
func TestCVE_2026_48804_WithheldAttachmentsAtTheServer(t *testing.T) {
	h := start(t)
	b := h.bystander()
	withhold := func(n int) {
		for range n {
			p, _ := h.join("/")
			p.send(`452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			p.frame(ws.OpBinary, make([]byte, 500_000))
			p.send("3") // in order after the attachment, and says nothing
			p.conn.Close()
			h.event(rooms.KindDisconnected)
		}
	}
	withhold(3)
	before := heap()
	withhold(60)
	const bound = 8 << 20 // of 30 MB sent
	if grown := heap() - before; grown > bound {
		t.Errorf("%d bytes more", grown)
	}
	b.isWell()
}

// The next session, and the same session after a DISCONNECT in between, find nothing of a partial packet.
func TestCVE_2026_48804_PartialPacketIsNotCompletedLater(t *testing.T) {
	const header = `451-["a",{"_placeholder":true,"num":0}]`
	for name, c := range map[string]func(h *harness, p *peer) *peer{
		"another session": func(h *harness, p *peer) *peer {
			p.frame(ws.OpClose, nil)
			p.expect("close 1005")
			h.event(rooms.KindDisconnected)
			q, _ := h.join("/")
			q.sendBinary(1)
			return q
		},
		"DISCONNECT in between": func(_ *harness, p *peer) *peer { p.send("41"); return p },
		"CONNECT in between":    func(_ *harness, p *peer) *peer { p.send("40/chat,"); return p },
		"an event in between":   func(_ *harness, p *peer) *peer { p.send(`42["b"]`); return p },
		"another header":        func(_ *harness, p *peer) *peer { p.send(header); return p },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			b := h.bystander()
			p, _ := h.join("/")
			p.send(header)
			endsMalformed(h, c(h, p))
			b.isWell()
		})
	}
}

// Binary before CONNECT is refused: bare, as attachment of an event of nobody, and as MessagePack that is no CONNECT.
func TestCVE_2026_48804_BinaryBeforeConnect(t *testing.T) {
	h := start(t)
	b := h.bystander()
	for name, send := range map[string]func(p *peer){
		"bare":        func(p *peer) { p.sendBinary(1, 2, 3) },
		"empty":       func(p *peer) { p.sendBinary() },
		"attached":    func(p *peer) { p.send(`451-["a",{"_placeholder":true,"num":0}]`); p.sendBinary(1) },
		"MessagePack": func(p *peer) { p.frame(ws.OpBinary, packed(2, "/", "\x91\xa1a")) },
	} {
		t.Run(name, func(t *testing.T) {
			p := h.open()
			send(p)
			p.t = t
			p.expect("close 1005")
		})
	}
	if s := h.server.Stats(); s.Malformed != 2 || s.Violations != 2 || s.Events != 0 {
		t.Errorf("%d malformed, %d violations, %d events", s.Malformed, s.Violations, s.Events)
	}
	b.isWell()
}

// Code that comes over a bus: this service has no bus between processes, and nothing that the binary is made of decodes
// a format that carries code or types of the sender's choice. The standard library's decoders of that kind are absent
// from everything the process links, and no package of the module but the load generator imports them or starts programs. (unsafe is imported: by
// the generated protobuf code and, for system calls, by netpoll.)
func TestCVE_2025_61765_NothingDeserialisesCode(t *testing.T) {
	const module = "github.com/realtime-svc/realtime-svc"
	list := func(args ...string) []string {
		out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	linked := list("-deps", module+"/cmd/realtime-svc")
	if !slices.Contains(linked, module+"/wsedge/socketio") {
		t.Fatalf("%d packages, the parser is not among them", len(linked))
	}
	for _, bad := range []string{"encoding/gob", "plugin", "net/rpc"} {
		if slices.Contains(linked, bad) {
			t.Errorf("%s is linked", bad)
		}
	}
	for _, line := range strings.Split(strings.Join(list("-f", `{{.ImportPath}}={{join .Imports ","}}`, module+"/..."), "\n"), "\n") {
		name, imports, _ := strings.Cut(line, "=")
		if name == module+"/bench" { // it starts the servers that it measures, and is no part of the process
			continue
		}
		for _, i := range strings.Split(imports, ",") {
			if slices.Contains([]string{"encoding/gob", "plugin", "net/rpc", "os/exec"}, i) {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}
