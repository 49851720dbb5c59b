package engineio

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// payloads holds bodies in both forms. An error ends what a body yields.
var payloads = []struct {
	body   string
	yields []string
}{
	{"4", []string{"4"}},
	{"4a\x1e4b", []string{"4a", "4b"}},
	{"2\x1e3\x1e6", []string{"2", "3", "6"}},
	{"4€\x1ebAQIDBA==\x1e4ü", []string{"4€", "bAQIDBA==", "4ü"}},
	{"0{\"sid\":\"x\"}\x1e4", []string{"0{\"sid\":\"x\"}", "4"}},
}

func collect(body string) (got []string) {
	for p, err := range Payload([]byte(body)) {
		got = append(got, show(p, err))
	}
	return got
}

func TestPayload(t *testing.T) {
	for _, c := range payloads {
		if d := cmp.Diff(c.yields, collect(c.body)); d != "" {
			t.Errorf("%q: (-want +got)\n%s", c.body, d)
		}
		var body []byte
		for _, text := range c.yields {
			p, err := ParseText([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			body = AppendPayload(body, p)
		}
		if string(body) != c.body {
			t.Errorf("encoded %q, want %q", body, c.body)
		}
	}
}

// What comes before a bad packet counts; nothing comes after it (PROTOCOL 1.4).
func TestPayloadErrors(t *testing.T) {
	bad := ErrParse.Error()
	for body, want := range map[string][]string{
		"":                  {bad},
		"\x1e":              {bad},
		"\x1e4":             {bad},
		"4\x1e":             {"4", bad},
		"4a\x1e\x1e4b":      {"4a", bad},
		"4a\x1e7\x1e4b":     {"4a", bad},
		"4a\x1eb*\x1e4b":    {"4a", bad},
		"2\x1e1\x1exyz\x1e": {"2", "1", bad},
	} {
		if d := cmp.Diff(want, collect(body)); d != "" {
			t.Errorf("%q: (-want +got)\n%s", body, d)
		}
	}
}

// Every prefix of a body yields what the body yields, up to a last packet that is cut or bad.
func TestPayloadEveryPrefix(t *testing.T) {
	for _, c := range payloads {
		for n := range len(c.body) {
			got := collect(c.body[:n])
			last := len(got) - 1
			if last < 0 || last >= len(c.yields) || !cmp.Equal(got[:last], c.yields[:last]) {
				t.Errorf("%q: %q", c.body[:n], got)
			}
		}
	}
}

// The consumer may stop: a close packet in the middle ends the session.
func TestPayloadStops(t *testing.T) {
	n := 0
	for _, err := range Payload([]byte("4\x1e1\x1e4\x1e4")) {
		if n++; n == 2 || err != nil {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d packets", n)
	}
}

// CVE-2020-36048: a body full of tiny packets is walked over without memory.
func TestPayloadOfTinyPackets(t *testing.T) {
	body := []byte(strings.Repeat("4\x1e", 500_000) + "4")
	n := 0
	allocs := testing.AllocsPerRun(1, func() {
		n = 0
		for _, err := range Payload(body) {
			if err != nil {
				t.Error(err)
			}
			n++
		}
	})
	if n != 500_001 || allocs != 0 {
		t.Errorf("%d packets, %v allocations", n, allocs)
	}
}

func FuzzText(f *testing.F) {
	for _, c := range loadVectors(f).Decode {
		f.Add([]byte(c.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseText(text)
		if err != nil {
			return
		}
		again := AppendText(nil, p)
		if !p.Binary && !bytes.Equal(again, text) {
			t.Errorf("%q became %q", text, again)
		}
		if q, err := ParseText(again); err != nil || !equal(p, q) {
			t.Errorf("%q: %+v became %+v, %v", text, p, q, err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	for _, c := range loadVectors(f).DecodePayload {
		f.Add([]byte(c.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var again []byte
		var packets []Packet
		failed := false
		for p, err := range Payload(body) {
			if failed {
				t.Fatal("something came after the error")
			}
			if failed = err != nil; !failed {
				packets = append(packets, p)
				again = AppendPayload(again, p)
			}
		}
		if len(packets)+1 > bytes.Count(body, []byte{separator})+2 || len(packets) == 0 && !failed {
			t.Fatalf("%d packets in %q", len(packets), body)
		}
		if len(packets) == 0 {
			return
		}
		i := 0
		for p, err := range Payload(again) {
			if err != nil || i >= len(packets) || !equal(p, packets[i]) {
				t.Fatalf("%q became %q: packet %d is %+v, %v", body, again, i, p, err)
			}
			i++
		}
		if i != len(packets) {
			t.Fatalf("%q became %q", body, again)
		}
	})
}

func BenchmarkParseText(b *testing.B) {
	frame := []byte(`42["m","` + strings.Repeat("x", 40) + `"]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseText(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPayload(b *testing.B) {
	body := []byte(strings.Repeat(`42["m","`+strings.Repeat("x", 40)+"\"]\x1e", 15) + "2")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Payload(body) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	frame, dst, id := []byte(`42["m","x"]`), make([]byte, 0, 256), NewID()
	p, set, upgrades := Packet{Type: PacketMessage, Binary: true, Data: frame}, DefaultSettings(), []string{"websocket"}
	var s Session
	for name, f := range map[string]func(){
		"ParseText":     func() { p2, _ := ParseText(frame); p.Data = p2.Data },
		"ParseBinary":   func() { p = ParseBinary(frame) },
		"AppendText":    func() { AppendText(dst, p) },
		"AppendPayload": func() { AppendPayload(dst, p) },
		"AppendOpen":    func() { AppendOpen(dst, id, upgrades, &set) },
		"ParseID":       func() { ParseID("abcdefghijklmnopqrst") },
		"Session": func() {
			s.Open(&set, Polling, Revision4, 1, 10)
			s.PollArrived(2)
			s.CandidateArrived(3, WebSocket)
			s.Receive(Candidate, Packet{Type: PacketPing, Data: []byte("probe")}, 4)
			s.Receive(Candidate, Packet{Type: PacketUpgrade}, 5)
			s.Receive(Current, p, 6)
			s.Advance(s.Deadline())
			s.Close(ForcedClose, 1000)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
