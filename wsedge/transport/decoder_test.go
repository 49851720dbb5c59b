package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// announce is the header of a masked binary frame of n bytes, n > 65535, and nothing of its payload.
func announce(n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, n), 1, 2, 3, 4)
}

// CVE-2016-10542 and its like: memory follows the bytes that came, not those that were announced. A header costs a
// header's room, and later the room is at most twice what was sent.
func TestCVE_2016_10542_MemoryFollowsTheBytes(t *testing.T) {
	in := append(announce(limit), make([]byte, limit)...)
	for _, step := range []int{14, 100, 1000, 4096, 65536} {
		var d decoder
		var got heard
		for fed := 0; fed < len(in); {
			n := min(step, len(in)-fed)
			if _, err := d.feed(bytes.Clone(in[fed:fed+n]), frameRules{limit: limit}, &got); err != nil {
				t.Fatal(err)
			}
			if fed += n; fed == len(in) {
				break
			}
			if room, most := cap(d.held.frame), max(firstRoom, 2*fed); room > most {
				t.Fatalf("after %d bytes in steps of %d: room for %d, want %d at the most", fed, step, room, most)
			}
		}
		if len(got) != 1 || d.held != nil {
			t.Errorf("steps of %d: %d messages, held %v", step, len(got), d.held)
		}
	}
}

// A header that is cut takes no more than a header's room, whatever it may turn out to announce.
func TestHeldHeaderIsSmall(t *testing.T) {
	header := announce(limit)
	for n := 1; n < len(header); n++ {
		var d decoder
		if _, err := d.feed(bytes.Clone(header[:n]), frameRules{limit: limit}, &silent{}); err != nil {
			t.Fatal(err)
		}
		if c := cap(d.held.frame); c > 16 {
			t.Errorf("%d bytes of a header take %d", n, c)
		}
	}
}

// CVE-2026-48779: a flood of fragments, empty or of one byte, holds no more than the message that it makes up, and ends
// with the bound on their number.
func TestCVE_2026_48779_FloodOfFragments(t *testing.T) {
	for _, payload := range []string{"", "x"} {
		var d decoder
		var got heard
		_, err := d.feed(frame(0x02, payload), frameRules{limit: limit}, &got)
		sent := 1
		for ; err == nil; sent++ {
			if c := cap(d.held.message); c > 2*sent+64 {
				t.Fatalf("%d fragments of %q take %d bytes", sent, payload, c)
			}
			_, err = d.feed(frame(0x00, payload), frameRules{limit: limit}, &got)
		}
		if err != errTooBig || sent != maxFragments+1 || len(got) != 0 {
			t.Errorf("fragments of %q: %v after %d, heard %d", payload, err, sent, len(got))
		}
	}
}

// A refused frame leaves nothing reserved, whatever it announced.
func TestRefusedLengthReservesNothing(t *testing.T) {
	for _, n := range []uint64{limit + 1, 1 << 31, 1 << 32, 1<<62 - 1, 1 << 62, 1 << 63, 1<<64 - 1} {
		var d decoder
		if _, err := d.feed(announce(n), frameRules{limit: limit}, &silent{}); err != errTooBig || d.held != nil {
			t.Errorf("%d bytes: %v, held %v", n, err, d.held)
		}
	}
}

// Frames of all sizes, cut in reads of 64 KiB as a loop cuts them.
func BenchmarkDecoderInReads(b *testing.B) {
	for _, size := range []int{100 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			in := frame(0x82, strings.Repeat("x", size))
			buf := make([]byte, 64<<10)
			sink := &silent{}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				var d decoder
				for rest := in; len(rest) > 0; {
					n := copy(buf, rest)
					rest = rest[n:]
					if _, err := d.feed(buf[:n], frameRules{limit: limit}, sink); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// A text of 64 KiB in sixteen fragments.
func BenchmarkDecoderFragments(b *testing.B) {
	in := frame(0x01, strings.Repeat("text", 1024))
	for range 14 {
		in = append(in, frame(0x00, strings.Repeat("text", 1024))...)
	}
	in = append(in, frame(0x80, strings.Repeat("text", 1024))...)
	buf := make([]byte, len(in))
	sink := &silent{}
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		copy(buf, in)
		var d decoder
		if _, err := d.feed(buf, frameRules{limit: limit}, sink); err != nil {
			b.Fatal(err)
		}
	}
}
