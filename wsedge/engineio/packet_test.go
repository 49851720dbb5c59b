package engineio

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// codec holds packets in both forms.
var codec = []struct {
	text   string
	packet Packet
}{
	{`0{"sid":"x"}`, Packet{Type: PacketOpen, Data: []byte(`{"sid":"x"}`)}},
	{"1", Packet{Type: PacketClose}},
	{"2", Packet{Type: PacketPing}},
	{"2probe", Packet{Type: PacketPing, Data: []byte("probe")}},
	{"3", Packet{Type: PacketPong}},
	{"3probe", Packet{Type: PacketPong, Data: []byte("probe")}},
	{"4", Packet{Type: PacketMessage}},
	{"4hello", Packet{Type: PacketMessage, Data: []byte("hello")}},
	{"4é😀\u2028", Packet{Type: PacketMessage, Data: []byte("é😀\u2028")}},
	{"5", Packet{Type: PacketUpgrade}},
	{"6", Packet{Type: PacketNoop}},
	{"b", Packet{Type: PacketMessage, Binary: true}},
	{"bAA==", Packet{Type: PacketMessage, Binary: true, Data: []byte{0}}},
	{"bAQI=", Packet{Type: PacketMessage, Binary: true, Data: []byte{1, 2}}},
	{"b+/8e", Packet{Type: PacketMessage, Binary: true, Data: []byte{0xfb, 0xff, 0x1e}}},
}

// equal compares packets; no data and empty data are the same.
func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Binary == b.Binary && bytes.Equal(a.Data, b.Data)
}

func TestCodec(t *testing.T) {
	for _, c := range codec {
		got, err := ParseText([]byte(c.text))
		if err != nil || !equal(got, c.packet) {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
		if got := string(AppendText(nil, c.packet)); got != c.text {
			t.Errorf("encoded %s, want %s", got, c.text)
		}
		if got := string(AppendText([]byte("x"), c.packet)); got != "x"+c.text {
			t.Errorf("appended: %s", got)
		}
	}
}

// A packet cut short is a packet with less data, or an error where base64 breaks off; nothing is read beyond it.
func TestParseTextEveryPrefix(t *testing.T) {
	for _, c := range codec {
		for n := range len(c.text) {
			p, err := ParseText([]byte(c.text)[:n:n])
			broken := n == 0 || c.text[0] == 'b' && (n-1)%4 == 1
			if (err != nil) != broken {
				t.Errorf("%q: %v", c.text[:n], err)
			}
			if err == nil && c.text[0] != 'b' && string(AppendText(nil, p)) != c.text[:n] {
				t.Errorf("%q: %+v", c.text[:n], p)
			}
		}
	}
}

func TestParseTextErrors(t *testing.T) {
	for _, text := range []string{"", "7", "/", ":", "a", "B", " ", "-1", "\x00", "é", "bA", "b*", "bAQID*", "bA===", "bAQ=I", "b-_8e"} {
		if p, err := ParseText([]byte(text)); !errors.Is(err, ErrParse) || p.Data != nil {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}

// Padding may be missing: the reference server takes it so.
func TestParseTextWithoutPadding(t *testing.T) {
	for text, want := range map[string][]byte{"bAA": {0}, "bAA=": {0}, "bAQI": {1, 2}} {
		if p, err := ParseText([]byte(text)); err != nil || !bytes.Equal(p.Data, want) {
			t.Errorf("%s: %v, %v", text, p.Data, err)
		}
	}
}

func TestParseBinary(t *testing.T) {
	frame := []byte("4 is no type here")
	if p := ParseBinary(frame); !p.Binary || p.Type != PacketMessage || &p.Data[0] != &frame[0] {
		t.Errorf("%+v", p)
	}
}

// vectors is testdata/packets.json: what the JavaScript parser makes of packets. The file names the command that wrote it.
type vectors struct {
	Command, Parser string

	Decode []struct {
		Text   string
		Packet *vectorPacket
	}
	Encode []struct {
		Packet vectorPacket
		Text   string
	}
	DecodePayload []struct {
		Body    string
		Packets []*vectorPacket
	}
	EncodePayload []struct {
		Packets []vectorPacket
		Body    string
	}
}

type vectorPacket struct {
	Type   string
	Data   string
	Binary *[]byte // base64 in the file
}

func (v *vectorPacket) packet() Packet {
	p := Packet{Type: PacketType(v.Type[0]), Data: []byte(v.Data)}
	if v.Binary != nil {
		p.Binary, p.Data = true, *v.Binary
	}
	return p
}

// loadJSON reads a file of vectors into v.
func loadJSON(t testing.TB, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func loadVectors(t testing.TB) *vectors {
	t.Helper()
	var v vectors
	loadJSON(t, "testdata/packets.json", &v)
	if v.Command == "" || len(v.Decode) == 0 || len(v.Encode) == 0 || len(v.DecodePayload) == 0 || len(v.EncodePayload) == 0 {
		t.Fatal("testdata/packets.json lacks a part")
	}
	return &v
}

func TestPacketVectors(t *testing.T) {
	v := loadVectors(t)
	for _, c := range v.Decode {
		p, err := ParseText([]byte(c.Text))
		if (err == nil) != (c.Packet != nil) {
			t.Errorf("%q: %v, but the parser says %+v", c.Text, err, c.Packet)
		} else if err == nil && !equal(p, c.Packet.packet()) {
			t.Errorf("%q: %+v", c.Text, p)
		}
	}
	for _, c := range v.Encode {
		if got := string(AppendText(nil, c.Packet.packet())); got != c.Text {
			t.Errorf("encoded %s, want %s", got, c.Text)
		}
	}
}

func TestPayloadVectors(t *testing.T) {
	v := loadVectors(t)
	for _, c := range v.DecodePayload {
		var got, want []string
		for p, err := range Payload([]byte(c.Body)) {
			got = append(got, show(p, err))
		}
		for _, p := range c.Packets {
			if p == nil {
				want = append(want, show(Packet{}, ErrParse))
			} else {
				want = append(want, show(p.packet(), nil))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: (-want +got)\n%s", c.Body, d)
		}
	}
	for _, c := range v.EncodePayload {
		var got []byte
		for _, p := range c.Packets {
			got = AppendPayload(got, p.packet())
		}
		if string(got) != c.Body {
			t.Errorf("encoded %q, want %q", got, c.Body)
		}
	}
}

// show is a packet, or an error, as one line.
func show(p Packet, err error) string {
	if err != nil {
		return err.Error()
	}
	return string(AppendText(nil, p))
}
