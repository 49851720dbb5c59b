package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// PROTOCOL 2.7: a middleware's error is its data, if a client can read that, or else its message.
func TestRevision4ConnectError(t *testing.T) {
	for data, want := range map[string]string{
		``: `4"no"`, ` `: `4"no"`, `null`: `4"no"`, `false`: `4"no"`, `0`: `4"no"`, `""`: `4"no"`, // false to JavaScript
		`5`: `4"no"`, `-5`: `4"no"`, `true`: `4"no"`, // not readable
		`{}`: `4{}`, ` {"a":1}`: `4{"a":1}`, `[]`: `4[]`, `"x"`: `4"x"`,
	} {
		if got := string(AppendConnectError4(nil, "/", "no", []byte(data))); got != want {
			t.Errorf("%q: %s, want %s", data, got, want)
		}
	}
	if got := string(AppendConnectError4([]byte("4"), "/chat", `a"b`, nil)); got != `44/chat,"a\"b"` {
		t.Error(got)
	}
	if got := string(AppendInvalidNamespace(nil, "/nope")); got != `4/nope,{"message":"Invalid namespace"}` {
		t.Error(got)
	}
	if got := string(AppendConnect4([]byte("4"), "/")); got != `40` {
		t.Error(got)
	}
}

// PROTOCOL 2.7: every form of a namespace in a CONNECT of revision 4.
func TestRevision4Namespaces(t *testing.T) {
	for text, want := range map[string][2]string{
		`0`:                         {"/", ""},
		`0/chat`:                    {"/chat", ""},
		`0/chat,`:                   {"/chat", ""},
		`0/chat?token=abc`:          {"/chat", `{"token":"abc"}`},
		`0/chat?token=abc,`:         {"/chat", `{"token":"abc"}`},
		`0/chat?,`:                  {"/chat", ""},
		`0/chat?&,`:                 {"/chat", `{}`},
		`0/?a=%2C&b,`:               {"/", `{"a":",","b":""}`},
		`0/chat?a=1&b=2&a=3,{}`:     {"/chat", `{"b":"2","a":"3"}`},
		`0/a?x=` + "\xe2\x82" + `,`: {"/a", "{\"x\":\"\ufffd\ufffd\"}"},
	} {
		p, err := Decode([]byte(text), &Limits{QueryBytes: 64})
		if err != nil || p.Type != Connect {
			t.Errorf("%s: %v", text, err)
		}
		if name, auth := SplitQuery(p.Namespace); string(name) != want[0] || string(auth) != want[1] {
			t.Errorf("%s: %s %s, want %q", text, name, auth, want)
		}
	}
}

// A query string has a bound of its own, and none if it is a part of the name.
func TestRevision4QueryBytes(t *testing.T) {
	both := &Limits{NamespaceBytes: 5, QueryBytes: 4}
	for _, c := range []struct {
		text   string
		limits *Limits
		want   error
	}{
		{`0/1234?123,`, both, nil},
		{`0/1234?1234,`, both, ErrNamespace},
		{`0/12345?1,`, both, ErrNamespace},
		{`0/?123456`, both, ErrNamespace},
		{`0/?123`, both, nil},
		{`0/12?1`, &Limits{NamespaceBytes: 5}, nil},
		{`0/12?12`, &Limits{NamespaceBytes: 5}, ErrNamespace},
		{`0/?` + strings.Repeat("a", 254), nil, nil},
		{`0/?` + strings.Repeat("a", 255), nil, ErrNamespace},
	} {
		if _, err := Decode([]byte(c.text), c.limits); !errors.Is(err, c.want) {
			t.Errorf("%.20s %+v: %v, want %v", c.text, c.limits, err, c.want)
		}
	}
}

// Auth is JSON and not longer than promised, whatever the query string is.
func FuzzSplitQuery(f *testing.F) {
	for _, ns := range []string{"/", "/a?b=c&b=d", "/a?%", "/a?%zz=%00&&=&+#x", "/a?\x01=\x01", "/?a\xff=%ff"} {
		f.Add([]byte(ns))
	}
	f.Fuzz(func(t *testing.T, ns []byte) {
		name, auth := SplitQuery(ns)
		if strings.ContainsAny(string(name), "?#") || !strings.HasPrefix(string(ns), string(name)) {
			t.Errorf("%q: name %q", ns, name)
		}
		var object map[string]string
		if auth != nil && (json.Unmarshal(auth, &object) != nil || len(auth) > 6*(len(ns)-len(name))+2) {
			t.Errorf("%q: auth %s", ns, auth)
		}
	})
}
