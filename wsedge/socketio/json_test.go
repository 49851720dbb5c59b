package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var validJSON = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `10`, `1.5`, `1.50`, `0.1`, `-0.0e-0`, `1e5`, `1E5`, `1e+5`, `1e-5`, `1e999`,
	`12345678901234567890123456789012345678901234567890`,
	`""`, `"a"`, `"\""`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"\u0000"`, `"\uABCD\uabcd"`, `"\ud800"`, `"\udc00\ud800"`, `"é€😀"`, "\"\u007f\u2028\"", `"'"`,
	`[]`, `[ ]`, `[1]`, `[1,2]`, "[ 1 ,\t2\r\n, [ ] ]", `[[],[[]],{}]`,
	`{}`, `{ }`, `{"a":1}`, `{"":""}`, `{"a":1,"a":2}`, "{ \"a\" : 1 ,\n\"b\":{\"c\":[]}}", `{"\u0061":null}`,
	" 1", "1 ", "\n\t\r [] \n\t\r ",
}

var invalidJSON = []string{
	``, ` `, `n`, `nul`, `nulll`, `True`, `undefined`, `NaN`, `Infinity`, `-Infinity`, `a`,
	`-`, `+1`, `01`, `-01`, `00`, `1.`, `.5`, `1.e5`, `1e`, `1e+`, `1e-`, `1 2`, `1,`, `0x1`, `1_0`, `1a`, `--1`,
	`"`, `"a`, `a"`, `'a'`, `"\"`, `"\a"`, `"\x41"`, `"\u"`, `"\u12"`, `"\u123"`, `"\u12g4"`, `"\U1234"`, "\"\n\"", "\"\x00\"", "\"\x1f\"", `"a"b`,
	`[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `[[]`, `[]]`, `[1,,2]`,
	`{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":1]`, `{"a":}`, `{"a"::1}`, `{}{}`,
	"\u00a01", "\ufeff1", "\v1", "1\x00", "\x00", `// a`, `[1/*a*/]`,
}

func TestValidJSON(t *testing.T) {
	for _, text := range validJSON {
		if !acceptsJSON([]byte(text), 0) || !json.Valid([]byte(text)) {
			t.Errorf("%q is valid", text)
		}
	}
	for _, text := range invalidJSON {
		if acceptsJSON([]byte(text), 0) || json.Valid([]byte(text)) {
			t.Errorf("%q is not valid", text)
		}
	}
	if acceptsJSON([]byte("\"\xff\""), 0) {
		t.Error("what is not UTF-8 is no JSON text")
	}
}

// Every prefix of a text that does not end in a number or white space is invalid; the scanner never reads beyond it.
func TestValidJSONEveryPrefix(t *testing.T) {
	for _, text := range append(validJSON, invalidJSON...) {
		for n := range len(text) {
			prefix := []byte(text[:n])[:n:n]
			if got, want := acceptsJSON(prefix, 0), json.Valid(prefix) && n > 0; got != want {
				t.Errorf("%q: %v, want %v", prefix, got, want)
			}
		}
	}
}

func TestValidJSONDepth(t *testing.T) {
	for _, c := range []struct {
		text  string
		depth int
		want  bool
	}{
		{`1`, 1, true},
		{`[]`, 1, true},
		{`[[]]`, 1, false},
		{`[[],[],{}]`, 2, true},
		{`{"a":[{}]}`, 3, true},
		{`{"a":[{}]}`, 2, false},
		{strings.Repeat("[", 64) + strings.Repeat("]", 64), 0, true},
		{strings.Repeat("[", 65) + strings.Repeat("]", 65), 0, false},
		{strings.Repeat("[", 1<<20), 0, false},
		{strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20), 1 << 30, false},
		{strings.Repeat(`{"a":`, 1<<20), 64, false},
	} {
		if got := acceptsJSON([]byte(c.text), c.depth); got != c.want {
			t.Errorf("%.20s in %d: %v", c.text, c.depth, got)
		}
	}
}

func TestCheckPlaceholders(t *testing.T) {
	for _, c := range []struct {
		data string
		n    int
		want error
	}{
		{`[]`, 0, nil},
		{`{"_placeholder":true,"num":0}`, 0, ErrPlaceholder},
		{`{"_placeholder":true,"num":0}`, 1, nil},
		{`{"num":0,"x":1,"_placeholder":true}`, 1, nil},
		{`{"_placeholder":true,"num":1}`, 1, ErrPlaceholder},
		{`{"_placeholder":true,"num":-1}`, 1, ErrPlaceholder},
		{`{"_placeholder":true,"num":0.5}`, 1, ErrPlaceholder},
		{`{"_placeholder":true,"num":1e400}`, 1, ErrPlaceholder},
		{`{"_placeholder":true,"num":"0"}`, 1, ErrPlaceholder},
		{`{"_placeholder":true,"num":[0]}`, 1, ErrPlaceholder},
		{`{"_placeholder":true}`, 1, ErrPlaceholder},
		{`{ "_placeholder" : true , "num" : 1.0 }`, 2, nil},
		{`{"_placeholder":true,"num":10}`, 11, nil},
		{`{"_placeholder":true,"num":10}`, 10, ErrPlaceholder},
		// Not placeholders.
		{`{"_placeholder":false,"num":9}`, 1, nil},
		{`{"_placeholder":"true","num":9}`, 1, nil},
		{`{"_placeholder":[true],"num":9}`, 1, nil},
		{`{"placeholder":true,"num":9}`, 1, nil},
		{`"_placeholder"`, 1, nil},
		// Escaped keys are the same keys.
		{`{"\u005fplaceholder":true,"n\u0075m":0}`, 1, nil},
		{`{"\u005fplaceholder":true,"n\u0075m":1}`, 1, ErrPlaceholder},
		// Anywhere in the tree, and the first fault does not hide behind a later good one.
		{`[[{"a":{"b":[{"_placeholder":true,"num":2}]}}]]`, 2, ErrPlaceholder},
		{`[{"_placeholder":true,"num":9},{"_placeholder":true,"num":0}]`, 1, ErrPlaceholder},
		{`[{"_placeholder":true,"num":9},{"x":{"_placeholder":true,"num":9},"_placeholder":true,"num":0}]`, 1, ErrPlaceholder},
		// The last of equal keys counts.
		{`{"_placeholder":true,"num":9,"num":0}`, 1, nil},
		{`{"_placeholder":true,"num":0,"num":9}`, 1, ErrPlaceholder},
		{`{"_placeholder":true,"num":9,"_placeholder":false}`, 1, nil},
		// A placeholder stands for the attachment as a whole, whatever else it holds.
		{`{"x":{"_placeholder":true,"num":9},"_placeholder":true,"num":0}`, 1, nil},
		{`{"_placeholder":true,"num":0,"x":[{"_placeholder":true,"num":9}]}`, 1, nil},
		{`{"_placeholder":{"_placeholder":true,"num":9},"num":0}`, 1, ErrPlaceholder},
		{`{"_placeholder":true`, 1, ErrJSON},
		{`[] []`, 1, ErrJSON},
	} {
		if err := checkPlaceholders([]byte(c.data), c.n); !errors.Is(err, c.want) {
			t.Errorf("%s of %d: %v, want %v", c.data, c.n, err, c.want)
		}
	}
}

func TestReservedEvent(t *testing.T) {
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if !reserved([]byte(name)) {
			t.Errorf("%s is reserved", name)
		}
		if reserved([]byte(name+"x")) || reserved([]byte(name[1:])) {
			t.Errorf("only %s itself is reserved", name)
		}
	}
	for _, name := range []string{"", "error", "message", "Connect", "connection", "reconnect"} {
		if reserved([]byte(name)) {
			t.Errorf("%s is not reserved", name)
		}
	}
}
