package engineio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestAppendOpen(t *testing.T) {
	id, ok := ParseID("lv_VI97HAXpY6yYWAAAC")
	if !ok {
		t.Fatal("the id is fine")
	}
	set := DefaultSettings()
	for _, c := range []struct {
		upgrades []string
		list     string
	}{
		{[]string{"websocket"}, `["websocket"]`},
		{nil, `[]`},
		{[]string{"websocket", "webtransport"}, `["websocket","webtransport"]`},
	} {
		want := `0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":` + c.list + `,"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
		got := AppendOpen(nil, id, c.upgrades, &set)
		if string(got) != want || !json.Valid(got[1:]) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := string(AppendOpen([]byte("x"), id, nil, &set)); !strings.HasPrefix(got, "x0{") {
		t.Errorf("dst was not kept: %s", got)
	}
}

// Protocol defaults of the reference server; a change would be seen by every client.
func TestDefaultSettings(t *testing.T) {
	want := Settings{25_000, 20_000, 10_000, 30_000, 1_000_000, true}
	if got := DefaultSettings(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestCVE_2017_16031_SessionIDs(t *testing.T) {
	const n = 10_000
	seen := make(map[ID]bool, n)
	var used [256]bool
	for range n {
		id := NewID()
		if again, ok := ParseID(id.String()); !ok || again != id {
			t.Fatalf("%s is no id", id)
		}
		seen[id] = true
		for _, c := range id {
			used[c] = true
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d are different", len(seen), n)
	}
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		if !used[c] {
			t.Errorf("%c never came", c)
		}
	}
}

func TestParseID(t *testing.T) {
	const good = "abcXYZ012-_defghijkl"
	if id, ok := ParseID(good); !ok || id.String() != good {
		t.Errorf("%s: %v", id, ok)
	}
	for _, s := range []string{
		"", good[:19], good + "x", "__proto__", "constructor", strings.Repeat("é", 10), // 20 bytes
		good[:19] + "/", good[:19] + "+", good[:19] + "=", good[:19] + " ", good[:19] + "\x00", "\n" + good[1:],
	} {
		if id, ok := ParseID(s); ok || id != (ID{}) {
			t.Errorf("%q was accepted", s)
		}
	}
}

// The codes, texts and statuses of PROTOCOL 1.2.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		refusal *Refusal
		json    string
		status  int
	}{
		{ErrTransportUnknown, `{"code":0,"message":"Transport unknown"}`, 400},
		{ErrSessionUnknown, `{"code":1,"message":"Session ID unknown"}`, 400},
		{ErrBadHandshakeMethod, `{"code":2,"message":"Bad handshake method"}`, 400},
		{ErrBadRequest, `{"code":3,"message":"Bad request"}`, 400},
		{ErrForbidden, `{"code":4,"message":"Forbidden"}`, 403},
		{ErrUnsupportedProtocol, `{"code":5,"message":"Unsupported protocol version"}`, 400},
		{&Refusal{4, `not "you" <b>&` + "\n"}, `{"code":4,"message":"not \"you\" <b>&\n"}`, 403},
	} {
		if got := string(c.refusal.AppendJSON(nil)); got != c.json {
			t.Errorf("got %s, want %s", got, c.json)
		}
		if got := c.refusal.Status(true); got != c.status {
			t.Errorf("%v: status %d on polling, want %d", c.refusal, got, c.status)
		}
		if got := c.refusal.Status(false); got != 400 {
			t.Errorf("%v: status %d on an upgrade request", c.refusal, got)
		}
		var err error = c.refusal
		var refusal *Refusal
		if !errors.As(err, &refusal) || err.Error() != "engineio: "+c.refusal.Message {
			t.Errorf("%v", err)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		Polling.String():          "polling",
		WebSocket.String():        "websocket",
		WebTransport.String():     "webtransport",
		Transport(0).String():     "unknown",
		TransportError.String():   "transport error",
		TransportClose.String():   "transport close",
		ForcedClose.String():      "forced close",
		PingTimeout.String():      "ping timeout",
		ParseError.String():       "parse error",
		Reason(0).String() + "!":  "unknown!",
		None.String():             "None",
		SendPong.String():         "SendPong",
		RefuseBadRequest.String(): "RefuseBadRequest",
		Action(99).String() + "?": "unknown?",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
