package socketio

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// msgpackVectors is testdata/msgpack.json: what the JavaScript MessagePack parser makes of packets.
type msgpackVectors struct {
	Command, Parser string

	Decode []struct {
		Message []byte
		Packet  vectorPacket
	}
	Invalid, Stricter []string // hexadecimal, as Alphabet and Mutated's Message
	Alphabet          string
	Mutated           []struct {
		Message  string
		Prefixes string
		Replaced []string
	}
	Encode []struct {
		vectorPacket
		Message     []byte
		Attachments [][]byte
	}
}

func readVectors(t testing.TB, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func loadMsgpackVectors(t testing.TB) *msgpackVectors {
	t.Helper()
	var v msgpackVectors
	readVectors(t, "testdata/msgpack.json", &v)
	if len(v.Decode) == 0 || len(v.Invalid) == 0 || len(v.Stricter) == 0 || len(v.Mutated) == 0 || len(v.Encode) == 0 {
		t.Fatal("testdata/msgpack.json lacks a part")
	}
	return &v
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// PROTOCOL 3, MessagePack: what the JavaScript parser decodes, DecodeMsgpack decodes to the same values.
func TestMsgpackDecodeVectors(t *testing.T) {
	for _, v := range loadMsgpackVectors(t).Decode {
		p, attachments, err := DecodeMsgpack(v.Message, nil)
		if err != nil {
			t.Errorf("% x: %v", v.Message, err)
			continue
		}
		got := vectorPacket{Type: p.Type, Nsp: string(p.Namespace)}
		if p.HasID {
			got.ID = &p.ID
		}
		if d := cmp.Diff(vectorPacket{Type: v.Packet.Type, Nsp: v.Packet.Nsp, ID: v.Packet.ID}, got); d != "" {
			t.Errorf("% x: %s", v.Message, d)
		}
		if attachments == nil {
			attachments = [][]byte{}
		}
		if d := cmp.Diff(parsed(t, v.Packet.Data), parsed(t, msgpackData(&p, attachments))); d != "" {
			t.Errorf("% x: data: %s", v.Message, d)
		}
	}
}

// msgpackData is dataOf for a packet that may hold a map which looks like a placeholder.
func msgpackData(p *Packet, attachments [][]byte) *string {
	if len(attachments) == 0 {
		return dataOf(p, nil)
	}
	return dataOf(p, attachments)
}

// What the parser refuses is refused, and a little more, as the documentation says.
func TestMsgpackRefusedVectors(t *testing.T) {
	v := loadMsgpackVectors(t)
	for _, message := range append(v.Invalid, v.Stricter...) {
		_, _, err := DecodeMsgpack(unhex(t, message), nil)
		var perr *ParseError
		if !errors.As(err, &perr) {
			t.Errorf("%s: %v", message, err)
		}
	}
}

// Of every prefix, and of every message with one byte replaced, nothing is taken that the parser refuses.
func TestMsgpackMutatedVectors(t *testing.T) {
	v := loadMsgpackVectors(t)
	check := func(message []byte, verdict byte) bool {
		t.Helper()
		_, _, err := DecodeMsgpack(message, nil)
		if err == nil && verdict != '1' {
			t.Errorf("% x: taken, but the parser refuses it", message)
		}
		return err == nil
	}
	taken, accepted := 0, 0
	alphabet := unhex(t, v.Alphabet)
	for _, m := range v.Mutated {
		message := unhex(t, m.Message)
		for i := range message {
			check(message[:i:i], m.Prefixes[i])
			before := message[i]
			for j, c := range alphabet {
				message[i] = c
				if check(message, m.Replaced[i][j]) {
					taken++
				}
				accepted += int(m.Replaced[i][j] - '0')
			}
			message[i] = before
		}
	}
	if taken < accepted*9/10 {
		t.Errorf("%d taken of %d that the parser takes", taken, accepted)
	}
}

// The AppendMsgpack functions write the bytes that the JavaScript encoder writes, keys in the order of the server.
func TestMsgpackEncodeVectors(t *testing.T) {
	for _, v := range loadMsgpackVectors(t).Encode {
		if got := appendMsgpackVector(t, v.vectorPacket, v.Attachments); string(got) != string(v.Message) {
			t.Errorf("got  % x\nwant % x", got, v.Message)
		}
	}
}

func appendMsgpackVector(t *testing.T, v vectorPacket, attachments [][]byte) []byte {
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
	case Connect:
		unmarshal(t, *v.Data, &object)
		return AppendMsgpackConnect(nil, v.Nsp, object.SID, object.PID)
	case ConnectError:
		unmarshal(t, *v.Data, &object)
		return AppendMsgpackConnectError(nil, v.Nsp, object.Message, object.Data)
	case Disconnect:
		return AppendMsgpackDisconnect(nil, v.Nsp)
	case Event:
		unmarshal(t, *v.Data, &items)
		unmarshal(t, string(items[0]), &out.Name)
		out.Args = joined(items[1:])
		return AppendMsgpackEvent(nil, out)
	}
	unmarshal(t, *v.Data, &items)
	out.Args = joined(items)
	return AppendMsgpackAck(nil, out)
}

// clientVectors is testdata/clients.json: what the parsers of clients 1.x and 2.x write and read.
type clientVectors struct {
	Sent []struct {
		Text        string
		Attachments []string
		Packet      vectorPacket
		Name        string
		Auth        map[string]string
	}
	Answers []struct {
		Type      PacketType
		Nsp, Text string
		Data      *string
	}
	Queries []struct {
		Nsp, Name string
		Auth      map[string]string
	}
}

func loadClientVectors(t *testing.T) *clientVectors {
	t.Helper()
	var v clientVectors
	readVectors(t, "testdata/clients.json", &v)
	if len(v.Sent) == 0 || len(v.Answers) == 0 || len(v.Queries) == 0 {
		t.Fatal("testdata/clients.json lacks a part")
	}
	return &v
}

// PROTOCOL 2.7: what clients 1.x and 2.x send decodes as that of any other; they leave out commas that need not be there.
func TestRevision4ClientVectors(t *testing.T) {
	limits := &Limits{QueryBytes: 100}
	for _, v := range loadClientVectors(t).Sent {
		p, err := Decode([]byte(v.Text), limits)
		if err != nil {
			t.Errorf("%s: %v", v.Text, err)
			continue
		}
		var attachments [][]byte
		for _, text := range v.Attachments {
			b, _ := base64.StdEncoding.DecodeString(text)
			attachments = append(attachments, b)
		}
		if p.Attachments != len(attachments) || string(p.Namespace) != v.Packet.Nsp {
			t.Errorf("%s: %+v", v.Text, p)
		}
		p.Type = v.Packet.Type // of the whole packet, as Assembly gives it
		if v.Packet.ID == nil == p.HasID || p.HasID && p.ID != *v.Packet.ID {
			t.Errorf("%s: id %d", v.Text, p.ID)
		}
		if p.Attachments > 0 {
			p.Type -= BinaryEvent - Event
		}
		if d := cmp.Diff(parsed(t, v.Packet.Data), parsed(t, dataOf(&p, attachments))); d != "" {
			t.Errorf("%s: %s", v.Text, d)
		}
		checkSplit(t, string(p.Namespace), v.Name, v.Auth)
	}
}

func checkSplit(t *testing.T, ns, wantName string, wantAuth map[string]string) {
	t.Helper()
	name, auth := SplitQuery([]byte(ns))
	got := map[string]string{}
	if auth != nil {
		unmarshal(t, string(auth), &got)
	}
	if string(name) != wantName || cmp.Diff(wantAuth, got) != "" {
		t.Errorf("%s: %s %s, want %s %v", ns, name, auth, wantName, wantAuth)
	}
}

// PROTOCOL 2.7: the query string of a namespace is read as the reference reads it.
func TestRevision4QueryVectors(t *testing.T) {
	for _, v := range loadClientVectors(t).Queries {
		checkSplit(t, v.Nsp, v.Name, v.Auth)
	}
}

// PROTOCOL 2.7: answers of revision 4 are the bytes of the server's encoder, and the clients' parsers were asked to read them.
func TestRevision4AnswerVectors(t *testing.T) {
	for _, v := range loadClientVectors(t).Answers {
		var got []byte
		switch {
		case v.Type == Connect:
			got = AppendConnect4(nil, v.Nsp)
		case v.Nsp == "/nope":
			got = AppendInvalidNamespace(nil, v.Nsp)
		case (*v.Data)[0] == '"':
			var message string
			unmarshal(t, *v.Data, &message)
			got = AppendConnectError4(nil, v.Nsp, message, nil)
		default:
			got = AppendConnectError4(nil, v.Nsp, "not this", []byte(*v.Data))
		}
		if string(got) != v.Text {
			t.Errorf("got  %s\nwant %s", got, v.Text)
		}
	}
}
