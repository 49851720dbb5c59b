package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// heard is what a decoder handed over, one line each.
type heard []string

func (h *heard) message(data []byte, binary bool) error {
	*h = append(*h, fmt.Sprintf("message %t %q", binary, data))
	return nil
}

func (h *heard) control(op ws.OpCode, payload []byte) error {
	*h = append(*h, fmt.Sprintf("control %d %q", op, payload))
	return nil
}

// frame builds one masked client frame. bits are FIN, RSV and opcode.
func frame(bits byte, payload string) []byte {
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	b := []byte{bits}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	b = append(b, mask[:]...)
	masked := []byte(payload)
	ws.Cipher(masked, mask, 0)
	return append(b, masked...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

const limit = 1 << 20

// A prefix of a valid stream is never an error, and hands over nothing early.
func TestDecoderPrefixes(t *testing.T) {
	in := join(frame(0x01, "he"), frame(0x89, "p"), frame(0x80, "llo"), frame(0x82, strings.Repeat("b", 300)))
	for n := range in {
		var d decoder
		var got heard
		if _, err := d.feed(bytes.Clone(in[:n]), frameRules{limit: limit}, &got); err != nil {
			t.Fatalf("prefix of %d bytes: %v", n, err)
		}
		if len(got) > 2 {
			t.Fatalf("prefix of %d bytes gave %q", n, got)
		}
	}
}

func TestDecoderReservesOnlyWhatItChecked(t *testing.T) {
	var d decoder
	var got heard
	huge := frame(0x82, strings.Repeat("z", 1000))[:20]
	if _, err := d.feed(huge, frameRules{limit: 999}, &got); !errors.Is(err, errTooBig) {
		t.Fatalf("a frame over the limit: %v", err)
	}
	if d.held != nil {
		t.Fatal("memory was reserved for a frame that was refused")
	}
}

func TestDecoderAllocatesNothingForWholeFrames(t *testing.T) {
	in := join(frame(0x81, "4hello"), frame(0x82, "xyz"), frame(0x89, ""))
	buf := make([]byte, len(in))
	var d decoder
	sink := &silent{}
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, in)
		if _, err := d.feed(buf, frameRules{limit: limit}, sink); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type silent struct{}

func (*silent) message([]byte, bool) error      { return nil }
func (*silent) control(ws.OpCode, []byte) error { return nil }

// What the server writes, gobwas reads.
func TestServerFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 100000} {
		payload := bytes.Repeat([]byte("a"), n)
		h, got := readServerFrame(t, appendFrame(nil, ws.OpText, payload))
		if !bytes.Equal(got, payload) || h.Masked || !h.Fin || h.OpCode != ws.OpText {
			t.Errorf("%d bytes: %+v", n, h)
		}
	}
}

// readServerFrame reads one frame as gobwas does.
func readServerFrame(t *testing.T, frame []byte) (ws.Header, []byte) {
	t.Helper()
	r := bytes.NewReader(frame)
	h, err := ws.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := io.ReadAll(r)
	if err != nil || int64(len(payload)) != h.Length {
		t.Fatalf("%d bytes of %d, %v", len(payload), h.Length, err)
	}
	return h, payload
}

// However the bytes are cut, the same comes of them, with compression and without; and what is heard keeps to the limit.
func FuzzDecoder(f *testing.F) {
	for _, c := range slices.Concat(rfc6455Cases, rfc7692Cases) {
		if len(c.in) < 500 {
			f.Add(c.in, uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		for _, rules := range []frameRules{{limit: 4096}, {limit: 4096, deflate: true}} {
			var whole, parts decoder
			var a, b bounded
			_, errWhole := whole.feed(bytes.Clone(in), rules, &a)
			var errParts error
			n := int(step)%16 + 1
			for rest := in; len(rest) > 0 && errParts == nil; {
				cut := min(n, len(rest))
				_, errParts = parts.feed(bytes.Clone(rest[:cut]), rules, &b)
				rest = rest[cut:]
			}
			if !errors.Is(errParts, errWhole) || !slices.Equal(a.heard, b.heard) {
				t.Fatalf("in one: %q, %v; in steps of %d: %q, %v", a.heard, errWhole, n, b.heard, errParts)
			}
			if longest := max(a.longest, b.longest); longest > rules.limit {
				t.Fatalf("a message of %d bytes", longest)
			}
		}
	})
}

// bounded also remembers the longest message.
type bounded struct {
	peer
	longest int
}

func (b *bounded) message(data []byte, binary bool) error {
	b.longest = max(b.longest, len(data))
	return b.peer.message(data, binary)
}

func BenchmarkDecoder(b *testing.B) {
	in := frame(0x81, `42["m","0123456789012345678901234567"]`)
	buf := make([]byte, len(in))
	var d decoder
	sink := &silent{}
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, in)
		if _, err := d.feed(buf, frameRules{limit: limit}, sink); err != nil {
			b.Fatal(err)
		}
	}
}
