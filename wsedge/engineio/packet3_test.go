package engineio

import (
	"bytes"
	"errors"
	"testing"
)

// codec3 holds packets of revision 3 in the forms of a text frame and of a binary frame (PROTOCOL 2.2, 2.5). Text has no
// binary frame.
var codec3 = []struct {
	text   string
	binary string
	packet Packet
}{
	{`0{"sid":"x"}`, "", Packet{Type: PacketOpen, Data: []byte(`{"sid":"x"}`)}},
	{"1", "", Packet{Type: PacketClose}},
	{"2", "", Packet{Type: PacketPing}},
	{"2probe", "", Packet{Type: PacketPing, Data: []byte("probe")}},
	{"3", "", Packet{Type: PacketPong}},
	{"4", "", Packet{Type: PacketMessage}},
	{"4b4AA==", "", Packet{Type: PacketMessage, Data: []byte("b4AA==")}},
	{"4é😀\u2028", "", Packet{Type: PacketMessage, Data: []byte("é😀\u2028")}},
	{"5", "", Packet{Type: PacketUpgrade}},
	{"6", "", Packet{Type: PacketNoop}},
	{"b4", "\x04", Packet{Type: PacketMessage, Binary: true}},
	{"b4AA==", "\x04\x00", Packet{Type: PacketMessage, Binary: true, Data: []byte{0}}},
	{"b4AQIDBA==", "\x04\x01\x02\x03\x04", Packet{Type: PacketMessage, Binary: true, Data: []byte{1, 2, 3, 4}}},
	{"b4+/8e", "\x04\xfb\xff\x1e", Packet{Type: PacketMessage, Binary: true, Data: []byte{0xfb, 0xff, 0x1e}}},
	{"b0AQ==", "\x00\x01", Packet{Type: PacketOpen, Binary: true, Data: []byte{1}}},
	{"b2", "\x02", Packet{Type: PacketPing, Binary: true}},
	{"b6", "\x06", Packet{Type: PacketNoop, Binary: true}},
}

func TestCodec3(t *testing.T) {
	for _, c := range codec3 {
		if got, err := ParseText3([]byte(c.text)); err != nil || !equal(got, c.packet) {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
		if got := string(AppendText3([]byte("x"), c.packet)); got != "x"+c.text {
			t.Errorf("appended %s, want x%s", got, c.text)
		}
		if !c.packet.Binary {
			continue
		}
		if got, err := ParseBinary3([]byte(c.binary)); err != nil || !equal(got, c.packet) {
			t.Errorf("%q: %+v, %v", c.binary, got, err)
		}
		if got := string(AppendBinary3([]byte("x"), c.packet)); got != "x"+c.binary {
			t.Errorf("appended %q, want %q", got, "x"+c.binary)
		}
	}
}

// Nothing is read beyond a packet that is cut short.
func TestParse3EveryPrefix(t *testing.T) {
	for _, c := range codec3 {
		for n := range len(c.text) {
			p, err := ParseText3([]byte(c.text)[:n:n])
			broken := n == 0 || c.text[0] == 'b' && (n == 1 || (n-2)%4 == 1)
			if (err != nil) != broken {
				t.Errorf("%q: %v", c.text[:n], err)
			}
			if err == nil && !p.Binary && string(AppendText3(nil, p)) != c.text[:n] {
				t.Errorf("%q: %+v", c.text[:n], p)
			}
		}
		for n := range len(c.binary) {
			p, err := ParseBinary3([]byte(c.binary)[:n:n])
			if (err != nil) != (n == 0) || err == nil && string(AppendBinary3(nil, p)) != c.binary[:n] {
				t.Errorf("%q: %+v, %v", c.binary[:n], p, err)
			}
		}
	}
}

func TestParse3Errors(t *testing.T) {
	for _, text := range []string{"", "7", "/", ":", "a", "B", " ", "-1", "\x00", "\x04", "é", "b", "b7", "b/", "bAQID", "bb", "b4A", "b4*", "b4AA==="} {
		if p, err := ParseText3([]byte(text)); !errors.Is(err, ErrParse) || p.Data != nil {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	for _, frame := range []string{"", "\x07", "\x08abc", "4hello", "b4AQID", "\xff", "\xfc"} {
		if p, err := ParseBinary3([]byte(frame)); !errors.Is(err, ErrParse) || p.Data != nil {
			t.Errorf("%q: %+v, %v", frame, p, err)
		}
	}
}

// A binary frame is not copied.
func TestParseBinary3Shares(t *testing.T) {
	frame := []byte("\x04data")
	if p, err := ParseBinary3(frame); err != nil || &p.Data[0] != &frame[1] {
		t.Errorf("%+v, %v", p, err)
	}
}

// vectors3 is testdata/revision3.json: what the JavaScript parser of revision 3 makes of packets and payloads, and the
// reference server of JSONP. A packet without a type is one that the reference server drops silently.
type vectors3 struct {
	Command, Parser string

	Decode []struct {
		Text   string
		Packet *vectorPacket
	}
	DecodeBinary []struct {
		Frame  []byte
		Packet *vectorPacket
	}
	Encode []struct {
		Packet vectorPacket
		Text   string
	}
	EncodeBinary []struct {
		Packet vectorPacket
		Frame  []byte
	}
	DecodePayload []struct {
		Body    string
		Packets []*vectorPacket
	}
	DecodeBinaryPayload []struct {
		Body    []byte
		Packets []*vectorPacket
	}
	EncodePayload []struct {
		Packets []vectorPacket
		Body    string
	}
	EncodeBinaryPayload []struct {
		Packets []vectorPacket
		Body    []byte
	}
	JSONPAnswer []struct{ Index, Payload, Body string }
	JSONPForm   []struct {
		Form    string
		Payload *string
	}
}

func loadVectors3(t testing.TB) *vectors3 {
	t.Helper()
	var v vectors3
	loadJSON(t, "testdata/revision3.json", &v)
	for part, n := range map[string]int{
		"command": len(v.Command), "decode": len(v.Decode), "decodeBinary": len(v.DecodeBinary), "encode": len(v.Encode),
		"encodeBinary": len(v.EncodeBinary), "decodePayload": len(v.DecodePayload), "encodePayload": len(v.EncodePayload),
		"decodeBinaryPayload": len(v.DecodeBinaryPayload), "encodeBinaryPayload": len(v.EncodeBinaryPayload),
		"jsonpAnswer": len(v.JSONPAnswer), "jsonpForm": len(v.JSONPForm),
	} {
		if n == 0 {
			t.Fatalf("testdata/revision3.json lacks %s", part)
		}
	}
	return &v
}

// refused reports whether we refuse the packet: the reference server does, or it drops it silently.
func (v *vectorPacket) refused() bool { return v == nil || v.Type == "" }

func TestPacketVectors3(t *testing.T) {
	v := loadVectors3(t)
	check := func(in string, p Packet, err error, want *vectorPacket) {
		if (err != nil) != want.refused() {
			t.Errorf("%q: %v, but the parser says %+v", in, err, want)
		} else if err == nil && !equal(p, want.packet()) {
			t.Errorf("%q: %+v", in, p)
		}
	}
	for _, c := range v.Decode {
		p, err := ParseText3([]byte(c.Text))
		check(c.Text, p, err, c.Packet)
	}
	for _, c := range v.DecodeBinary {
		p, err := ParseBinary3(c.Frame)
		check(string(c.Frame), p, err, c.Packet)
	}
	for _, c := range v.Encode {
		if got := string(AppendText3(nil, c.Packet.packet())); got != c.Text {
			t.Errorf("encoded %q, want %q", got, c.Text)
		}
	}
	for _, c := range v.EncodeBinary {
		if got := AppendBinary3(nil, c.Packet.packet()); !bytes.Equal(got, c.Frame) {
			t.Errorf("encoded %q, want %q", got, c.Frame)
		}
	}
}

func FuzzText3(f *testing.F) {
	v := loadVectors3(f)
	for _, c := range v.Decode {
		f.Add([]byte(c.Text))
	}
	for _, c := range v.DecodeBinary {
		f.Add(c.Frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if p, err := ParseText3(frame); err == nil {
			again := AppendText3(nil, p)
			if !p.Binary && !bytes.Equal(again, frame) {
				t.Errorf("%q became %q", frame, again)
			}
			if q, err := ParseText3(again); err != nil || !equal(p, q) {
				t.Errorf("%q: %+v became %+v, %v", frame, p, q, err)
			}
		}
		if p, err := ParseBinary3(frame); err == nil {
			if again := AppendBinary3(nil, p); !p.Binary || !bytes.Equal(again, frame) {
				t.Errorf("%q became %q", frame, again)
			}
		}
	})
}
