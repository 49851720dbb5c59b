package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestCheckJSON(t *testing.T) {
	for _, tt := range []struct {
		text string
		want error
	}{
		{`1`, nil},
		{`"]"`, nil},
		{` {"a":[1,2.5e-3,null,true]} `, nil},
		{nested(maxDepth), nil},
		{nested(maxDepth + 1), errDepth},
		{strings.Repeat(`{"a":`, maxDepth+1) + `1` + strings.Repeat(`}`, maxDepth+1), errDepth},
		{`[` + strings.Repeat(`[],{},`, maxDepth) + `1]`, nil},    // wide, not deep
		{`"` + strings.Repeat(`[`, maxDepth+1) + `"`, nil},        // in a string
		{`"\"` + strings.Repeat(`[`, maxDepth+1) + `\\"`, nil},    // behind an escaped quote
		{`{"\\":"` + strings.Repeat(`{`, maxDepth+1) + `"}`, nil}, // behind an escaped backslash
		{`["\\",` + nested(maxDepth) + `]`, errDepth},             // the string ends where it ends
		{`"\ud800"`, nil}, // a lone surrogate
		{``, errJSON}, {` `, errJSON}, {`[`, errJSON}, {`[1,]`, errJSON}, {`'a'`, errJSON}, {`NaN`, errJSON}, {`1 2`, errJSON},
		{"\"\x01\"", errJSON}, {`"\x"`, errJSON}, {`01`, errJSON}, {"\ufeff1", errJSON}, {`[1]x`, errJSON},
	} {
		if err := checkJSON([]byte(tt.text)); !errors.Is(err, tt.want) {
			t.Errorf("%.60q: %v, want %v", tt.text, err, tt.want)
		}
	}
}

// I7: what is passed on is a part of what came, untouched.
func TestI7ArgumentsAreThePartBetweenTheBrackets(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		err        error
	}{
		{`[]`, ``, nil},
		{" [ \t\r\n] ", ``, nil},
		{`["hi",{"a":1}]`, `"hi",{"a":1}`, nil},
		{" [ 1 , 2 ]\n", `1 , 2`, nil},
		{`[1e999,123456789012345678901234567890,"\ud800",{"b":1,"a":2,"b":3},"<&>\u2028"]`,
			`1e999,123456789012345678901234567890,"\ud800",{"b":1,"a":2,"b":3},"<&>\u2028"`, nil},
		{`[[],"]"]`, `[],"]"`, nil},
		{`{}`, ``, errArray}, {`"[]"`, ``, errArray}, {`1`, ``, errArray}, {`null`, ``, errArray},
		{`[`, ``, errJSON}, {``, ``, errJSON}, {`[1`, ``, errJSON}, {`1]`, ``, errJSON}, {`[1][2]`, ``, errJSON},
		{nested(maxDepth), nested(maxDepth - 1), nil},
		{nested(maxDepth + 1), ``, errDepth},
	} {
		got, err := stripArray([]byte(tt.text))
		if !errors.Is(err, tt.err) || string(got) != tt.want {
			t.Errorf("%.60q: %q, %v, want %q, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestCheckPlaceholders(t *testing.T) {
	for _, tt := range []struct {
		array       string
		attachments int
		ok          bool
	}{
		{`[1]`, 0, true},
		{`[1]`, 3, true}, // unused attachments are dropped by clients
		{`[{"_placeholder":true,"num":0}]`, 1, true},
		{`[{"a":[{"num":1,"_placeholder":true}]},{"_placeholder":true,"num":0}]`, 2, true},
		{`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, 1, true},
		{`[{"_placeholder":true,"num":1.0},{"_placeholder":true,"num":1e0}]`, 2, true},
		{`[1e999,{"_placeholder":true,"num":0}]`, 1, true},
		{`[{"_placeholder":false,"num":7}]`, 1, true}, // plain data
		{`[{"_placeholder":"true","num":7}]`, 1, true},
		{`["{\"_placeholder\":true,\"num\":7}"]`, 1, true},
		{`["\u0041"]`, 0, true},
		{`[{"_placeholder":true,"num":0}]`, 0, false},
		{`[{"_placeholder":true,"num":1}]`, 1, false},
		{`[{"_placeholder":true,"num":-1}]`, 1, false},
		{`[{"_placeholder":true,"num":0.5}]`, 1, false},
		{`[{"_placeholder":true,"num":1e999}]`, 1, false},
		{`[{"_placeholder":true,"num":"0"}]`, 1, false},
		{`[{"_placeholder":true,"num":"splice"}]`, 1, false},
		{`[{"_placeholder":true}]`, 1, false},
		{`[[[{"a":{"_placeholder":true,"num":null}}]]]`, 1, false},
		{`[{"\u005fplaceholder":true,"num":5}]`, 1, false},
		{`[{"_placeholder":false,"num":5,"_placeholder":true}]`, 1, false}, // the last one counts, as in JavaScript
	} {
		if err := checkPlaceholders([]byte(tt.array), tt.attachments); (err == nil) != tt.ok {
			t.Errorf("%s with %d attachments: %v", tt.array, tt.attachments, err)
		}
	}
}

func FuzzStripArray(f *testing.F) {
	for _, seed := range []string{`[]`, `["a",{"_placeholder":true,"num":0}]`, ` [ 1 , [2] ] `, `["\\\"["]`, nested(maxDepth + 1), `{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		args, err := stripArray(b)
		if err != nil {
			return
		}
		var whole, again []json.RawMessage
		if err := json.Unmarshal(b, &whole); err != nil {
			t.Fatalf("accepted what is no array: %q", b)
		}
		if err := json.Unmarshal([]byte("["+string(args)+"]"), &again); err != nil || len(again) != len(whole) {
			t.Fatalf("%q became %q: %d elements, then %d, %v", b, args, len(whole), len(again), err)
		}
		if !bytes.Contains(b, args) {
			t.Fatalf("%q is not a part of %q", args, b)
		}
		_ = checkPlaceholders(b, 1) // must not panic
	})
}

func BenchmarkStripArray(b *testing.B) {
	text := []byte(`["message",{"id":123,"text":"` + strings.Repeat("x", 40) + `"}]`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := stripArray(text); err != nil {
			b.Fatal(err)
		}
	}
}
