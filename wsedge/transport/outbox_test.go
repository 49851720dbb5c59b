package transport

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

func message(text string, attachments ...[]byte) *Prepared {
	return Prepare(len(text), func(dst []byte) []byte { return append(dst, text...) }, attachments)
}

func TestPreparedForms(t *testing.T) {
	for _, c := range []struct {
		name    string
		p       *Prepared
		frames  string
		payload string
	}{
		{"text", message("hi"), "\x81\x034hi", "4hi"},
		{"empty", message(""), "\x81\x014", "4"},
		{"126 bytes", message(strings.Repeat("x", 125)), "\x81\x7e\x00\x7e4" + strings.Repeat("x", 125), "4" + strings.Repeat("x", 125)},
		{"64 KiB", message(strings.Repeat("x", 65535)), "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x004" + strings.Repeat("x", 65535), "4" + strings.Repeat("x", 65535)},
		{"attachments", message("51-[]", []byte{1, 2}, nil), "\x81\x06451-[]\x82\x02\x01\x02\x82\x00", "451-[]\x1ebAQI=\x1eb"},
		{"ping", pingPacket, "\x81\x012", "2"},
		{"probe", probePacket, "\x81\x063probe", "3probe"},
		{"close frame", closeFrame, "\x88\x00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // made, then remembered
				if got := string(c.p.webSocket()); got != c.frames {
					t.Errorf("frames %.40q, want %.40q", got, c.frames)
				}
				if c.payload == "" {
					continue // a control frame, which no poll carries
				}
				if got := string(c.p.polling()); got != c.payload {
					t.Errorf("payload %.40q, want %.40q", got, c.payload)
				}
			}
			if c.p.size() < len(c.frames) {
				t.Errorf("charged %d bytes for %d", c.p.size(), len(c.frames))
			}
		})
	}
}

func TestPreparedAsTextOnly(t *testing.T) {
	plain := message("hi")
	if plain.textual() != plain {
		t.Error("a text was made anew")
	}
	p := message("51-[]", []byte{1, 2}, nil)
	for range 2 {
		if got := string(p.textual().webSocket()); got != "\x81\x06451-[]\x81\x05bAQI=\x81\x01b" {
			t.Errorf("frames %q", got)
		}
	}
	if once := p.textual(); p.textual() != once || once.textual() != once {
		t.Error("a form was made twice")
	}
	if got := string(p.textual().polling()); got != string(p.polling()) {
		t.Errorf("payload %q", got)
	}
	if p.textual().size() != p.size() {
		t.Error("the charge of what waits changes with its form")
	}
}

func TestPreparedIsMadeOnce(t *testing.T) {
	p := message("51-[]", []byte{1, 2, 3})
	frames, payload := p.webSocket(), p.polling()
	if &frames[0] != &p.webSocket()[0] || &payload[0] != &p.polling()[0] {
		t.Error("a form was made twice")
	}
	if n := testing.AllocsPerRun(100, func() { p.webSocket(); p.polling() }); n != 0 {
		t.Errorf("%v allocations for a finished form", n)
	}
}

// However the writes fall, the bytes that leave an outbox are those that went
// in, in order, and the charge comes back to zero.
func TestOutboxModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := new(outbox)
		var want, got bytes.Buffer
		scratch := make([]byte, 0, 64)
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			if o.empty() || rapid.Bool().Draw(t, "push") {
				p := message(fmt.Sprint(i, strings.Repeat("x", rapid.IntRange(0, 50).Draw(t, "pad"))))
				if rapid.Bool().Draw(t, "binary") {
					p = message("51-[]", []byte{byte(i)})
				}
				o.push(p)
				want.Write(p.webSocket())
				continue
			}
			chunk := o.gather(scratch)
			n := rapid.IntRange(0, len(chunk)).Draw(t, "taken")
			got.Write(chunk[:n])
			o.advance(n)
		}
		for !o.empty() {
			chunk := o.gather(scratch)
			if len(chunk) == 0 {
				t.Fatal("an outbox that is not empty has nothing to write")
			}
			got.Write(chunk)
			o.advance(len(chunk))
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("got %q, want %q", got.Bytes(), want.Bytes())
		}
		if o.bytes != 0 {
			t.Fatalf("still charged %d bytes", o.bytes)
		}
	})
}

func TestOutboxPayload(t *testing.T) {
	o := new(outbox)
	o.push(message("a"))
	o.push(message("51-[]", []byte{1}))
	o.push(pingPacket)
	if got := string(o.payload()); got != "4a\x1e451-[]\x1ebAQ==\x1e2" {
		t.Errorf("payload %q", got)
	}
	if !o.empty() || o.bytes != 0 {
		t.Errorf("not empty: %+v", o)
	}
}

func TestRecycledOutboxPinsNothing(t *testing.T) {
	o := new(outbox)
	o.push(message("a"))
	o.push(message("b"))
	items := o.items
	o.recycle()
	for i, p := range items[:cap(items)] {
		if p != nil {
			t.Errorf("item %d is kept", i)
		}
	}
}

func BenchmarkPrepare(b *testing.B) {
	args := []byte(strings.Repeat("x", 64))
	b.ReportAllocs()
	for b.Loop() {
		Prepare(96, func(dst []byte) []byte { return append(append(dst, `2["m",`...), args...) }, nil)
	}
}

func BenchmarkOutboxGather(b *testing.B) {
	p := message(strings.Repeat("x", 64))
	scratch := make([]byte, 0, 16<<10)
	o := new(outbox)
	b.ReportAllocs()
	for b.Loop() {
		for range 64 {
			o.push(p)
		}
		for !o.empty() {
			o.advance(len(o.gather(scratch)))
		}
		o.items, o.head = o.items[:0], 0
	}
}

// The control frames that a session answers with are what RFC 6455 wants.
func TestPrepareControl(t *testing.T) {
	h, payload := readServerFrame(t, prepareControl(ws.OpPong, []byte("abc")).webSocket())
	if h.OpCode != ws.OpPong || string(payload) != "abc" || h.Masked {
		t.Errorf("%+v %q", h, payload)
	}
	h, payload = readServerFrame(t, closing(ws.NewCloseFrameBody(1002, "")).webSocket())
	if h.OpCode != ws.OpClose || string(payload) != "\x03\xea" {
		t.Errorf("%+v %q", h, payload)
	}
}

func TestHandshakeSpreadsTheFirstPing(t *testing.T) {
	s := &Server{cfg: Config{Settings: engineio.DefaultSettings()}}
	low, high := engineio.Millis(1<<60), engineio.Millis(0)
	for range 1000 {
		p := s.firstPing()
		low, high = min(low, p), max(high, p)
	}
	if low < 12_500 || high > 25_000 || high-low < 10_000 {
		t.Errorf("first pings between %d and %d ms", low, high)
	}
}

// I4: a queue that is never empty, as that of a client that reads slowly but steadily, does not grow with what has gone
// through it.
func TestI4OutboxForgetsWhatIsGone(t *testing.T) {
	o := new(outbox)
	p := message("a")
	o.push(p)
	for range 100_000 {
		o.push(p)
		o.advance(len(p.webSocket()))
	}
	if o.empty() || cap(o.items) > 64 {
		t.Errorf("one item waits in %d places", cap(o.items))
	}
}

// I4: the charge is about the memory that is held, also for the smallest packets, such as the pongs to a client that
// sends pings and never reads.
func TestI4SmallPacketsAreChargedForTheirMemory(t *testing.T) {
	const bound = 1 << 20
	o := new(outbox)
	held := 0
	for o.bytes < bound {
		p := prepareControl(ws.OpPong, nil)
		o.push(p)
		held += int(unsafe.Sizeof(*p)) + cap(p.buf)
	}
	held += cap(o.items) * int(unsafe.Sizeof(o.items[0]))
	if held > 2*bound {
		t.Errorf("%d bytes are held and %d charged", held, o.bytes)
	}
}
