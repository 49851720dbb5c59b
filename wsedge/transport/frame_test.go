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

var decoderCases = []struct {
	name string
	in   []byte
	want heard
	err  error
}{
	{"5.6 text", frame(0x81, "4hello"), heard{`message false "4hello"`}, nil},
	{"5.6 binary", frame(0x82, "\x00\xff"), heard{`message true "\x00\xff"`}, nil},
	{"5.6 empty text", frame(0x81, ""), heard{`message false ""`}, nil},
	{"several in one read", join(frame(0x81, "a"), frame(0x82, "b"), frame(0x81, "c")),
		heard{`message false "a"`, `message true "b"`, `message false "c"`}, nil},
	{"5.2 length of 16 bits", frame(0x81, strings.Repeat("x", 126)), heard{fmt.Sprintf("message false %q", strings.Repeat("x", 126))}, nil},
	{"5.2 length of 64 bits", frame(0x82, strings.Repeat("y", 70000)), heard{fmt.Sprintf("message true %q", strings.Repeat("y", 70000))}, nil},
	{"5.4 fragments", join(frame(0x01, "he"), frame(0x00, "l"), frame(0x80, "lo")), heard{`message false "hello"`}, nil},
	{"5.4 control between fragments", join(frame(0x01, "he"), frame(0x89, "p"), frame(0x80, "llo"), frame(0x81, "next")),
		heard{`control 9 "p"`, `message false "hello"`, `message false "next"`}, nil},
	{"5.4 empty fragments", join(frame(0x02, ""), frame(0x00, ""), frame(0x80, "")), heard{`message true ""`}, nil},
	{"8.1 character split over fragments", join(frame(0x01, "\xe2\x82"), frame(0x80, "\xac")), heard{`message false "€"`}, nil},
	{"5.5.1 close", frame(0x88, "\x03\xe8bye"), heard{`control 8 "\x03\xe8bye"`}, nil},
	{"5.5.2 ping", frame(0x89, strings.Repeat("p", 125)), heard{fmt.Sprintf("control 9 %q", strings.Repeat("p", 125))}, nil},

	{"5.1 unmasked", []byte{0x81, 0x01, 'a'}, nil, errUnmasked},
	{"5.2 RSV1", frame(0xc1, "a"), nil, errReserved},
	{"5.2 RSV2", frame(0xa1, "a"), nil, errReserved},
	{"5.2 RSV3", frame(0x91, "a"), nil, errReserved},
	{"5.2 opcode 3", frame(0x83, "a"), nil, errOpcode},
	{"5.2 opcode 7", frame(0x87, "a"), nil, errOpcode},
	{"5.2 opcode 11", frame(0x8b, "a"), nil, errOpcode},
	{"5.2 opcode 15", frame(0x8f, "a"), nil, errOpcode},
	{"5.2 length 5 in 16 bits", []byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0}, nil, errLength},
	{"5.2 length 5 in 64 bits", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0}, nil, errLength},
	{"5.2 length with the top bit", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, errTooBig},
	{"5.2 length of 2^62", []byte{0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, errTooBig},
	{"5.5 fragmented ping", frame(0x09, "a"), nil, errControl},
	{"5.5 long ping", frame(0x89, strings.Repeat("p", 126)), nil, errControl},
	{"5.4 continuation without beginning", frame(0x80, "a"), nil, errContinuation},
	{"5.4 new message between fragments", join(frame(0x01, "a"), frame(0x81, "b")), nil, errContinuation},
	{"8.1 bad UTF-8", frame(0x81, "\xff"), nil, errUTF8},
	{"8.1 bad UTF-8 over fragments", join(frame(0x01, "\xe2\x82"), frame(0x80, "\x28")), nil, errUTF8},
	{"too big", frame(0x82, strings.Repeat("z", limit+1)), nil, errTooBig},
	{"too big over fragments", join(frame(0x02, strings.Repeat("z", limit)), frame(0x80, "z")), nil, errTooBig},
	{"exactly the limit", frame(0x82, strings.Repeat("z", limit)), heard{fmt.Sprintf("message true %q", strings.Repeat("z", limit))}, nil},
	{"flood of empty fragments", join(frame(0x02, ""), bytes.Repeat(frame(0x00, ""), maxFragments)), nil, errTooBig},
	{"messages before an error", join(frame(0x81, "a"), frame(0x83, "b"), frame(0x81, "c")), heard{`message false "a"`}, errOpcode},
}

func TestDecoder(t *testing.T) {
	for _, c := range decoderCases {
		t.Run(c.name, func(t *testing.T) {
			var d decoder
			var got heard
			err := d.feed(bytes.Clone(c.in), limit, &got)
			checkDecoded(t, got, err, c.want, c.err)
			if err == nil && d.held != nil {
				t.Errorf("the decoder keeps %+v though nothing is unfinished", d.held)
			}
		})
	}
}

// Wherever the bytes are split, the same comes out.
func TestDecoderSplit(t *testing.T) {
	for _, c := range decoderCases {
		if len(c.in) > 1000 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for cut := 1; cut < len(c.in); cut++ {
				var d decoder
				var got heard
				err := d.feed(bytes.Clone(c.in[:cut]), limit, &got)
				if err == nil {
					err = d.feed(bytes.Clone(c.in[cut:]), limit, &got)
				}
				checkDecoded(t, got, err, c.want, c.err)
			}
			var d decoder
			var got heard
			var err error
			for i := 0; i < len(c.in) && err == nil; i++ {
				err = d.feed([]byte{c.in[i]}, limit, &got)
			}
			checkDecoded(t, got, err, c.want, c.err)
		})
	}
}

func checkDecoded(t *testing.T, got heard, err error, want heard, wantErr error) {
	t.Helper()
	if !errors.Is(err, wantErr) {
		t.Fatalf("error %v, want %v", err, wantErr)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %.200q, want %.200q", got, want)
	}
}

// A prefix of a valid stream is never an error, and hands over nothing early.
func TestDecoderPrefixes(t *testing.T) {
	in := join(frame(0x01, "he"), frame(0x89, "p"), frame(0x80, "llo"), frame(0x82, strings.Repeat("b", 300)))
	for n := range in {
		var d decoder
		var got heard
		if err := d.feed(bytes.Clone(in[:n]), limit, &got); err != nil {
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
	if err := d.feed(huge, 999, &got); !errors.Is(err, errTooBig) {
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
		if err := d.feed(buf, limit, sink); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type silent struct{}

func (*silent) message([]byte, bool) error      { return nil }
func (*silent) control(ws.OpCode, []byte) error { return nil }

func TestParseClose(t *testing.T) {
	for payload, want := range map[string]ws.StatusCode{
		"": 1005, "\x03\xe8": 1000, "\x03\xe8bye": 1000, "\x0b\xb8": 3000, "\x13\x87": 4999,
	} {
		if code, err := parseClose([]byte(payload)); err != nil || code != want {
			t.Errorf("%q: %d, %v, want %d", payload, code, err, want)
		}
	}
	for _, payload := range []string{"\x03", "\x03\xe7", "\x03\xec", "\x03\xed", "\x03\xee", "\x03\xf7", "\x0b\xb7", "\x13\x88", "\xff\xff"} {
		if code, err := parseClose([]byte(payload)); !errors.Is(err, errCloseFrame) {
			t.Errorf("%q: %d, %v, want an error", payload, code, err)
		}
	}
	if _, err := parseClose([]byte("\x03\xe8\xff")); !errors.Is(err, errUTF8) {
		t.Errorf("close reason that is not UTF-8: %v", err)
	}
}

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

func FuzzDecoder(f *testing.F) {
	for _, c := range decoderCases {
		if len(c.in) < 500 {
			f.Add(c.in, uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		var whole, parts decoder
		var a, b heard
		const limit = 4096
		errWhole := whole.feed(bytes.Clone(in), limit, &a)
		var errParts error
		n := int(step)%16 + 1
		for rest := in; len(rest) > 0 && errParts == nil; {
			cut := min(n, len(rest))
			errParts = parts.feed(bytes.Clone(rest[:cut]), limit, &b)
			rest = rest[cut:]
		}
		if !errors.Is(errParts, errWhole) || !slices.Equal(a, b) {
			t.Fatalf("in one: %q, %v; in steps of %d: %q, %v", a, errWhole, n, b, errParts)
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	in := frame(0x81, `42["m","0123456789012345678901234567"]`)
	buf := make([]byte, len(in))
	var d decoder
	sink := &silent{}
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, in)
		if err := d.feed(buf, limit, sink); err != nil {
			b.Fatal(err)
		}
	}
}
