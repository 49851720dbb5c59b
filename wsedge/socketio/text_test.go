package socketio

import (
	"encoding/json"
	"testing"
)

// Strings in both forms: plain is written as quoted, and quoted is read as plain.
func TestQuoted(t *testing.T) {
	for plain, quoted := range map[string]string{
		``:                      `""`,
		`a`:                     `"a"`,
		`"`:                     `"\""`,
		`\`:                     `"\\"`,
		`a"b\c`:                 `"a\"b\\c"`,
		"\b\f\n\r\t":            `"\b\f\n\r\t"`,
		"\x00\x01\x0b\x1f\x7f":  "\"\\u0000\\u0001\\u000b\\u001f\x7f\"",
		`<script>&</script>/`:   `"<script>&</script>/"`,
		"é€😀\u2028\u2029\ufffd": "\"é€😀\u2028\u2029\ufffd\"",
	} {
		if got := string(appendQuoted(nil, plain)); got != quoted {
			t.Errorf("%q: wrote %s, want %s", plain, got, quoted)
		}
		if got := string(unescape([]byte(quoted[1 : len(quoted)-1]))); got != plain {
			t.Errorf("%s: read %q, want %q", quoted, got, plain)
		}
	}
}

// What is not UTF-8 is written as U+FFFD, a byte each; the result is always JSON.
func TestQuotedRepairs(t *testing.T) {
	for plain, quoted := range map[string]string{
		"\xff":           "\"\ufffd\"",
		"a\xc3":          "\"a\ufffd\"",
		"a\xe2\x82z":     "\"a\ufffd\ufffdz\"",
		"\xed\xa0\x80\n": "\"\ufffd\ufffd\ufffd\\n\"", // a surrogate in UTF-8's clothes
	} {
		got := string(appendQuoted(nil, plain))
		if got != quoted || !json.Valid([]byte(got)) {
			t.Errorf("%q: wrote %q, want %q", plain, got, quoted)
		}
	}
}

func TestUnescape(t *testing.T) {
	for escaped, plain := range map[string]string{
		`\u0061\u00e9\u20AC`: "aé€",
		`\ud83d\ude00`:       "😀",
		`\uD83D\uDE00x`:      "😀x",
		`\ud83d`:             "\ufffd",
		`\ud83dx`:            "\ufffdx",
		`\ud83d\n`:           "\ufffd\n",
		`\ud83d\u0061`:       "\ufffda",
		`\ud83d\ud83d\ude00`: "\ufffd😀",
		`\ude00\ud83d`:       "\ufffd\ufffd",
		`\/\b\f\n\r\t\"\\`:   "/\b\f\n\r\t\"\\",
		`\ufffd`:             "\ufffd",
		`plain é`:            "plain é",
	} {
		if !acceptsJSON([]byte(`"`+escaped+`"`), 0) {
			t.Errorf("%s: the scanner refuses it", escaped)
		}
		if got := string(unescape([]byte(escaped))); got != plain {
			t.Errorf("%s: read %q, want %q", escaped, got, plain)
		}
	}
}

// Clients 1.x cannot read anything but ASCII from a polling payload (PROTOCOL 2.2).
func TestEscapeJSON(t *testing.T) {
	for in, want := range map[string]string{
		`2["a","plain"]`:   `2["a","plain"]`,
		`2["é"]`:           `2["\u00e9"]`,
		`2["x é y 😀","z"]`: `2["x \u00e9 y \ud83d\ude00","z"]`,
		"2[\"\u2028\"]":    `2["\u2028"]`,
		"2[\"\uFFFD\"]":    `2["\ufffd"]`,
		"":                 "",
	} {
		if got := string(EscapeJSON([]byte("é"+in), len("é"))); got != "é"+want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
