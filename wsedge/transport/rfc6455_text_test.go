package transport

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// textCases: section 8.1, text is UTF-8 and whatever is not ends the connection.
var textCases = []streamCase{
	{"RFC6455 8.1 characters of one to four bytes", frame(0x81, "aß€😀"), heard{`message false "aß€😀"`}, nil},
	{"RFC6455 8.1 the borders of each length", frame(0x81, "\x00\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"),
		heard{fmt.Sprintf("message false %q", "\x00\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff")}, nil},
	{"RFC6455 8.1 the borders of the surrogates", frame(0x81, "\ud7ff\ue000\ufffd"), heard{fmt.Sprintf("message false %q", "\ud7ff\ue000\ufffd")}, nil},
	{"RFC6455 8.1 noncharacters are characters", frame(0x81, "\ufffe\uffff\U0001fffe"), heard{fmt.Sprintf("message false %q", "\ufffe\uffff\U0001fffe")}, nil},
	{"RFC6455 8.1 a character cut after 1 of 2 bytes", join(frame(0x01, "\xc3"), frame(0x80, "\x9f")), heard{`message false "ß"`}, nil},
	{"RFC6455 8.1 a character cut after 1 of 4 bytes", join(frame(0x01, "\xf0"), frame(0x80, "\x9f\x98\x80")), heard{`message false "😀"`}, nil},
	{"RFC6455 8.1 a character cut after 3 of 4 bytes", join(frame(0x01, "\xf0\x9f\x98"), frame(0x80, "\x80")), heard{`message false "😀"`}, nil},
	{"RFC6455 8.1 a character in four fragments", join(frame(0x01, "\xf0"), frame(0x00, "\x9f"), frame(0x00, "\x98"), frame(0x80, "\x80")),
		heard{`message false "😀"`}, nil},
	{"RFC6455 8.1 a cut character around an empty fragment and a ping", join(frame(0x01, "\xe2\x82"), frame(0x00, ""), frame(0x89, "\xff"), frame(0x80, "\xac")),
		heard{`control 9 "\xff"`, `message false "€"`}, nil},
	{"RFC6455 8.1 binary fragments may be anything", join(frame(0x02, "\xff"), frame(0x80, "\xc0")), heard{`message true "\xff\xc0"`}, nil},
	{"RFC6455 8.1 a byte that never occurs", frame(0x81, "a\xff"), nil, errUTF8},
	{"RFC6455 8.1 a lone continuation byte", frame(0x81, "\x80"), nil, errUTF8},
	{"RFC6455 8.1 five continuation bytes", frame(0x81, "\x80\xbf\x80\xbf\x80"), nil, errUTF8},
	{"RFC6455 8.1 a character that does not end", frame(0x81, "a\xe2\x82"), nil, errUTF8},
	{"RFC6455 8.1 a character that does not end in fragments", join(frame(0x01, "a"), frame(0x80, "\xe2\x82")), nil, errUTF8},
	{"RFC6455 8.1 a character that an empty fragment does not end", join(frame(0x01, "\xf0\x9f\x98"), frame(0x80, "")), nil, errUTF8},
	{"RFC6455 8.1 overlong slash in 2 bytes", frame(0x81, "\xc0\xaf"), nil, errUTF8},
	{"RFC6455 8.1 overlong slash in 3 bytes", frame(0x81, "\xe0\x80\xaf"), nil, errUTF8},
	{"RFC6455 8.1 overlong slash in 4 bytes", frame(0x81, "\xf0\x80\x80\xaf"), nil, errUTF8},
	{"RFC6455 8.1 the greatest overlong forms", frame(0x81, "\xc1\xbf\xe0\x9f\xbf\xf0\x8f\xbf\xbf"), nil, errUTF8},
	{"RFC6455 8.1 first surrogate", frame(0x81, "\xed\xa0\x80"), nil, errUTF8},
	{"RFC6455 8.1 last surrogate", frame(0x81, "\xed\xbf\xbf"), nil, errUTF8},
	{"RFC6455 8.1 a pair of surrogates", frame(0x81, "\xed\xa0\xbd\xed\xb8\x80"), nil, errUTF8},
	{"RFC6455 8.1 beyond U+10FFFF", frame(0x81, "\xf4\x90\x80\x80"), nil, errUTF8},
	{"RFC6455 8.1 forms of 5 and 6 bytes", frame(0x81, "\xf8\x88\x80\x80\x80\xfc\x84\x80\x80\x80\x80"), nil, errUTF8},
	{"RFC6455 8.1 wrong over a border", join(frame(0x01, "\xe2\x82"), frame(0x80, "\x28")), nil, errUTF8},
	// As soon as it is certain: the message need not end for it.
	{"RFC6455 8.1 certain in the first fragment", frame(0x01, "a\xffb"), nil, errUTF8},
	{"RFC6455 8.1 certain by the second byte of three", frame(0x01, "\xed\xa0"), nil, errUTF8},
	{"RFC6455 8.1 certain by the second byte of four", join(frame(0x01, "\xf4"), frame(0x00, "\x90")), nil, errUTF8},
	{"RFC6455 8.1 certain in the second fragment", join(frame(0x01, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"), frame(0x00, "\xf4\x90\x80\x80")), nil, errUTF8},
	{"RFC6455 8.1 what follows a certain error is not heard", join(frame(0x01, "\xc0"), frame(0x89, "p")), nil, errUTF8},
}

// RFC6455 8.1: whatever the length of a character and wherever fragments are cut, the text comes out whole; with any of
// its bytes changed so that it is no UTF-8, it does not come out at all.
func TestRFC6455TextCutAtEveryByte(t *testing.T) {
	const text = "aß€😀\u07ff\U0010ffffz"
	for cut := range len(text) + 1 {
		in := join(frame(0x01, text[:cut]), frame(0x80, text[cut:]))
		runStream(t, streamCase{"cut", in, heard{fmt.Sprintf("message false %q", text)}, nil}, frameRules{limit: limit})
		for i := range text {
			bad := []byte(text)
			bad[i] = 0xff
			in := join(frame(0x01, string(bad[:cut])), frame(0x80, string(bad[cut:])))
			feedAll(t, streamCase{"bad", in, nil, errUTF8}, frameRules{limit: limit}, [][]byte{in})
		}
	}
}

// An unfinished text is refused exactly when no end could make it UTF-8.
func TestTextPrefix(t *testing.T) {
	for _, text := range []string{"", "a", "ß", "€", "😀", "\u0800", "\ud7ff", "\ue000", "\U00010000", "\U0010ffff"} {
		for cut := range len(text) + 1 {
			n, ok := textPrefix([]byte("x"+text[:cut]), false)
			if want := 1 + len(text)*min(1, cut/max(1, len(text))); !ok || n != want {
				t.Errorf("%q of %q: %d, %v, want %d", text[:cut], text, n, ok, want)
			}
			if _, ok := textPrefix([]byte(text[:cut]), true); ok != utf8.ValidString(text[:cut]) {
				t.Errorf("%q as the end: %v", text[:cut], ok)
			}
		}
	}
	for a := range 256 {
		for b := range 256 {
			pair := []byte{byte(a), byte(b)}
			if _, ok := textPrefix(pair, false); ok != completable(pair) {
				t.Errorf("%x: %v", pair, ok)
			}
		}
	}
}

// completable tries whether some characters follow that make b UTF-8. Every lead byte has a successor that every later
// one may have too, but for the four that restrict their second byte.
func completable(b []byte) bool {
	for _, end := range []string{"", "\x80", "\xbf", "\x90", "\x80\x80", "\xbf\x80", "\x90\x80", "\x80\x80\x80", "\xbf\x80\x80", "\x90\x80\x80"} {
		if utf8.Valid(append(bytes.Clone(b), end...)) {
			return true
		}
	}
	return false
}

// The check of a fragmented text costs each byte once: many small fragments of a long text are no more work than one.
func TestTextOfManyFragmentsIsCheckedOnce(t *testing.T) {
	var d decoder
	var got heard
	rules := frameRules{limit: limit}
	for i := range 1000 {
		bits := byte(0x00)
		if i == 0 {
			bits = 0x01
		}
		if _, err := d.feed(frame(bits, strings.Repeat("€", 100)), rules, &got); err != nil {
			t.Fatal(err)
		}
		if want := (i + 1) * 300; d.held.valid != want {
			t.Fatalf("%d bytes are known to be good, want %d", d.held.valid, want)
		}
	}
	if _, err := d.feed(frame(0x80, "\xe2"), rules, &got); !errors.Is(err, errUTF8) || len(got) != 0 {
		t.Errorf("%v, %.100q", err, got)
	}
}
