package socketio

import (
	"bytes"
	"strings"
	"testing"
)

// event is what a chat sends: 40 bytes of argument, as in the measurements of the edge.
var event = []byte(`2["m","` + strings.Repeat("x", 40) + `"]`)

var (
	sinkPacket Packet
	sinkBytes  []byte
)

func BenchmarkDecode(b *testing.B) {
	cases := map[string][]byte{
		"40B":      event,
		"ack":      []byte(`3/chat,17["ok",{"at":1700000000000}]`),
		"1KiB":     []byte(`2["m",{"text":"` + strings.Repeat("x", 1024) + `"}]`),
		"objects":  []byte(`2["m",` + strings.Repeat(`{"id":12,"tags":["a","b"],"ok":true},`, 20) + `null]`),
		"numbers":  []byte(`2["m",[` + strings.Repeat(`-12.5e3,`, 100) + `0]]`),
		"attached": []byte(`51-["pic",{"data":{"_placeholder":true,"num":0}}]`),
	}
	for name, text := range cases {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				p, err := Decode(text, nil)
				if err != nil {
					b.Fatal(err)
				}
				sinkPacket = p
			}
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	args := []byte(`"` + strings.Repeat("x", 40) + `"`)
	dst := make([]byte, 0, 128)
	b.ReportAllocs()
	e := &OutEvent{Namespace: "/chat", Name: "m", Args: args, ID: 17, HasID: true}
	for b.Loop() {
		sinkBytes = AppendEvent(dst, e)
	}
}

// The hot paths allocate nothing.
func TestNoAllocations(t *testing.T) {
	args := []byte(`"hi",{"a":1}`)
	dst := make([]byte, 0, 256)
	binary := []byte(`52-/chat,17["pic",{"_placeholder":true,"num":1.0},{"num":0,"_placeholder":true}]`)
	connect := []byte(`0/chat,{"token":"x\u00e9"}`)
	limits := &Limits{Attachments: 2, Depth: 8, NamespaceBytes: 16}
	out := &OutEvent{Namespace: "/chat", Name: "m\n", Args: args, Attachments: two, ID: MaxID, HasID: true, Offset: "x"}
	cases := map[string]func(){
		"Decode event":   func() { sinkPacket, _ = Decode(event, nil) },
		"Decode binary":  func() { sinkPacket, _ = Decode(binary, limits) },
		"Decode connect": func() { sinkPacket, _ = Decode(connect, nil) },
		"AppendEvent":    func() { sinkBytes = AppendEvent(dst, out) },
		"AppendAck":      func() { sinkBytes = AppendAck(dst, out) },
		"AppendConnect":  func() { sinkBytes = AppendConnect(dst, "/", "abcdefghijklmnopqrst", "abcdefghijklmnopqrst") },
		"AppendConnectError": func() {
			sinkBytes = AppendConnectError(dst, "/", "Invalid namespace", nil)
		},
		"AppendDisconnect": func() { sinkBytes = AppendDisconnect(dst, "/") },
		"whole text":       func() { acceptsJSON(args[:4], 0) },
	}
	for name, f := range cases {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if _, err := Decode(binary, limits); err != nil {
		t.Error(err)
	}
	if !bytes.HasPrefix(event, []byte("2[")) {
		t.Error("the text was changed")
	}
}
