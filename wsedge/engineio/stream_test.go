package engineio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// streamFrame is what a sink was given.
type streamFrame struct {
	data   string
	binary bool
}

// decodeStream feeds the pieces and returns the frames up to the first error.
func decodeStream(limit int, pieces ...[]byte) (frames []streamFrame, d StreamDecoder, err error) {
	for _, piece := range pieces {
		piece = bytes.Clone(piece)
		_, err = d.Feed(piece, limit, func(data []byte, isBinary bool) error {
			frames = append(frames, streamFrame{string(data), isBinary})
			return nil
		})
		clear(piece) // nothing may be kept of it
		if err != nil {
			break
		}
	}
	return frames, d, err
}

func sameFrames(a, b []streamFrame) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// streamSample is one stream with every form of header.
func streamSample() (wire []byte, frames []streamFrame) {
	for _, f := range []streamFrame{
		{"0", false}, {"2probe", false}, {"\x00\xff", true}, {"4" + strings.Repeat("é", 62), false},
		{strings.Repeat("b", 125), true}, {strings.Repeat("c", 126), true}, {"4" + strings.Repeat("d", 300), false}, {"5", false},
	} {
		wire = append(AppendStreamHeader(wire, f.binary, len(f.data)), f.data...)
		frames = append(frames, f)
	}
	// Longer than they need to be.
	wire = append(wire, 126, 0, 2, '4', 'x', 0x80|127, 0, 0, 0, 0, 0, 0, 0, 1, 7)
	return wire, append(frames, streamFrame{"4x", false}, streamFrame{"\x07", true})
}

// PROTOCOL 1.10: the header in both directions.
func TestStreamHeader(t *testing.T) {
	for _, c := range []struct {
		length int
		wire   string
	}{
		{1, "01"}, {2, "02"}, {125, "7d"}, {126, "7e007e"}, {127, "7e007f"}, {255, "7e00ff"}, {65535, "7effff"},
		{65536, "7f0000000000010000"}, {1_000_000, "7f00000000000f4240"},
	} {
		text := AppendStreamHeader([]byte("x"), false, c.length)
		if got := fmt.Sprintf("%x", text[1:]); got != c.wire || text[0] != 'x' {
			t.Errorf("%d: %s, want %s", c.length, got, c.wire)
		}
		for _, isBinary := range []bool{false, true} {
			b := AppendStreamHeader(nil, isBinary, c.length)
			h, n, err := ParseStreamHeader(b, c.length)
			if err != nil || n != len(b) || h != (StreamHeader{isBinary, c.length}) {
				t.Errorf("%x: %+v, %d, %v", b, h, n, err)
			}
			if _, _, err := ParseStreamHeader(b, c.length-1); !errors.Is(err, ErrStreamTooBig) {
				t.Errorf("%x over the limit: %v", b, err)
			}
			for short := range b {
				if _, n, err := ParseStreamHeader(b[:short], c.length); n != 0 || err != nil {
					t.Errorf("%x: %d, %v", b[:short], n, err)
				}
			}
		}
	}
}

// PROTOCOL 1.10: what is refused, and that it is as soon as the header is there.
func TestStreamErrors(t *testing.T) {
	for name, c := range map[string]struct {
		wire  string
		limit int
		want  error
	}{
		"length 0":             {"\x00", 100, ErrStreamEmpty},
		"length 0, binary":     {"\x80", 100, ErrStreamEmpty},
		"length 0 in 16 bits":  {"\x7e\x00\x00", 1000, ErrStreamEmpty},
		"length 0 in 64 bits":  {"\x7f\x00\x00\x00\x00\x00\x00\x00\x00", 1000, ErrStreamEmpty},
		"over the limit":       {"\x65", 100, ErrStreamTooBig},
		"over it in 16 bits":   {"\x7e\x03\xe9", 1000, ErrStreamTooBig},
		"over it in 64 bits":   {"\xff\x00\x00\x00\x00\x00\x01\x00\x00", 1000, ErrStreamTooBig},
		"2^53-1":               {"\x7f\x00\x1f\xff\xff\xff\xff\xff\xff", 1000, ErrStreamTooBig},
		"2^53":                 {"\x7f\x00\x20\x00\x00\x00\x00\x00\x00", 1 << 30, ErrStreamLength},
		"2^64-1":               {"\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 1 << 30, ErrStreamLength},
		"nothing is allowed":   {"\x01", 0, ErrStreamTooBig},
		"less than nothing":    {"\x01", -1, ErrStreamTooBig},
		"half a character":     {"\x02\x34\xc3", 100, ErrStreamUTF8},
		"a lone surrogate":     {"\x04\x34\xed\xa0\x80", 100, ErrStreamUTF8},
		"after a good packet":  {"\x012\x00", 100, ErrStreamEmpty},
		"and nothing after it": {"\x00\x012", 100, ErrStreamEmpty},
	} {
		t.Run(name, func(t *testing.T) {
			good := strings.HasPrefix(c.wire, "\x012")
			whole, d, err := decodeStream(c.limit, []byte(c.wire))
			if !errors.Is(err, c.want) || (len(whole) > 0) != good || d.held != nil {
				t.Errorf("%v, %v", whole, err)
			}
			var bytewise [][]byte
			for i := range c.wire {
				bytewise = append(bytewise, []byte(c.wire[i:i+1]))
			}
			if _, d, err := decodeStream(c.limit, bytewise...); !errors.Is(err, c.want) || d.held != nil {
				t.Errorf("byte by byte: %v", err)
			}
		})
	}
}

// Every prefix gives the frames that are complete in it, and no error.
func TestStreamEveryPrefix(t *testing.T) {
	wire, frames := streamSample()
	for n := range len(wire) + 1 {
		got, d, err := decodeStream(1000, wire[:n])
		if err != nil || len(got) > len(frames) || !sameFrames(got, frames[:len(got)]) {
			t.Fatalf("%d bytes: %v, %v", n, got, err)
		}
		if n == len(wire) && (len(got) != len(frames) || d.held != nil) {
			t.Fatalf("whole: %d frames, %d bytes held", len(got), len(d.held))
		}
	}
}

// However the stream is cut, the frames are the same, and nothing is held in the end.
func TestStreamEverySplit(t *testing.T) {
	wire, frames := streamSample()
	for i := range len(wire) + 1 {
		for j := i; j <= min(i+12, len(wire)); j++ {
			got, d, err := decodeStream(1000, wire[:i], wire[i:j], wire[j:])
			if err != nil || !sameFrames(got, frames) || d.held != nil {
				t.Fatalf("cut at %d and %d: %v, %v", i, j, got, err)
			}
		}
	}
	var bytewise [][]byte
	for i := range wire {
		bytewise = append(bytewise, wire[i:i+1])
	}
	if got, d, err := decodeStream(1000, bytewise...); err != nil || !sameFrames(got, frames) || d.held != nil {
		t.Fatalf("byte by byte: %v, %v", got, err)
	}
}

// What sink returns ends the feeding, and nothing more is delivered.
func TestStreamSinkStops(t *testing.T) {
	stop := errors.New("stop")
	var d StreamDecoder
	calls := 0
	rest, err := d.Feed([]byte("\x012\x013\x02"), 10, func([]byte, bool) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 || string(rest) != "\x013\x02" {
		t.Errorf("%v after %d calls, rest %q", err, calls, rest)
	}
	rest, err = d.Feed(rest, 10, func([]byte, bool) error { calls++; return nil })
	if err != nil || calls != 2 || len(rest) != 0 || string(d.held) != "\x02" {
		t.Errorf("%v after %d calls, rest %q, held %q", err, calls, rest, d.held)
	}
	d = StreamDecoder{}
	_, _ = d.Feed([]byte("\x02"), 10, nil)
	if _, err := d.Feed([]byte("42"), 10, func([]byte, bool) error { return stop }); !errors.Is(err, stop) || d.held != nil {
		t.Errorf("%v", err)
	}
}

// A frame that was announced but not sent takes no memory; one that is under way takes at most twice what came.
func TestStreamMemoryFollowsTheBytes(t *testing.T) {
	const limit = 1 << 30
	nothing := func([]byte, bool) error { return nil }
	var d StreamDecoder
	if _, err := d.Feed(AppendStreamHeader(nil, true, limit), limit, nothing); err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1000)
	for came := MaxStreamHeader; came < 1<<20; came += len(chunk) {
		if cap(d.held) > 2*max(came, MaxStreamHeader) {
			t.Fatalf("%d bytes came, %d are held", came, cap(d.held))
		}
		if _, err := d.Feed(chunk, limit, nothing); err != nil {
			t.Fatal(err)
		}
	}
	// A frame whose end is near gets no more room than it needs.
	d = StreamDecoder{}
	_, _ = d.Feed(append(AppendStreamHeader(nil, true, 3000), chunk...), limit, nothing)
	_, _ = d.Feed(chunk, limit, nothing)
	_, _ = d.Feed(chunk[:999], limit, nothing)
	if cap(d.held) != 3003 && cap(d.held) > 4010 {
		t.Errorf("%d bytes for a frame of 3003", cap(d.held))
	}
}

// Whole frames in one piece are handed on as they lie there, without a copy.
func TestStreamDoesNotAllocate(t *testing.T) {
	wire, _ := streamSample()
	var d StreamDecoder
	n := 0
	sink := func([]byte, bool) error { n++; return nil }
	if allocs := testing.AllocsPerRun(100, func() { _, _ = d.Feed(wire, 1000, sink) }); allocs != 0 || n == 0 {
		t.Errorf("%v allocations", allocs)
	}
	out := make([]byte, 0, 2000)
	if allocs := testing.AllocsPerRun(100, func() { out = AppendStream(out[:0], Packet{Type: PacketMessage, Data: wire}) }); allocs != 0 {
		t.Errorf("encoding: %v allocations", allocs)
	}
}

// AppendStream writes every packet so that it comes back as it was, also an empty binary one.
func TestAppendStream(t *testing.T) {
	for _, c := range codec {
		wire := AppendStream([]byte{1, '6'}, c.packet)
		var got []Packet
		var d StreamDecoder
		_, err := d.Feed(wire, 1000, func(data []byte, isBinary bool) error {
			p, err := ParseBinary(data), error(nil)
			if !isBinary {
				p, err = ParseText(data)
			}
			got = append(got, p)
			return err
		})
		if err != nil || len(got) != 2 || !equal(got[1], c.packet) {
			t.Errorf("%+v: %x, %v, %v", c.packet, wire, got, err)
		}
	}
	if got := AppendStream(nil, Packet{Type: PacketMessage, Binary: true}); string(got) != "\x01b" {
		t.Errorf("empty binary message: %x", got)
	}
}

// streamVectors is testdata/stream.json: what the streams of the JavaScript parser make of packets and of bytes.
type streamVectors struct {
	Encode []struct {
		Packet          vectorPacket
		Times           int    // the packet's data is repeated
		Header, Payload []byte // of a repeated one only the header
		Length          int
	}
	Decode []struct {
		Wire    []byte
		Limit   int
		Packets []*vectorPacket // nil: the error after which nothing follows
	}
}

func loadStreamVectors(t testing.TB) *streamVectors {
	t.Helper()
	text, err := os.ReadFile("testdata/stream.json")
	if err != nil {
		t.Fatal(err)
	}
	var v streamVectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Encode) == 0 || len(v.Decode) == 0 {
		t.Fatal("testdata/stream.json lacks a part")
	}
	return &v
}

func TestStreamEncodeVectors(t *testing.T) {
	for _, v := range loadStreamVectors(t).Encode {
		p := v.Packet.packet()
		if p.Binary && len(p.Data) == 0 {
			continue // AppendStream says why we differ
		}
		if v.Times > 0 {
			p.Data = bytes.Repeat(p.Data, v.Times)
		}
		got := AppendStream(nil, p)
		whole := append(v.Header, v.Payload...)
		if v.Times > 0 && (!bytes.HasPrefix(got, v.Header) || len(got) != len(v.Header)+v.Length) || v.Times == 0 && !bytes.Equal(got, whole) {
			t.Errorf("%+v, %d times: %x, want %x", v.Packet, v.Times, got[:min(len(got), 20)], whole)
		}
	}
}

func TestStreamDecodeVectors(t *testing.T) {
	for _, v := range loadStreamVectors(t).Decode {
		var got, want []string
		_, err := new(StreamDecoder).Feed(v.Wire, v.Limit, func(data []byte, isBinary bool) error {
			p, err := ParseBinary(data), error(nil)
			if !isBinary {
				p, err = ParseText(data)
			}
			if err == nil {
				got = append(got, show(p, nil))
			}
			return err
		})
		if err != nil {
			got = append(got, show(Packet{}, ErrParse)) // the parser has but one error
		}
		for _, p := range v.Packets {
			if p == nil {
				want = append(want, show(Packet{}, ErrParse))
			} else {
				want = append(want, show(p.packet(), nil))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%x (limit %d): %v\n%s", v.Wire[:min(len(v.Wire), 20)], v.Limit, err, diff)
		}
	}
}

// FuzzStream feeds bytes in one piece and in several: the outcome is the same, and what was decoded encodes to the same.
func FuzzStream(f *testing.F) {
	wire, _ := streamSample()
	f.Add(wire, uint16(3), uint16(1000))
	f.Add([]byte("\x7f\x00\x20\x00\x00\x00\x00\x00\x00"), uint16(1), uint16(9))
	f.Add([]byte("\x02\x34\xc3\x00"), uint16(2), uint16(9))
	f.Fuzz(func(t *testing.T, wire []byte, step, limit uint16) {
		whole, d1, err1 := decodeStream(int(limit), wire)
		var pieces [][]byte
		for rest := wire; len(rest) > 0; {
			n := min(max(int(step), 1), len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		cut, d2, err2 := decodeStream(int(limit), pieces...)
		if !sameFrames(whole, cut) || !errors.Is(err1, err2) || !bytes.Equal(d1.held, d2.held) {
			t.Fatalf("%v, %v; in pieces %v, %v", whole, err1, cut, err2)
		}
		var again []byte
		for _, frame := range whole {
			if len(frame.data) == 0 || len(frame.data) > int(limit) {
				t.Fatalf("%d bytes", len(frame.data))
			}
			again = append(AppendStreamHeader(again, frame.binary, len(frame.data)), frame.data...)
		}
		if got, _, err := decodeStream(int(limit), again); err != nil || !sameFrames(got, whole) {
			t.Fatalf("again: %v, %v", got, err)
		}
	})
}

func BenchmarkStreamDecode(b *testing.B) {
	for _, size := range []int{40, 1000, 100_000} {
		wire := append(AppendStreamHeader(nil, false, size), bytes.Repeat([]byte("4"), size)...)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var d StreamDecoder
			sink := func(data []byte, _ bool) error { runtime.KeepAlive(data); return nil }
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Feed(wire, size, sink); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStreamAppend(b *testing.B) {
	p := Packet{Type: PacketMessage, Data: bytes.Repeat([]byte("x"), 100)}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = AppendStream(out[:0], p)
	}
}
