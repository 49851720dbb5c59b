package socketio

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// two is what two attachments are.
var two = [][]byte{{0}, {1}}

// codec holds packets in both forms: text decodes to packet, and encode writes text.
var codec = []struct {
	text   string
	packet Packet
	encode func() []byte
}{
	{
		`0{"sid":"abcdefghijklmnopqrst"}`,
		Packet{Type: Connect, Namespace: []byte("/"), Data: []byte(`{"sid":"abcdefghijklmnopqrst"}`)},
		func() []byte { return AppendConnect(nil, "/", "abcdefghijklmnopqrst", "") },
	},
	{
		`0/chat,{"sid":"abcdefghijklmnopqrst"}`,
		Packet{Type: Connect, Namespace: []byte("/chat"), Data: []byte(`{"sid":"abcdefghijklmnopqrst"}`)},
		func() []byte { return AppendConnect(nil, "/chat", "abcdefghijklmnopqrst", "") },
	},
	{ // with recovery (PROTOCOL 5)
		`0/chat,{"sid":"abcdefghijklmnopqrst","pid":"tsrqponmlkjihgfedcba"}`,
		Packet{
			Type: Connect, Namespace: []byte("/chat"), Data: []byte(`{"sid":"abcdefghijklmnopqrst","pid":"tsrqponmlkjihgfedcba"}`),
		},
		func() []byte { return AppendConnect(nil, "/chat", "abcdefghijklmnopqrst", "tsrqponmlkjihgfedcba") },
	},
	{ // the offset is the last argument (PROTOCOL 5)
		`2["hi","off\"set"]`,
		Packet{Type: Event, Namespace: []byte("/"), Data: []byte(`["hi","off\"set"]`), Name: []byte("hi"), Args: []byte(`"off\"set"`)},
		func() []byte { return AppendEvent(nil, &OutEvent{Namespace: "/", Name: "hi", Offset: `off"set`}) },
	},
	{
		`2["hi",{"a":1},"x"]`,
		Packet{
			Type: Event, Namespace: []byte("/"), Data: []byte(`["hi",{"a":1},"x"]`), Name: []byte("hi"), Args: []byte(`{"a":1},"x"`),
		},
		func() []byte {
			return AppendEvent(nil, &OutEvent{Namespace: "/", Name: "hi", Args: []byte(`{"a":1}`), Offset: "x"})
		},
	},
	{
		`4/chat,{"message":"Invalid namespace"}`,
		Packet{Type: ConnectError, Namespace: []byte("/chat"), Data: []byte(`{"message":"Invalid namespace"}`)},
		func() []byte { return AppendConnectError(nil, "/chat", "Invalid namespace", nil) },
	},
	{
		`4{"message":"no \"x\" & <y>","data":{"code":1}}`,
		Packet{Type: ConnectError, Namespace: []byte("/"), Data: []byte(`{"message":"no \"x\" & <y>","data":{"code":1}}`)},
		func() []byte { return AppendConnectError(nil, "/", `no "x" & <y>`, []byte(`{"code":1}`)) },
	},
	{
		`1`,
		Packet{Type: Disconnect, Namespace: []byte("/")},
		func() []byte { return AppendDisconnect(nil, "/") },
	},
	{
		`1/chat,`,
		Packet{Type: Disconnect, Namespace: []byte("/chat")},
		func() []byte { return AppendDisconnect(nil, "/chat") },
	},
	{
		`2["hi"]`,
		Packet{Type: Event, Namespace: []byte("/"), Data: []byte(`["hi"]`), Name: []byte("hi")},
		func() []byte { return AppendEvent(nil, &OutEvent{Namespace: "/", Name: "hi"}) },
	},
	{ // id 0 asks for an answer (PROTOCOL 11.8)
		`20["hi",1]`,
		Packet{Type: Event, Namespace: []byte("/"), HasID: true, Data: []byte(`["hi",1]`), Name: []byte("hi"), Args: []byte(`1`)},
		func() []byte {
			return AppendEvent(nil, &OutEvent{Namespace: "/", Name: "hi", Args: []byte(`1`), HasID: true})
		},
	},
	{ // what JSON cannot be parsed and written without losing (I7)
		`2/chat,9007199254740991["a\"b\n",1e+21,12345678901234567890,"\ud800","` + "\u2028" + `",{"b":1,"a":2,"b":3,"__proto__":{}}]`,
		Packet{
			Type: Event, Namespace: []byte("/chat"), ID: MaxID, HasID: true, Name: []byte("a\"b\n"),
			Data: []byte(`["a\"b\n",1e+21,12345678901234567890,"\ud800","` + "\u2028" + `",{"b":1,"a":2,"b":3,"__proto__":{}}]`),
			Args: []byte(`1e+21,12345678901234567890,"\ud800","` + "\u2028" + `",{"b":1,"a":2,"b":3,"__proto__":{}}`),
		},
		func() []byte {
			args := []byte(`1e+21,12345678901234567890,"\ud800","` + "\u2028" + `",{"b":1,"a":2,"b":3,"__proto__":{}}`)
			return AppendEvent(nil, &OutEvent{Namespace: "/chat", Name: "a\"b\n", Args: args, ID: MaxID, HasID: true})
		},
	},
	{
		`52-/chat,7["pic",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`,
		Packet{
			Type: BinaryEvent, Namespace: []byte("/chat"), ID: 7, HasID: true, Attachments: 2, Name: []byte("pic"),
			Data: []byte(`["pic",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`),
			Args: []byte(`{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}`),
		},
		func() []byte {
			args := []byte(`{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}`)
			return AppendEvent(nil, &OutEvent{Namespace: "/chat", Name: "pic", Args: args, Attachments: two, ID: 7, HasID: true})
		},
	},
	{
		`31[]`,
		Packet{Type: Ack, Namespace: []byte("/"), ID: 1, HasID: true, Data: []byte(`[]`)},
		func() []byte { return AppendAck(nil, &OutEvent{Namespace: "/", ID: 1}) },
	},
	{
		`3/chat,12["ok",{"a":[1]}]`,
		Packet{
			Type: Ack, Namespace: []byte("/chat"), ID: 12, HasID: true,
			Data: []byte(`["ok",{"a":[1]}]`), Args: []byte(`"ok",{"a":[1]}`),
		},
		func() []byte {
			return AppendAck(nil, &OutEvent{Namespace: "/chat", Args: []byte(`"ok",{"a":[1]}`), ID: 12})
		},
	},
	{
		`61-0[{"_placeholder":true,"num":0}]`,
		Packet{
			Type: BinaryAck, Namespace: []byte("/"), HasID: true, Attachments: 1,
			Data: []byte(`[{"_placeholder":true,"num":0}]`), Args: []byte(`{"_placeholder":true,"num":0}`),
		},
		func() []byte {
			return AppendAck(nil, &OutEvent{Namespace: "/", Args: []byte(`{"_placeholder":true,"num":0}`), Attachments: two[:1]})
		},
	},
}

func TestCodec(t *testing.T) {
	for _, c := range codec {
		got, err := Decode([]byte(c.text), nil)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if d := cmp.Diff(c.packet, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.text, d)
		}
		if got := string(c.encode()); got != c.text {
			t.Errorf("encoded\n%s, want\n%s", got, c.text)
		}
	}
}

// A packet cut short is refused, or is itself a packet: one without payload, or with a shorter number. Which of them are
// is pinned by the vectors; here no prefix may make Decode read beyond it or return what is not in it.
func TestEveryPrefix(t *testing.T) {
	for _, c := range codec {
		for n := range len(c.text) {
			prefix := []byte(c.text[:n])
			p, err := Decode(prefix[:n:n], nil)
			var perr *ParseError
			switch {
			case err == nil && p.Data != nil:
				t.Errorf("%s: the payload cannot be complete", prefix)
			case err != nil && !errors.As(err, &perr):
				t.Errorf("%s: %v is not a *ParseError", prefix, err)
			case err != nil && (perr.Offset < 0 || perr.Offset > n):
				t.Errorf("%s: offset %d", prefix, perr.Offset)
			}
		}
	}
}

// The packets that decode but that no one encodes so.
func TestDecodeOtherForms(t *testing.T) {
	root := []byte("/")
	cases := map[string]Packet{
		`0`:       {Type: Connect, Namespace: root},
		`0/chat`:  {Type: Connect, Namespace: []byte("/chat")}, // PROTOCOL 11.10
		`0/chat,`: {Type: Connect, Namespace: []byte("/chat")},
		`0/c?a=b`: {Type: Connect, Namespace: []byte("/c?a=b")},
		`05{}`:    {Type: Connect, Namespace: root, ID: 5, HasID: true, Data: []byte(`{}`)},
		// Without payload: no effect (PROTOCOL 11.12).
		`2`:         {Type: Event, Namespace: root, Empty: true},
		`21`:        {Type: Event, Namespace: root, ID: 1, HasID: true, Empty: true},
		`3`:         {Type: Ack, Namespace: root, Empty: true},
		`31`:        {Type: Ack, Namespace: root, ID: 1, HasID: true, Empty: true},
		`51-`:       {Type: BinaryEvent, Namespace: root, Attachments: 1, Empty: true},
		`62-/a,3`:   {Type: BinaryAck, Namespace: []byte("/a"), Attachments: 2, ID: 3, HasID: true, Empty: true},
		`4"no"`:     {Type: ConnectError, Namespace: root, Data: []byte(`"no"`)},
		`2[1]`:      {Type: Event, Namespace: root, Data: []byte(`[1]`), Name: []byte("1"), NameIsNumber: true},
		`2[-1e3,2]`: {Type: Event, Namespace: root, Data: []byte(`[-1e3,2]`), Name: []byte("-1e3"), NameIsNumber: true, Args: []byte(`2`)},
		`2["error"]`: {
			Type: Event, Namespace: root, Data: []byte(`["error"]`), Name: []byte("error"), // CVE-2024-38355
		},
		`2["\u0061\ud83d\ude00\ud800"]`: {
			Type: Event, Namespace: root, Data: []byte(`["\u0061\ud83d\ude00\ud800"]`), Name: []byte("a😀\uFFFD"),
		},
		"2[ \"hi\" ,\t1 , 2\r\n]\n": {
			Type: Event, Namespace: root, Data: []byte("[ \"hi\" ,\t1 , 2\r\n]\n"), Name: []byte("hi"), Args: []byte("1 , 2"),
		},
		"3[ ]": {Type: Ack, Namespace: root, Data: []byte("[ ]")},
		`2000000000000000000000000000001["hi"]`: {
			Type: Event, Namespace: root, ID: 1, HasID: true, Data: []byte(`["hi"]`), Name: []byte("hi"),
		},
		`51e1-["hi"]`: {Type: BinaryEvent, Namespace: root, Attachments: 10, Data: []byte(`["hi"]`), Name: []byte("hi")},
	}
	for text, want := range cases {
		got, err := Decode([]byte(text), nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", text, d)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	limits := &Limits{Attachments: 3, Depth: 4, NamespaceBytes: 5}
	cases := []struct {
		text   string
		want   error
		offset int
	}{
		{``, ErrType, 0},
		{`7`, ErrType, 0},
		{`x`, ErrType, 0},
		{`5["hi"]`, ErrAttachments, 1},
		{`50-["hi"]`, ErrAttachments, 1}, // CVE-2026-69185
		{`54-["hi"]`, ErrAttachments, 1}, // CVE-2026-33151
		{`51.5-["hi"]`, ErrAttachments, 1},
		{`5Infinity-["hi"]`, ErrAttachments, 1},
		{`5` + strings.Repeat("0", 64) + `1-["hi"]`, ErrAttachments, 1},
		{`51e999-["hi"]`, ErrAttachments, 1},
		{`0/12345`, ErrNamespace, 1},
		{`0/12345,{}`, ErrNamespace, 1},
		{`29007199254740992["hi"]`, ErrID, 1},
		{`2/a,99999999999999999999999999["hi"]`, ErrID, 4},
		{`0[]`, ErrPayload, 1},
		{`0null`, ErrPayload, 1},
		{`1{}`, ErrPayload, 1},
		{`4[]`, ErrPayload, 1},
		{`2{}`, ErrPayload, 1},
		{`2 ["hi"]`, ErrPayload, 1},
		{`2x["hi"]`, ErrPayload, 1},
		{`2[]`, ErrPayload, 2},
		{`2[{"toString":"foo"}]`, ErrPayload, 2}, // CVE-2023-32695
		{`2[null]`, ErrPayload, 2},
		{`2["connect"]`, ErrReserved, 11},
		{`21["c\u006fnnect",1]`, ErrReserved, 17},
		{`51-["disconnecting"]`, ErrReserved, 19},
		{`2["hi"`, ErrJSON, 6},
		{`2["hi",]`, ErrJSON, 7},
		{`2["hi"]]`, ErrJSON, 7},
		{`2[-]`, ErrJSON, 3},
		{`2["hi`, ErrJSON, 2},
		{`3[1,]`, ErrJSON, 4},
		{`0{"a":1`, ErrJSON, 7},
		{`2["hi",[[[[]]]]]`, ErrDepth, 10},
		{`0{"a":{"a":{"a":{"a":{}}}}}`, ErrDepth, 21},
		{`51-["pic",{"_placeholder":true,"num":1}]`, ErrPlaceholder, 40},
		{`51-["pic",{"_placeholder":true,"num":"splice"}]`, ErrPlaceholder, 47}, // CVE-2022-2421
		{`61-[{"_placeholder":true}]`, ErrPlaceholder, 26},
	}
	for _, c := range cases {
		p, err := Decode([]byte(c.text), limits)
		var perr *ParseError
		if !errors.Is(err, c.want) || !errors.As(err, &perr) || perr.Offset != c.offset {
			t.Errorf("%s: %v, want %v at byte %d", c.text, err, c.want, c.offset)
		}
		if d := cmp.Diff(Packet{}, p); d != "" {
			t.Errorf("%s: a packet beside the error: %s", c.text, d)
		}
	}
}

// The error tells what and where, and never what the client sent.
func TestParseErrorText(t *testing.T) {
	_, err := Decode([]byte(`2["secret",]`), nil)
	if got, want := err.Error(), "socketio: invalid JSON at byte 11"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is exactly at a limit is taken; nil and zero mean the defaults.
func TestLimits(t *testing.T) {
	nested := func(n int) string { return `2["a",` + strings.Repeat("[", n) + strings.Repeat("]", n) + `]` }
	cases := []struct {
		limits *Limits
		fits   string
		beyond string
	}{
		{nil, `510-["a"]`, `511-["a"]`},
		{&Limits{}, nested(63), nested(64)},
		{nil, `0/` + strings.Repeat("a", 255), `0/` + strings.Repeat("a", 256)},
		{&Limits{Attachments: 100}, `5100-["a"]`, `5101-["a"]`},
		{&Limits{Depth: 2}, nested(1), nested(2)},
		{&Limits{Depth: 1 << 30}, nested(deepest - 1), nested(deepest)},
		{&Limits{Depth: 1}, `0{}`, `0{"a":{}}`},
		{&Limits{Depth: -1}, `4""`, `2["a"]`},
		{&Limits{Depth: -1}, `3`, `3[]`},
		{&Limits{NamespaceBytes: 1}, `2/,["a"]`, `2/a,["a"]`},
		{nil, `29007199254740991["a"]`, `29007199254740992["a"]`},
	}
	for _, c := range cases {
		if _, err := Decode([]byte(c.fits), c.limits); err != nil {
			t.Errorf("%+v: %.40s: %v", c.limits, c.fits, err)
		}
		if _, err := Decode([]byte(c.beyond), c.limits); err == nil {
			t.Errorf("%+v: %.40s: accepted", c.limits, c.beyond)
		}
	}
}

// CVE-2020-36049: text that is all header is refused or taken in one pass. Quadratic time on these would be minutes.
func TestLongHeaders(t *testing.T) {
	const n = 4 << 20
	long := &Limits{NamespaceBytes: n, Depth: n}
	for text, want := range map[string]error{
		`2` + strings.Repeat("1", n):                    ErrID,
		`2` + strings.Repeat("0", n):                    nil,
		`5` + strings.Repeat("1", n):                    ErrAttachments,
		`2/` + strings.Repeat("a", n-1):                 nil,
		`2["` + strings.Repeat(`\u0061`, n/8) + `"]`:    nil,
		`2["a"` + strings.Repeat(" ", n):                ErrJSON,
		`2["a",1` + strings.Repeat(" ", n) + `]`:        nil,
		`2["a",` + strings.Repeat(`{"a":`, n/8):         ErrDepth, // not a stack overflow
		`51-[1,` + strings.Repeat(`{"\u0061":`, n/4096): ErrJSON,
	} {
		if _, err := Decode([]byte(text), long); !errors.Is(err, want) {
			t.Errorf("%.20s…: %v, want %v", text, err, want)
		}
	}
}

// The slices that Decode returns are parts of its input, unless the name was escaped.
func TestDecodeAliases(t *testing.T) {
	text := []byte(`2/chat,["name",{"a":1}]`)
	p, err := Decode(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		text[i] = '.'
	}
	for what, part := range map[string][]byte{"namespace": p.Namespace, "name": p.Name, "args": p.Args, "data": p.Data} {
		if strings.Trim(string(part), ".") != "" {
			t.Errorf("%s was copied: %s", what, part)
		}
	}
}

// The Append functions keep what dst holds.
func TestAppendKeepsPrefix(t *testing.T) {
	for name, got := range map[string][]byte{
		"AppendConnect":      AppendConnect([]byte("4"), "/", "x", ""),
		"AppendConnectError": AppendConnectError([]byte("4"), "/", "x", nil),
		"AppendDisconnect":   AppendDisconnect([]byte("4"), "/"),
		"AppendEvent":        AppendEvent([]byte("4"), &OutEvent{Namespace: "/", Name: "x"}),
		"AppendAck":          AppendAck([]byte("4"), &OutEvent{Namespace: "/"}),
	} {
		if len(got) < 2 || got[0] != '4' || got[1] < '0' || got[1] > '6' {
			t.Errorf("%s: %s", name, got)
		}
	}
}
