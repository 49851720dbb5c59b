package engineio

import (
	"fmt"
	"iter"
	"strings"
	"testing"
)

// hostile3 holds bodies of about n bytes that cost a careless parser much (CVE-2020-36048).
func hostile3(n int) (text, binary map[string][]byte) {
	fill := func(units map[string]string) map[string][]byte {
		bodies := map[string][]byte{}
		for name, unit := range units {
			bodies[name] = []byte(strings.Repeat(unit, n/len(unit)))
		}
		return bodies
	}
	text = fill(map[string]string{
		"tiny":           "1:4",
		"empty":          "0:",
		"ones":           "1",
		"zeros":          "0",
		"long zeros":     strings.Repeat("0", maxLengthDigits-1) + "1:4",
		"astral":         "3:4😀",
		"lengths to end": "99999:",
	})
	// Half as many code units as are promised.
	text["one broken packet"] = fmt.Appendf(nil, "%d:4%s", n, strings.Repeat("😀", n/4))
	binary = fill(map[string]string{
		"tiny":       "\x00\x01\xff4",
		"tiny bytes": "\x01\x01\xff\x04",
		"zeros":      "\x00",
		"nines":      "\x01\x09",
		"long zeros": "\x00" + strings.Repeat("\x00", maxLengthDigits-1) + "\x01\xff4",
	})
	return text, binary
}

// CVE-2020-36048: a large POST full of tiny packets or of broken length headers takes no memory.
func TestCVE_2020_36048_Payload3(t *testing.T) {
	check := func(name string, body []byte, count func() int) {
		n := 0
		if allocs := testing.AllocsPerRun(1, func() { n = count() }); allocs != 0 || n > len(body)/3 {
			t.Errorf("%s: %v allocations, %d packets", name, allocs, n)
		}
	}
	text, binary := hostile3(300_000)
	for name, body := range text {
		check("text, "+name, body, func() int { return countText(body) })
	}
	for name, body := range binary {
		check("binary, "+name, body, func() int { return countBinary(body) })
	}
}

func countText(body []byte) (n int) {
	for range Payload3(body) {
		n++
	}
	return n
}

func countBinary(body []byte) (n int) {
	for range BinaryPayload3(body) {
		n++
	}
	return n
}

// CVE-2020-36048: the time that a body takes is linear in its length. Compare the two sizes.
func BenchmarkCVE202036048Payload3(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		text, binary := hostile3(size)
		run := func(name string, body []byte, count func([]byte) int) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					count(body)
				}
			})
		}
		for name, body := range text {
			run("text, "+name, body, countText)
		}
		for name, body := range binary {
			run("binary, "+name, body, countBinary)
		}
	}
}

func BenchmarkPayload3(b *testing.B) {
	p := Packet{Type: PacketMessage, Data: []byte(`2["m","` + strings.Repeat("x", 40) + `"]`)}
	var text, binary []byte
	for range 15 {
		text, binary = AppendPayload3(text, p), AppendBinaryPayload3(binary, p)
	}
	dst := make([]byte, 0, len(text))
	for name, f := range map[string]func(){
		"Payload3":             func() { drain(b, Payload3(text)) },
		"BinaryPayload3":       func() { drain(b, BinaryPayload3(binary)) },
		"AppendPayload3":       func() { AppendPayload3(dst, p) },
		"AppendBinaryPayload3": func() { AppendBinaryPayload3(dst, p) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func drain(t testing.TB, packets iter.Seq2[Packet, error]) {
	for _, err := range packets {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoAllocations3(t *testing.T) {
	frame, binary, dst := []byte(`42["é","x"]`), []byte("\x04data"), make([]byte, 0, 256)
	p := Packet{Type: PacketMessage, Binary: true, Data: frame}
	body, body3 := AppendPayload3(nil, Packet{Type: PacketMessage, Data: frame}), AppendBinaryPayload3(nil, p)
	for name, f := range map[string]func(){
		"ParseText3":           func() { p2, _ := ParseText3(frame); p.Data = p2.Data },
		"ParseBinary3":         func() { p2, _ := ParseBinary3(binary); p.Data = p2.Data },
		"AppendText3":          func() { AppendText3(dst, p) },
		"AppendBinary3":        func() { AppendBinary3(dst, p) },
		"AppendPayload3":       func() { AppendPayload3(dst, p) },
		"AppendBinaryPayload3": func() { AppendBinaryPayload3(dst, p) },
		"Payload3":             func() { drain(t, Payload3(body)) },
		"BinaryPayload3":       func() { drain(t, BinaryPayload3(body3)) },
		"AppendJSONP":          func() { AppendJSONP(dst, "1;alert(2)", frame) },
		"Session": func() {
			var s Session
			s.Open(&testSettings, Polling, Revision3, 1, 10)
			s.Receive(Current, Packet{Type: PacketPing}, 2)
			s.CandidateArrived(3, WebTransport)
			s.Receive(Candidate, Packet{Type: PacketUpgrade}, 5)
			s.Advance(s.Deadline())
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
