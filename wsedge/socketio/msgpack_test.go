package socketio

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// msgpackCodec holds packets in both forms: encode writes what DecodeMsgpack decodes to packet and attachments.
var msgpackCodec = []struct {
	encode      func() []byte
	packet      Packet
	attachments [][]byte
}{
	{
		func() []byte { return AppendMsgpackConnect(nil, "/", "abcdefghijklmnopqrst", "") },
		Packet{Type: Connect, Namespace: []byte("/"), Data: []byte(`{"sid":"abcdefghijklmnopqrst"}`)}, nil,
	},
	{
		func() []byte { return AppendMsgpackConnect(nil, "/chat", "s", "p") },
		Packet{Type: Connect, Namespace: []byte("/chat"), Data: []byte(`{"sid":"s","pid":"p"}`)}, nil,
	},
	{
		func() []byte { return AppendMsgpackConnectError(nil, "/chat", "Invalid namespace", nil) },
		Packet{Type: ConnectError, Namespace: []byte("/chat"), Data: []byte(`{"message":"Invalid namespace"}`)}, nil,
	},
	{
		func() []byte { return AppendMsgpackConnectError(nil, "/", "no\n", []byte(` {"code":[1]} `)) },
		Packet{Type: ConnectError, Namespace: []byte("/"), Data: []byte(`{"message":"no\n","data":{"code":[1]}}`)}, nil,
	},
	{
		func() []byte { return AppendMsgpackDisconnect(nil, "/chat") },
		Packet{Type: Disconnect, Namespace: []byte("/chat")}, nil,
	},
	{
		func() []byte { return AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "hi"}) },
		Packet{Type: Event, Namespace: []byte("/"), Name: []byte("hi")}, nil,
	},
	{ // id 0 asks for an answer (PROTOCOL 11.8)
		func() []byte {
			return AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "hi", Args: []byte(`1 , 2`), HasID: true, Offset: "xyz"})
		},
		Packet{Type: Event, Namespace: []byte("/"), HasID: true, Name: []byte("hi"), Args: []byte(`1,2,"xyz"`)}, nil,
	},
	{ // attachments are numbered anew, in order of appearance
		func() []byte {
			args := []byte(`{"a":[{"_placeholder":true,"num":1}],"b":{"n\u0075m":0,"_placeholder":true,"x":[]}}`)
			return AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "pic", Args: args, Attachments: two, ID: MaxID, HasID: true})
		},
		Packet{
			Type: Event, Namespace: []byte("/"), ID: MaxID, HasID: true, Attachments: 2, Name: []byte("pic"),
			Args: []byte(`{"a":[{"_placeholder":true,"num":0}],"b":{"_placeholder":true,"num":1}}`),
		},
		[][]byte{{1}, {0}},
	},
	{
		func() []byte { return AppendMsgpackAck(nil, &OutEvent{Namespace: "/chat"}) },
		Packet{Type: Ack, Namespace: []byte("/chat"), HasID: true}, nil,
	},
	{
		func() []byte {
			args := []byte(`"ok",{"_placeholder":true,"num":0}`)
			return AppendMsgpackAck(nil, &OutEvent{Namespace: "/", Args: args, Attachments: two, ID: 12})
		},
		Packet{
			Type: Ack, Namespace: []byte("/"), ID: 12, HasID: true, Attachments: 1, Args: []byte(`"ok",{"_placeholder":true,"num":0}`),
		},
		[][]byte{{0}},
	},
}

func TestMsgpackCodec(t *testing.T) {
	for _, c := range msgpackCodec {
		data := c.encode()
		got, attachments, err := DecodeMsgpack(data, nil)
		if err != nil {
			t.Errorf("% x: %v", data, err)
		}
		if d := cmp.Diff(c.packet, got); d != "" {
			t.Errorf("% x: (-want +got)\n%s", data, d)
		}
		if d := cmp.Diff(c.attachments, attachments); d != "" {
			t.Errorf("% x: attachments: (-want +got)\n%s", data, d)
		}
	}
}

// A packet cut short is none, nor is one with a byte too many.
func TestMsgpackEveryPrefix(t *testing.T) {
	for _, c := range msgpackCodec {
		data := c.encode()
		for n := range len(data) {
			p, _, err := DecodeMsgpack(data[:n:n], nil)
			var perr *ParseError
			if !errors.Is(err, ErrMsgpack) || !errors.As(err, &perr) || perr.Offset > n {
				t.Errorf("% x: %v", data[:n], err)
			}
			if d := cmp.Diff(Packet{}, p); d != "" {
				t.Errorf("% x: a packet beside the error: %s", data[:n], d)
			}
		}
		if _, _, err := DecodeMsgpack(append(data, 0xc0), nil); !errors.Is(err, ErrMsgpack) {
			t.Errorf("% x and one more: %v", data, err)
		}
	}
}
