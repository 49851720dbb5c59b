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

// The two layouts that most sessions have.
var (
	frames = layout{form: formFrames}
	body   = layout{form: formPayload}
)

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
				if got := string(c.p.bytes(frames)); got != c.frames {
					t.Errorf("frames %.40q, want %.40q", got, c.frames)
				}
				if c.payload == "" {
					continue // a control frame, which no poll carries
				}
				if got := string(c.p.bytes(body)); got != c.payload {
					t.Errorf("payload %.40q, want %.40q", got, c.payload)
				}
			}
			if c.p.size() < len(c.frames) {
				t.Errorf("charged %d bytes for %d", c.p.size(), len(c.frames))
			}
		})
	}
}

// Every wire form of a text with attachments and of a binary message (PROTOCOL 1.4, 1.5, 1.10, 2.2, 2.3, 2.5).
func TestFormsOfBinaryMessages(t *testing.T) {
	texts := message("51-[]", []byte{1, 2}, nil)
	bytes := PrepareBinary(2, func(dst []byte) []byte { return append(dst, 1, 2) })
	for name, c := range map[string]struct {
		form            wireForm
		attached, alone string
	}{
		"WebSocket":                    {formFrames, "\x81\x06451-[]\x82\x02\x01\x02\x82\x00", "\x82\x02\x01\x02"},
		"WebSocket, b64":               {formFramesBase64, "\x81\x06451-[]\x81\x05bAQI=\x81\x01b", "\x81\x05bAQI="},
		"WebSocket, revision 3":        {formFrames3, "\x81\x06451-[]\x82\x03\x04\x01\x02\x82\x01\x04", "\x82\x03\x04\x01\x02"},
		"WebSocket, revision 3, b64":   {formFrames3Base64, "\x81\x06451-[]\x81\x06b4AQI=\x81\x02b4", "\x81\x06b4AQI="},
		"WebTransport":                 {formStream, "\x06451-[]\x82\x01\x02\x01b", "\x82\x01\x02"},
		"polling":                      {formPayload, "451-[]\x1ebAQI=\x1eb", "bAQI="},
		"polling, revision 3":          {formPayload3, "6:451-[]6:b4AQI=2:b4", "6:b4AQI="},
		"polling, revision 3, binary":  {formPayload3Binary, "\x00\x06\xff451-[]\x01\x03\xff\x04\x01\x02\x01\x01\xff\x04", "\x01\x03\xff\x04\x01\x02"},
		"WebSocket, short for deflate": {formFramesDeflate, "\x81\x06451-[]\x82\x02\x01\x02\x82\x00", "\x82\x02\x01\x02"},
	} {
		l := layout{form: c.form, deflate: deflaterAt(t, 0)}
		for range 2 {
			if got := string(texts.bytes(l)); got != c.attached {
				t.Errorf("%s: %q, want %q", name, got, c.attached)
			}
			if got := string(bytes.bytes(l)); got != c.alone {
				t.Errorf("%s: binary %q, want %q", name, got, c.alone)
			}
		}
		if first := &texts.bytes(l)[0]; first != &texts.bytes(l)[0] {
			t.Errorf("%s was made twice", name)
		}
	}
}

// What WebSockets of any kind say in the same bytes is not made again for each.
func TestTextIsSharedByForms(t *testing.T) {
	p := message("hi")
	for _, form := range []wireForm{formFramesBase64, formFrames3, formFrames3Base64} {
		if &p.bytes(layout{form: form})[0] != &p.bytes(frames)[0] {
			t.Errorf("form %d was made anew", form)
		}
	}
}

func TestPreparedIsMadeOnce(t *testing.T) {
	p := message("51-[]", []byte{1, 2, 3})
	made, payload := p.bytes(frames), p.bytes(body)
	if &made[0] != &p.bytes(frames)[0] || &payload[0] != &p.bytes(body)[0] {
		t.Error("a form was made twice")
	}
	if n := testing.AllocsPerRun(100, func() { p.bytes(frames); p.bytes(body) }); n != 0 {
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
				want.Write(p.bytes(frames))
				continue
			}
			chunk := o.gather(scratch, frames)
			n := rapid.IntRange(0, len(chunk)).Draw(t, "taken")
			got.Write(chunk[:n])
			o.advance(n, frames)
		}
		for !o.empty() {
			chunk := o.gather(scratch, frames)
			if len(chunk) == 0 {
				t.Fatal("an outbox that is not empty has nothing to write")
			}
			got.Write(chunk)
			o.advance(len(chunk), frames)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("got %q, want %q", got.Bytes(), want.Bytes())
		}
		if o.bytes != 0 {
			t.Fatalf("still charged %d bytes", o.bytes)
		}
	})
}

func TestPayloadOfSeveral(t *testing.T) {
	text, binary := message("a"), message("51-[]", []byte{1})
	plain := Prepare(1, func(dst []byte) []byte { return append(dst, 'p') }, nil).Uncompressed()
	for name, c := range map[string]struct {
		style pollStyle
		items []*Prepared
		want  payload
	}{
		"revision 4":                 {pollStyle{revision: 4}, []*Prepared{text, binary, pingPacket}, payload{[]byte("4a\x1e451-[]\x1ebAQ==\x1e2"), false, true, false}},
		"revision 4, alone":          {pollStyle{revision: 4}, []*Prepared{text}, payload{[]byte("4a"), false, true, false}},
		"revision 4, not compressed": {pollStyle{revision: 4}, []*Prepared{plain, plain}, payload{[]byte("4p\x1e4p"), false, false, false}},
		"one of them compressed":     {pollStyle{revision: 4}, []*Prepared{plain, text}, payload{[]byte("4p\x1e4a"), false, true, false}},
		"revision 3":                 {pollStyle{revision: 3}, []*Prepared{text, pongPacket}, payload{[]byte("2:4a1:3"), false, true, false}},
		"revision 3, bytes":          {pollStyle{revision: 3}, []*Prepared{text, binary}, payload{[]byte("\x00\x02\xff4a\x00\x06\xff451-[]\x01\x02\xff\x04\x01"), true, true, false}},
		"nothing but a noop":         {pollStyle{revision: 4}, []*Prepared{noopPacket}, payload{[]byte("6"), false, true, true}},
		"revision 3, text only":      {pollStyle{revision: 3, text: true}, []*Prepared{text, binary}, payload{[]byte("2:4a6:451-[]6:b4AQ=="), false, true, false}},
	} {
		got := c.style.encode(c.items...)
		if string(got.body) != string(c.want.body) || got.binary != c.want.binary || got.compress != c.want.compress ||
			got.noop != c.want.noop {
			t.Errorf("%s: %q binary %v compress %v noop %v", name, got.body, got.binary, got.compress, got.noop)
		}
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
			o.advance(len(o.gather(scratch, frames)), frames)
		}
		o.items, o.head = o.items[:0], 0
	}
}

// The control frames that a session answers with are what RFC 6455 wants.
func TestPrepareControl(t *testing.T) {
	h, payload := readServerFrame(t, prepareControl(ws.OpPong, []byte("abc")).bytes(frames))
	if h.OpCode != ws.OpPong || string(payload) != "abc" || h.Masked {
		t.Errorf("%+v %q", h, payload)
	}
	h, payload = readServerFrame(t, closing(ws.NewCloseFrameBody(1002, "")).bytes(frames))
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
		o.advance(len(p.bytes(frames)), frames)
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
