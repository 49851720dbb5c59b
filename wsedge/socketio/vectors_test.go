package socketio

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// vectors is testdata/packets.json: what the JavaScript parser makes of packets. The file names the command that wrote it.
type vectors struct {
	Command, Parser string

	Decode []struct {
		Text   string
		Packet *vectorPacket
	}
	Stricter []string
	Alphabet string
	Mutated  []struct {
		Text     string
		Prefixes string
		Replaced []string
	}
	Encode []struct {
		vectorPacket
		Text        string
		Attachments []string
	}
}

// vectorPacket is a decoded packet. In Data, {"$binary": base64} is an attachment when decoded.
type vectorPacket struct {
	Type PacketType
	Nsp  string
	ID   *uint64
	Data *string
}

func loadVectors(t testing.TB) *vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/packets.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if v.Command == "" || len(v.Decode) == 0 || len(v.Mutated) == 0 || len(v.Encode) == 0 {
		t.Fatal("testdata/packets.json lacks a part")
	}
	return &v
}

// The JavaScript parser and Decode agree on what is a packet, and on what it says.
func TestDecodeVectors(t *testing.T) {
	for _, v := range loadVectors(t).Decode {
		p, attachments, err := decodeWhole(t, v.Text)
		if (err == nil) != (v.Packet != nil) {
			t.Errorf("%s: %v, but the parser says %+v", v.Text, err, v.Packet)
			continue
		}
		if err != nil {
			continue
		}
		got := vectorPacket{Type: p.Type, Nsp: string(p.Namespace)}
		if p.HasID {
			got.ID = &p.ID
		}
		want := vectorPacket{Type: v.Packet.Type, Nsp: v.Packet.Nsp, ID: v.Packet.ID}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", v.Text, d)
		}
		if d := cmp.Diff(parsed(t, v.Packet.Data), parsed(t, dataOf(&p, attachments))); d != "" {
			t.Errorf("%s: data: %s", v.Text, d)
		}
	}
}

// Decode refuses a little more than the parser, as its documentation says, and no more than that.
func TestDecodeStricterThanVectors(t *testing.T) {
	for _, text := range loadVectors(t).Stricter {
		if _, err := Decode([]byte(text), nil); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

// Every prefix, and every text with one character replaced, gets the parser's verdict.
func TestDecodeMutatedVectors(t *testing.T) {
	v := loadVectors(t)
	check := func(text string, verdict byte) {
		t.Helper()
		if _, err := Decode([]byte(text), nil); (err == nil) != (verdict == '1') {
			t.Errorf("%s: %v, but the parser says %c", text, err, verdict)
		}
	}
	for _, m := range v.Mutated {
		for i := range m.Text {
			check(m.Text[:i], m.Prefixes[i])
			for j := range v.Alphabet {
				check(m.Text[:i]+v.Alphabet[j:j+1]+m.Text[i+1:], m.Replaced[i][j])
			}
		}
	}
}

// The Append functions write the bytes that the JavaScript encoder writes.
func TestEncodeVectors(t *testing.T) {
	for _, v := range loadVectors(t).Encode {
		if got := string(appendVector(t, v.vectorPacket, make([][]byte, len(v.Attachments)))); got != v.Text {
			t.Errorf("got  %s\nwant %s", got, v.Text)
		}
	}
}

func appendVector(t *testing.T, v vectorPacket, attachments [][]byte) []byte {
	t.Helper()
	var object struct {
		SID, PID, Message string
		Data              json.RawMessage
	}
	var items []json.RawMessage
	out := &OutEvent{Namespace: v.Nsp, Attachments: attachments, HasID: v.ID != nil}
	if v.ID != nil {
		out.ID = *v.ID
	}
	switch v.Type {
	case Connect, ConnectError:
		unmarshal(t, *v.Data, &object)
	case Event, Ack:
		unmarshal(t, *v.Data, &items)
	}
	switch v.Type {
	case Connect:
		return AppendConnect(nil, v.Nsp, object.SID, object.PID)
	case ConnectError:
		return AppendConnectError(nil, v.Nsp, object.Message, object.Data)
	case Disconnect:
		return AppendDisconnect(nil, v.Nsp)
	case Event:
		unmarshal(t, string(items[0]), &out.Name)
		out.Args = joined(items[1:])
		return AppendEvent(nil, out)
	}
	out.Args = joined(items)
	return AppendAck(nil, out)
}

func joined(items []json.RawMessage) []byte {
	var out []byte
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return out
}

// decodeWhole decodes text and gives it the attachments that it announces: the bytes 0, 1, 2 …
func decodeWhole(t *testing.T, text string) (Packet, [][]byte, error) {
	t.Helper()
	p, err := Decode([]byte(text), nil)
	if err != nil || p.Attachments == 0 {
		return p, nil, err
	}
	a, err := NewAssembly(p, nil)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	done := false
	for i := byte(0); !done; i++ {
		done = a.Add([]byte{i})
	}
	p, attachments := a.Packet()
	return p, attachments, nil
}

// dataOf puts a packet's payload together again, attachments in their places.
func dataOf(p *Packet, attachments [][]byte) *string {
	var text string
	switch {
	case p.Empty, p.Type == Disconnect, p.Type == Connect && p.Data == nil, p.Type == ConnectError && p.Data == nil:
		return nil
	case p.Type == Event && p.NameIsNumber:
		text = "[" + string(p.Name)
	case p.Type == Event:
		text = "[" + string(appendQuoted(nil, string(p.Name)))
	case p.Type == Ack:
		text = "["
	default:
		text = string(p.Data)
	}
	if p.Type == Event && len(p.Args) > 0 {
		text += ","
	}
	if p.Type == Event || p.Type == Ack {
		text += string(p.Args) + "]"
	}
	if attachments != nil {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			panic(err)
		}
		whole, _ := json.Marshal(attach(value, attachments))
		text = string(whole)
	}
	return &text
}

// attach replaces placeholders as the JavaScript parser does.
func attach(value any, attachments [][]byte) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = attach(v[i], attachments)
		}
	case map[string]any:
		if v["_placeholder"] == true {
			data := attachments[int(v["num"].(float64))]
			return map[string]any{"$binary": base64.StdEncoding.EncodeToString(data)}
		}
		for k := range v {
			v[k] = attach(v[k], attachments)
		}
	}
	return value
}

func parsed(t *testing.T, text *string) any {
	t.Helper()
	if text == nil {
		return nil
	}
	var value any
	unmarshal(t, *text, &value)
	return value
}

func unmarshal(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil || !utf8.ValidString(text) {
		t.Fatalf("%s: %v", text, err)
	}
}
