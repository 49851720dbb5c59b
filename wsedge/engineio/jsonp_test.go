package engineio

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// PROTOCOL 2.4.
func TestAppendJSONP(t *testing.T) {
	for _, c := range []struct{ index, payload, want string }{
		{"0", "1:6", `___eio[0]("1:6");`},
		{"12", `9:42["a"]`, `___eio[12]("9:42[\"a\"]");`},
		{"", "", `___eio[]("");`},
		{"x", "1:6", `___eio[]("1:6");`},
		{"3", "\u2028\u2029 \u2027\u202a\u2128 â", `___eio[3]("\u2028\u2029 ` + "\u2027\u202a\u2128 â" + `");`},
		{"3", "\x00\x01\b\t\n\v\f\r\x1f\x7f\"\\/", `___eio[3]("\u0000\u0001\b\t\n\u000b\f\r\u001f` + "\x7f" + `\"\\/");`},
		{"3", "<é😀&>", `___eio[3]("<é😀&>");`},
		{"3", "cut \xe2", "___eio[3](\"cut \xe2\");"},
		{"3", "cut \xe2\x80", "___eio[3](\"cut \xe2\x80\");"},
	} {
		if got := string(AppendJSONP([]byte("x"), c.index, []byte(c.payload))); got != "x"+c.want {
			t.Errorf("%q, %q:\ngot  %s\nwant x%s", c.index, c.payload, got, c.want)
		}
	}
}

// What a client says its callback is cannot become script (section 9, "JSONP callback injection").
func TestFurtherInput_JSONPCallbackInjection(t *testing.T) {
	for _, index := range []string{
		"0];alert(1);//", "](1);alert`1`;x[", "a", "\u0663\u06f3", "１", "0\n1", "0\u20281", "%30", "-1", "1e9", "__proto__", "0,1",
		strings.Repeat("x", 10_000), "0\x00",
	} {
		got := string(AppendJSONP(nil, index, []byte("1:6")))
		digits := strings.TrimSuffix(strings.TrimPrefix(got, "___eio["), `]("1:6");`)
		if strings.Trim(digits, "0123456789") != "" || len(digits) > len(index) {
			t.Errorf("%q: %s", index, got)
		}
	}
}

// forms holds what clients and others post, and the payload in it: none if it is to be ignored.
var forms = []struct {
	form    string
	payload string
	none    bool
}{
	{"d=1%3A2", "1:2", false},
	{"d=1:2", "1:2", false},
	{"d=a+b%2Bc", "a b+c", false},
	{"x=1&d=1%3A2&y=2", "1:2", false},
	{"%64=1:2", "1:2", false},
	{"d=a=b", "a=b", false},
	{"d", "", false},
	{"d=", "", false},
	{"d=%zz%4%", "%zz%4%", false},
	{"d=%C3%a9", "é", false},
	{`d=a\nb`, "a\nb", false},
	{`d=a\\nb`, `a\nb`, false},
	{`d=a\\\nb`, `a\\nb`, false},
	{`d=\n\n`, "\n\n", false},
	{`d=\\n\n`, "\\n\n", false},
	{`d=\x\\`, `\x\\`, false},
	{`d=\%0An`, "\\\nn", false},
	{"d=%5Cn", "\n", false},
	{"", "", true},
	{"x=1", "", true},
	{"D=1", "", true},
	{"d=1&d=2", "", true},
	{"d=1&x&%64", "", true},
}

func TestParseJSONP(t *testing.T) {
	for _, c := range forms {
		in := []byte(c.form)
		got, err := ParseJSONP(in)
		if err != nil || string(got) != c.payload || (got == nil) != c.none {
			t.Errorf("%q: %q, %v", c.form, got, err)
		}
		if string(in) != c.form {
			t.Errorf("%q became %q", c.form, in)
		}
	}
	for _, form := range []string{"d=%ff", "d=\xff", "d=%c3", "d=%ed%a0%80", "d=%e2%82"} {
		if got, err := ParseJSONP([]byte(form)); !errors.Is(err, ErrParse) || got != nil {
			t.Errorf("%q: %q, %v", form, got, err)
		}
	}
}

// A form that is cut short gives a payload that is cut short, or none.
func TestParseJSONPEveryPrefix(t *testing.T) {
	const form = `x=1&d=10%3A4%5B%22%5C%5Cn%22%5D+%25&y`
	whole, err := ParseJSONP([]byte(form))
	if err != nil || string(whole) != `10:4["\n"] %` {
		t.Fatalf("%q, %v", whole, err)
	}
	for n := range len(form) {
		got, err := ParseJSONP([]byte(form)[:n:n])
		begins := len(got) <= len(whole)+2 // an escape that is cut stands for itself
		for i, c := range got[:min(len(got), len(whole))] {
			begins = begins && (c == whole[i] || c == '%' || c == '\\' || i > 0 && (got[i-1] == '%' || got[i-1] == '\\'))
		}
		if err != nil || !begins || (got == nil) != (n < len("x=1&d")) {
			t.Errorf("%q: %q, %v", form[:n], got, err)
		}
	}
}

// What a JavaScript client posts comes out as it went in: engine.io-client puts a backslash before a newline's "n" and
// another before an escaped one, and the browser encodes the form. (A backslash before a newline does not survive that; no
// JSON has one.)
func TestJSONPRoundTrip(t *testing.T) {
	for _, payload := range []string{
		"1:2", "9:42[\"a\"]", "a\nb", `a\nb`, `a\\nb`, "\\n\\n\n", "é😀\u2028 +&=%;#", "", "\r\n", "n", `\`, `\\\n`,
	} {
		value := strings.ReplaceAll(strings.ReplaceAll(payload, `\n`, "\\\n"), "\n", `\n`)
		got, err := ParseJSONP([]byte(url.Values{"d": {value}}.Encode()))
		if err != nil || string(got) != payload {
			t.Errorf("%q: %q, %v", payload, got, err)
		}
	}
}

func TestJSONPVectors(t *testing.T) {
	v := loadVectors3(t)
	for _, c := range v.JSONPAnswer {
		if got := string(AppendJSONP(nil, c.Index, []byte(c.Payload))); got != c.Body {
			t.Errorf("%q, %q:\ngot  %s\nwant %s", c.Index, c.Payload, got, c.Body)
		}
	}
	for _, c := range v.JSONPForm {
		got, err := ParseJSONP([]byte(c.Form))
		if err != nil || (got == nil) != (c.Payload == nil) || got != nil && string(got) != *c.Payload {
			t.Errorf("%q: %q, %v", c.Form, got, err)
		}
	}
}

func FuzzJSONP(f *testing.F) {
	for _, c := range loadVectors3(f).JSONPForm {
		f.Add("0", []byte(c.Form))
	}
	f.Add("0];alert(1)//", []byte("\u2028\"\\\n</script>"))
	f.Fuzz(func(t *testing.T, index string, data []byte) {
		if payload, err := ParseJSONP(data); len(payload) > len(data) || err != nil && payload != nil || !utf8.Valid(payload) {
			t.Errorf("%q: %q, %v", data, payload, err)
		}
		script := AppendJSONP(nil, index, data)
		head, literal, _ := bytes.Cut(bytes.TrimSuffix(script, []byte(");")), []byte("]("))
		if digits, ok := bytes.CutPrefix(head, []byte("___eio[")); !ok || len(bytes.Trim(digits, "0123456789")) != 0 {
			t.Fatalf("%s", script)
		}
		var back string
		if err := json.Unmarshal(literal, &back); err != nil || utf8.Valid(data) && back != string(data) {
			t.Fatalf("%q: %s, %v", data, literal, err)
		}
		if bytes.ContainsAny(literal, "\u2028\u2029\n\r") {
			t.Fatalf("%s", literal)
		}
	})
}

// A hostile form costs one copy of its longest possible value.
func TestParseJSONPOfManyFields(t *testing.T) {
	form := []byte(strings.Repeat("x&", 500_000) + "d=1:4")
	if n := testing.AllocsPerRun(1, func() {
		if got, err := ParseJSONP(form); err != nil || string(got) != "1:4" {
			t.Errorf("%q, %v", got, err)
		}
	}); n != 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJSONP(b *testing.B) {
	payload := []byte(strings.Repeat(`42["m","some text\n"]`, 50))
	form := []byte(url.Values{"d": {string(payload)}}.Encode())
	dst := make([]byte, 0, 2*len(payload))
	b.Run("Append", func(b *testing.B) {
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		for b.Loop() {
			AppendJSONP(dst, "0", payload)
		}
	})
	b.Run("Parse", func(b *testing.B) {
		b.SetBytes(int64(len(form)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseJSONP(form); err != nil {
				b.Fatal(err)
			}
		}
	})
}
