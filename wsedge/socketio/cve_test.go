package socketio

import (
	"errors"
	"strings"
	"testing"
)

// The advisories of PROTOCOL 9 that belong to the parser, each with the input that triggers it.

func refuses(t *testing.T, text string, want error) {
	t.Helper()
	if _, err := Decode([]byte(text), nil); !errors.Is(err, want) {
		t.Errorf("%.40s: %v, want %v", text, err, want)
	}
}

func TestCVE_2020_36049_LongDigitsAndNamespaces(t *testing.T) {
	const n = 8 << 20 // minutes, if it took quadratic time
	refuses(t, "2"+strings.Repeat("1", n), ErrID)
	refuses(t, "5"+strings.Repeat("1", n)+"-[]", ErrAttachments)
	refuses(t, "2/"+strings.Repeat("a", n), ErrNamespace)
	refuses(t, "2"+strings.Repeat("/", n), ErrNamespace)
}

func TestCVE_2022_2421_PlaceholderNum(t *testing.T) {
	for _, num := range []string{`"splice"`, `"0"`, `-1`, `1`, `1e9`, `0.5`, `null`, `[0]`, `{}`, `true`, `"length"`, `"__proto__"`} {
		refuses(t, `51-["a",{"_placeholder":true,"num":`+num+`}]`, ErrPlaceholder)
		refuses(t, `61-1[[{"x":{"num":`+num+`,"_placeholder":true}}]]`, ErrPlaceholder)
	}
}

func TestCVE_2023_32695_EventNameType(t *testing.T) {
	for _, name := range []string{`{"toString":"foo"}`, `{}`, `[]`, `null`, `true`, `[["a"]]`} {
		refuses(t, `2[`+name+`]`, ErrPayload)
		refuses(t, `51-[`+name+`]`, ErrPayload)
	}
	const object = "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\x81\xa8toString\xa3foo"
	if _, _, err := DecodeMsgpack([]byte(object), nil); !errors.Is(err, ErrPayload) {
		t.Errorf("MessagePack: %v", err)
	}
}

// The event "error" is one like any other.
func TestCVE_2024_38355_EventNamedError(t *testing.T) {
	p, err := Decode([]byte(`2["error",1]`), nil)
	if err != nil || p.Type != Event || string(p.Name) != "error" || string(p.Args) != "1" {
		t.Errorf("%+v %v", p, err)
	}
	m, _, err := DecodeMsgpack(AppendMsgpackEvent(nil, &OutEvent{Namespace: "/", Name: "error"}), nil)
	if err != nil || string(m.Name) != "error" {
		t.Errorf("MessagePack: %+v %v", m, err)
	}
}

func TestCVE_2026_33151_ManyAttachments(t *testing.T) {
	for _, n := range []string{"11", "1000", "999999999", "1e9", "99999999999999999999", "Infinity"} {
		refuses(t, `5`+n+`-["a"]`, ErrAttachments)
		refuses(t, `6`+n+`-[]`, ErrAttachments)
	}
	// Nothing is set aside for what a header announces.
	p, err := Decode([]byte(`51000000-["a"]`), &Limits{Attachments: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAssembly(p, &Limits{Attachments: 1 << 20})
	if err != nil || cap(a.attachments) > 0 {
		t.Errorf("%v, room for %d", err, cap(a.attachments))
	}
	many := msgEvent(1, "\xdc\x03\xe9"+strings.Repeat("\xc4\x00", 1001))
	if _, _, err := DecodeMsgpack(many, nil); !errors.Is(err, ErrAttachments) {
		t.Errorf("MessagePack: %v", err)
	}
}

func TestCVE_2026_69185_ZeroAttachments(t *testing.T) {
	for _, n := range []string{"0", "00", "-0", "0e5", "0.0", ""} {
		refuses(t, `5`+n+`-["a"]`, ErrAttachments)
		refuses(t, `6`+n+`-[]`, ErrAttachments)
	}
	for _, p := range []Packet{{Type: BinaryEvent}, {Type: BinaryAck}, {Type: Event}} {
		if _, err := NewAssembly(p, nil); !errors.Is(err, ErrAttachments) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// Withheld attachments: an assembly is the caller's value alone and bounded by what was announced; it goes with the client
// that has it. No state of the package outlives it, so what comes first of a connection finds none.
func TestCVE_2026_48804_WithheldAttachments(t *testing.T) {
	p, err := Decode([]byte(`52-["a",{"_placeholder":true,"num":1}]`), nil)
	if err != nil {
		t.Fatal(err)
	}
	abandoned, err := NewAssembly(p, nil)
	if err != nil || abandoned.Add([]byte{1}) {
		t.Fatal(err)
	}
	next, err := NewAssembly(p, nil)
	if err != nil || next.Add([]byte{2}) || !next.Add([]byte{3}) {
		t.Fatalf("the next assembly is not its own: %v", err)
	}
	if _, attachments := next.Packet(); len(attachments) != 2 || attachments[0][0] != 2 {
		t.Errorf("%v", attachments)
	}
}
