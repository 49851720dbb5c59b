package socketio

import (
	"bytes"
	"errors"
	"strings"
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

// msgEvent is an event of the root namespace whose data array has the given MessagePack elements after its name "a".
func msgEvent(count int, elements ...string) []byte {
	m := "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\x00\x00\x00" + string(rune(count+1)) + "\xa1a"
	return []byte(m + strings.Join(elements, ""))
}

// PROTOCOL 3, MessagePack: the JSON text that each value becomes.
func TestMsgpackValues(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", `18446744073709551615`}, // 64 bits keep their digits
		{"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", `-9223372036854775808`},
		{"\xcf\x00\x20\x00\x00\x00\x00\x00\x01", `9007199254740993`},
		{"\xcb\x80\x00\x00\x00\x00\x00\x00\x00", `0`}, // -0
		{"\xcb\x44\x4b\x1a\xe4\xd6\xe2\xef\x50", `1e+21`},
		{"\xcb\x3e\x7a\xd7\xf2\x9a\xbc\xaf\x48", `1e-7`},
		{"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", `null`},
		{"\xca\xff\x80\x00\x00", `null`},
		{"\xca\x3d\xcc\xcc\xcd", `0.10000000149011612`},
		{"\xd4\x00\x00", `null`},
		{"\x92\xd4\x00\x00\x01", `[null,1]`},
		{"\x82\xa1a\xd4\x00\x00\xa1b\x01", `{"b":1}`},
		{"\x82\xa1a\x01\xa1b\xd4\x00\x00", `{"a":1}`},
		{"\x82\xa1a\x01\xa1a\x02", `{"a":1,"a":2}`},
		{"\x81\xa9__proto__\x80", `{"__proto__":{}}`},
		{"\x81\xa1\xff\xa1\xff", "{\"\ufffd\":\"\ufffd\"}"},
		{"\xa3\xed\xa0\x80", "\"\ufffd\ufffd\ufffd\""},
		{"\xa3\"\\\n", `"\"\\\n"`},
		{"\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x01", `"1970-01-01T00:00:00.001Z"`},
		{"\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff", `"1969-12-31T23:59:59.999Z"`},
		{"\xd7\x00\x00\x1e\xb2\x08\xc2\xdc\x00\x00", `"+275760-09-13T00:00:00.000Z"`},
		{"\xd7\x00\x00\x1e\xb2\x08\xc2\xdc\x00\x01", `null`},
		{"\xd5\xff\x01\x02", `[-1,{"_placeholder":true,"num":0}]`},
		{"\xc7\x01\x00\x09", `{"_placeholder":true,"num":0}`},
	} {
		p, _, err := DecodeMsgpack(msgEvent(1, c.value), nil)
		if err != nil || string(p.Args) != c.want {
			t.Errorf("% x: %s %v, want %s", c.value, p.Args, err, c.want)
		}
	}
}

// PROTOCOL 3, MessagePack: reserved names are not checked, nor is the order of keys; the faults and what they are called.
func TestMsgpackFaults(t *testing.T) {
	packet := func(kind, nsp, data, id string) string {
		return "\x84\xa2id" + id + "\xa4data" + data + "\xa3nsp" + nsp + "\xa4type" + kind
	}
	for _, c := range []struct {
		message string
		want    error
	}{
		{packet("\x02", "\xa1/", "\x91\xaadisconnect", "\x00"), nil},
		{packet("\x02", "\xa1/", "\x91\x07", "\x00"), nil},
		{packet("\x05", "\xa1/", "\x91\xa1a", "\x00"), ErrType},
		{packet("\x02", "\xa0", "\x91\xa1a", "\x00"), ErrNamespace},
		{packet("\x02", "\xa4/123", "\x91\xa1a", "\x00"), nil},
		{packet("\x02", "\xa5/1234", "\x91\xa1a", "\x00"), ErrNamespace},
		{packet("\x02", "\xa3/\xff\xff", "\x91\xa1a", "\x00"), ErrNamespace}, // seven bytes when repaired
		{packet("\x02", "\xa1/", "\x91\xa1a", "\xff"), ErrID},
		{packet("\x02", "\xa1/", "\x91\xa1a", "\xc0"), ErrID},
		{packet("\x02", "\xa1/", "\x90", "\x00"), ErrPayload},
		{packet("\x02", "\xa1/", "\x91\x80", "\x00"), ErrPayload}, // CVE-2023-32695
		{packet("\x02", "\xa1/", "\xd4\x00\x00", "\x00"), ErrPayload},
		{packet("\x00", "\xa1/", "\x90", "\x00"), ErrPayload},
		{packet("\x00", "\xa1/", "\x81\xa1a\xc4\x00", "\x00"), ErrPayload},
		{packet("\x01", "\xa1/", "\x80", "\x00"), ErrPayload},
		{packet("\x02", "\xa1/", "\x92\xa1a\x81\xc0\x00", "\x00"), ErrMsgpack},
		{packet("\x02", "\xa1/", "\x92\xa1a\x91\x91\x91\x90", "\x00"), ErrDepth},
		{packet("\x02", "\xa1/", "\x92\xa1a\x91\x91\x90", "\x00"), nil},
		{packet("\x02", "\xa1/", "\x92\xa1a\x91\x91\xc4\x00", "\x00"), nil}, // a placeholder is an object
		{packet("\x02", "\xa1/", "\x92\xa1a\x91\x91\x91\xc4\x00", "\x00"), ErrDepth},
		{packet("\x02", "\xa1/", "\x95\xa1a\xc4\x00\xc4\x00\xc4\x00\xc4\x00", "\x00"), ErrAttachments},
		{packet("\x02", "\xa1/", "\x94\xa1a\xc4\x00\xc4\x00\xc4\x00", "\x00"), nil},
		{"\x90", ErrPayload},
	} {
		_, _, err := DecodeMsgpack([]byte(c.message), &Limits{Depth: 4, NamespaceBytes: 4, Binaries: 3})
		var perr *ParseError
		if !errors.Is(err, c.want) || err != nil && (!errors.As(err, &perr) || perr.Offset > len(c.message)) {
			t.Errorf("%q: %v, want %v", c.message, err, c.want)
		}
	}
}

// PROTOCOL 3, MessagePack: a client's map that looks like a placeholder never stands for an attachment.
func TestMsgpackLookalikes(t *testing.T) {
	const lookalike = "\x82\xac_placeholder\xc3\xa3num\x00"
	for _, c := range []struct {
		elements []string
		want     error
	}{
		{[]string{lookalike}, nil},
		{[]string{lookalike, "\xc4\x01a"}, ErrPlaceholder},
		{[]string{"\xc4\x01a", "\x91\x91" + lookalike}, ErrPlaceholder},
		{[]string{"\xc4\x01a", "\x81\xac_placeholder\xc3"}, ErrPlaceholder},
		{[]string{"\xc4\x01a", "\x82\xac_placeholder\xc3\xac_placeholder\xc2"}, ErrPlaceholder},
		{[]string{"\xc4\x01a", "\x82\xac_placeholder\xc2\xa3num\x00"}, nil},
		{[]string{"\xc4\x01a", "\x82\xac_placeholder\xa4true\xa3num\x00"}, nil},
		{[]string{"\xd4\x05a", lookalike}, ErrPlaceholder},
	} {
		p, attachments, err := DecodeMsgpack(msgEvent(len(c.elements), c.elements...), nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.elements, err, c.want)
		}
		if err != nil {
			continue
		}
		// On to the next client it is data again, and as JSON it is an EVENT, whose placeholders are data.
		out := &OutEvent{Namespace: "/", Name: "a", Args: p.Args, Attachments: attachments}
		again, _, err := DecodeMsgpack(AppendMsgpackEvent(nil, out), nil)
		if err != nil || string(again.Args) != string(p.Args) {
			t.Errorf("%q: %s, then %s %v", c.elements, p.Args, again.Args, err)
		}
		if p, err := Decode(AppendEvent(nil, out), nil); err != nil || p.Attachments != len(attachments) {
			t.Errorf("%q: as JSON %+v %v", c.elements, p, err)
		}
	}
}

// Headers that announce gigabytes cost nothing.
func TestMsgpackHugeHeaders(t *testing.T) {
	for _, value := range []string{"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x00"} {
		for _, message := range [][]byte{[]byte(value), msgEvent(1, value), append([]byte("\x81\xa1x"), value...)} {
			allocs := testing.AllocsPerRun(10, func() { _, _, _ = DecodeMsgpack(message, nil) })
			if _, _, err := DecodeMsgpack(message, nil); err == nil || allocs > 2 {
				t.Errorf("% x: %v, %v allocations", message, err, allocs)
			}
		}
	}
	deep := []byte(strings.Repeat("\x91", 1<<20))
	if _, _, err := DecodeMsgpack(append([]byte("\x81\xa1x"), deep...), &Limits{Depth: 1 << 30}); !errors.Is(err, ErrDepth) {
		t.Errorf("a million arrays: %v", err)
	}
}

// What DecodeMsgpack returns beside the names is the caller's.
func TestMsgpackOwnership(t *testing.T) {
	message := msgEvent(2, "\xa3abc", "\xc4\x02\x01\x02")
	p, attachments, err := DecodeMsgpack(message, nil)
	clear(message)
	if err != nil || string(p.Args) != `"abc",{"_placeholder":true,"num":0}` || string(attachments[0]) != "\x01\x02" {
		t.Errorf("%+v %v %v", p, attachments, err)
	}
}

// JSON values and the MessagePack that they become.
func TestMsgpackFromJSON(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`-0`, "\x00"},
		{`1.0`, "\x01"},
		{`1e3`, "\xcd\x03\xe8"},
		{`-1.28e2`, "\xd0\x80"},
		{`9007199254740993`, "\xcf\x00\x20\x00\x00\x00\x00\x00\x01"},
		{`18446744073709551615`, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"},
		{`18446744073709551616`, "\xcb\x43\xf0\x00\x00\x00\x00\x00\x00"},
		{`-9223372036854775808`, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"},
		{`-9223372036854775809`, "\xcb\xc3\xe0\x00\x00\x00\x00\x00\x00"},
		{`1e400`, "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"}, // as JSON.parse has it
		{`1e300`, "\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"},
		{`"\ud800x"`, "\xa4\xef\xbf\xbdx"},
		{`"\ud83d\ude00\u0000"`, "\xa5\xf0\x9f\x98\x80\x00"},
		{`[ 1 , [ ] ]`, "\x92\x01\x90"},
		{`{ "a" : { } }`, "\x81\xa1a\x80"},
		{`{"_placeholder":true,"num":0}`, "\x82\xac_placeholder\xc3\xa3num\x00"},
	} {
		m := AppendMsgpackAck(nil, &OutEvent{Namespace: "/", Args: []byte(c.text)})
		want := "\x84\xa2id\x00\xa4type\x03\xa4data\x91" + c.want + "\xa3nsp\xa1/"
		if string(m) != want {
			t.Errorf("%s: got % x\nwant % x", c.text, m, want)
		}
	}
}

// Lengths and counts at the edges of their formats.
func TestMsgpackLengths(t *testing.T) {
	for _, c := range []struct {
		n                        int
		text, array, object, bin string
	}{
		{15, "\xaf", "\x9f", "\x8f", "\xc4\x0f"},
		{16, "\xb0", "\xdc\x00\x10", "\xde\x00\x10", "\xc4\x10"},
		{31, "\xbf", "\xdc\x00\x1f", "\xde\x00\x1f", "\xc4\x1f"},
		{32, "\xd9\x20", "\xdc\x00\x20", "\xde\x00\x20", "\xc4\x20"},
		{255, "\xd9\xff", "\xdc\x00\xff", "\xde\x00\xff", "\xc4\xff"},
		{256, "\xda\x01\x00", "\xdc\x01\x00", "\xde\x01\x00", "\xc5\x01\x00"},
		{65535, "\xda\xff\xff", "\xdc\xff\xff", "\xde\xff\xff", "\xc5\xff\xff"},
		{65536, "\xdb\x00\x01\x00\x00", "\xdd\x00\x01\x00\x00", "\xdf\x00\x01\x00\x00", "\xc6\x00\x01\x00\x00"},
	} {
		list := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", c.n), ",") }
		text, attachment := strings.Repeat("x", c.n), bytes.Repeat([]byte{7}, c.n)
		for args, want := range map[string]string{
			`"` + text + `"`:                c.text + text,
			`"` + text[1:] + `\u0078"`:      c.text + text,
			"[" + list("1") + "]":           c.array + strings.Repeat("\x01", c.n),
			"[[" + list("[]") + "]]":        "\x91" + c.array + strings.Repeat("\x90", c.n),
			"{" + list(`"":2`) + "}":        c.object + strings.Repeat("\xa0\x02", c.n),
			`{"_placeholder":true,"num":0}`: c.bin + string(attachment),
		} {
			got := AppendMsgpackAck(nil, &OutEvent{Namespace: "/", Args: []byte(args), Attachments: [][]byte{attachment}})
			if want = "\x84\xa2id\x00\xa4type\x03\xa4data\x91" + want + "\xa3nsp\xa1/"; string(got) != want {
				t.Errorf("%d, %.20s: got %.40x\nwant %.40x", c.n, args, got, want)
			}
		}
	}
}

// One attachment in very many places does not make a short text a very long message.
func TestMsgpackRepeatedAttachment(t *testing.T) {
	const item = `{"_placeholder":true,"num":0},`
	args := []byte(strings.Repeat(item, 10_000) + "0")
	big := bytes.Repeat([]byte{7}, 1<<20)
	m := AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "a", Args: args, Attachments: [][]byte{big}})
	if most := repeatFactor*(len(args)+len(big)) + repeatBytes + 2*len(args); len(m) > most {
		t.Errorf("%d bytes", len(m))
	}
	p, attachments, err := DecodeMsgpack(m, nil)
	if err != nil || len(attachments) != 10 || !strings.HasSuffix(string(p.Args), "null,null,0") {
		t.Errorf("%d attachments, %v", len(attachments), err)
	}
	small := AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "a", Args: args, Attachments: [][]byte{big[:100]}})
	if p, attachments, err := DecodeMsgpack(small, &Limits{Binaries: 10_000}); err != nil || len(attachments) != 10_000 {
		t.Errorf("%d attachments, %.40s, %v", len(attachments), p.Args, err)
	}
}
