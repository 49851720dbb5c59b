package transport

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// upgradeRequest is a clean head; edit changes it.
func upgradeRequest(edit ...func(string) string) string {
	head := strings.Join([]string{
		"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1",
		"Host: localhost:8080",
		"Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"", "",
	}, "\r\n")
	for _, e := range edit {
		head = e(head)
	}
	return head
}

func replace(old, with string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("nothing to replace: " + old)
		}
		return strings.Replace(s, old, with, 1)
	}
}

func TestParseHeadTakesOnlyWhatIsClean(t *testing.T) {
	clean := map[string]string{
		"plain":                upgradeRequest(),
		"lower case names":     upgradeRequest(replace("Upgrade: websocket", "upgrade: WebSocket")),
		"connection list":      upgradeRequest(replace("Connection: Upgrade", "Connection: keep-alive, Upgrade")),
		"further headers":      upgradeRequest(replace("Host:", "User-Agent: x\r\nCookie: a=b; c=d\r\nHost:")),
		"escapes in the query": upgradeRequest(replace("EIO=4", "token=%20&EIO=4")),
	}
	for name, head := range clean {
		if _, ok := parseHead([]byte(head), nil); !ok {
			t.Errorf("%s: refused", name)
		}
	}
	unclean := map[string]string{
		"line ends without CR":   strings.ReplaceAll(upgradeRequest(), "\r\n", "\n"),
		"POST":                   upgradeRequest(replace("GET", "POST")),
		"illegal host":           upgradeRequest(replace("Host: ", "Host: a b")),
		"empty origin":           upgradeRequest(replace("Host:", "Origin:\r\nHost:")),
		"HTTP/1.0":               upgradeRequest(replace("HTTP/1.1", "HTTP/1.0")),
		"HTTP/1.9":               upgradeRequest(replace("HTTP/1.1", "HTTP/1.9")),
		"absolute target":        upgradeRequest(replace("GET /", "GET http://x/")),
		"control byte in target": upgradeRequest(replace("EIO=4", "EIO=4\x01")),
		"space in target":        upgradeRequest(replace("EIO=4", "EIO=4 x")),
		"non-ASCII target":       upgradeRequest(replace("EIO=4", "EIO=4\xc3\xa9")),
		"escape in the path":     upgradeRequest(replace("/engine.io/", "/engine%2eio/")),
		"fragment":               upgradeRequest(replace("EIO=4", "EIO=4#x")),
		"no host":                upgradeRequest(replace("Host: localhost:8080\r\n", "")),
		"two hosts":              upgradeRequest(replace("Host:", "Host: a\r\nHost:")),
		"space before colon":     upgradeRequest(replace("Host:", "Host :")),
		"empty name":             upgradeRequest(replace("Host:", ": x\r\nHost:")),
		"folded line":            upgradeRequest(replace("Upgrade: websocket", "X: a\r\n b\r\nUpgrade: websocket")),
		"NUL in a value":         upgradeRequest(replace("localhost", "local\x00host")),
		"CR in a value":          upgradeRequest(replace("localhost", "local\rhost")),
		"content length":         upgradeRequest(replace("Host:", "Content-Length: 0\r\nHost:")),
		"transfer encoding":      upgradeRequest(replace("Host:", "Transfer-Encoding: chunked\r\nHost:")),
		"expect":                 upgradeRequest(replace("Host:", "Expect: 100-continue\r\nHost:")),
		"two connections":        upgradeRequest(replace("Host:", "Connection: keep-alive\r\nHost:")),
		"two upgrades in one":    upgradeRequest(replace("Upgrade: websocket", "Upgrade: websocket, x")),
		"two keys":               upgradeRequest(replace("Host:", "Sec-WebSocket-Key: x\r\nHost:")),
		"short key":              upgradeRequest(replace("dGhlIHNhbXBsZSBub25jZQ==", "abc")),
		"other version":          upgradeRequest(replace("Version: 13", "Version: 8")),
		"no upgrade":             upgradeRequest(replace("Upgrade: websocket\r\n", "")),
		"bytes after the end":    upgradeRequest() + "x",
		"two origins":            upgradeRequest(replace("Host:", "Origin: a\r\nOrigin: b\r\nHost:")),
	}
	for name, head := range unclean {
		if _, ok := parseHead([]byte(head), nil); ok {
			t.Errorf("%s: taken", name)
		}
	}
	head := upgradeRequest()
	for n := range head {
		if _, ok := parseHead([]byte(head[:n]), nil); ok {
			t.Errorf("a prefix of %d bytes is taken", n)
		}
	}
}

// What parseHead takes, net/http must take as well, and understand alike.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte(upgradeRequest()))
	f.Add([]byte(upgradeRequest(replace("Host:", "Cookie: a=b\r\nX-Y: 1\r\nx-y:\r\nHost:"))))
	f.Add([]byte(upgradeRequest(replace("Host:", "Origin: http://x\r\nUser-Agent: z\r\nHost:"))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, ok := parseHead(raw, nil)
		if !ok {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", raw, err)
		}
		if r.RequestURI != string(h.target) {
			t.Fatalf("target %q, net/http has %q", h.target, r.RequestURI)
		}
		if r.Header.Get("Sec-Websocket-Key") == "" || r.Host == "" {
			t.Fatalf("net/http misses a header of %q", raw)
		}
		for _, keep := range [][]string{{"cookie", "host", "origin", "x-y", "user-agent"}, {"*"}} {
			fast, slow := h.handshake(keep, ""), (&Server{cfg: Config{KeepHeaders: keep}}).handshakeOf(r)
			if fast.Issued = slow.Issued; fast.encode() != slow.encode() {
				t.Fatalf("of %q\nfast %+v\nslow %+v", raw, fast, slow)
			}
		}
	})
}

// Both ways in read the same handshake out of the same bytes.
func TestHandshakeIsTheSameBothWays(t *testing.T) {
	raw := upgradeRequest(replace("Host:", "Cookie: a=b\r\nCookie: c=d\r\nX-One: 1\r\nx-one: 2\r\nOrigin: http://x\r\nHost:"))
	keep := []string{"cookie", "x-one", "missing", "origin", "host"}
	s := &Server{cfg: Config{KeepHeaders: keep}}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	slow := s.handshakeOf(r)
	h, ok := parseHead([]byte(raw), nil)
	if !ok {
		t.Fatal("not clean")
	}
	fast := h.handshake(keep, "192.0.2.1:1234")
	fast.Issued = slow.Issued
	if got, want := fast.encode(), slow.encode(); got != want {
		t.Errorf("fast %+v\nslow %+v", fast, slow)
	}
	back := fast.encode().decode()
	if !back.Issued.Equal(slow.Issued.Truncate(1e6)) || back.Address != "192.0.2.1" || !back.CrossDomain || len(back.Headers) != 4 {
		t.Errorf("decoded: %+v", back)
	}
	if all := h.handshake([]string{"*"}, "").Headers; len(all) != 8 || all[0].Name != "connection" || all[7] != (Header{"x-one", "1, 2"}) {
		t.Errorf("all headers: %q", all)
	}
	if back.Headers[0] != (Header{"cookie", "a=b; c=d"}) || back.Headers[1] != (Header{"x-one", "1, 2"}) {
		t.Errorf("headers: %q", back.Headers)
	}
}

func TestParseQuery(t *testing.T) {
	for query, want := range map[string]params{
		"EIO=4&transport=polling":             {transport: "polling", eio: "4"},
		"EIO=3&EIO=4&transport=a&transport=b": {transport: "b", eio: "4"},
		"transport=web%73ocket&EIO=%34":       {transport: "websocket", eio: "4"},
		"sid=a%2Bb&EIO=4":                     {sid: "a+b", hasSID: true, eio: "4"},
		"sid=":                                {},
		"sid=%zz%4":                           {sid: "%zz%4", hasSID: true},
		"":                                    {},
		"&&=&a":                               {},
		"t=x&transport":                       {},
		"b64=1":                               {base64: true},
		"b64=1&b64=":                          {},
		"j=0":                                 {script: "0", jsonp: true},
		"j":                                   {jsonp: true},
	} {
		if got := parseQuery(query); got != want {
			t.Errorf("%q: %+v, want %+v", query, got, want)
		}
	}
	if (&params{eio: "5"}).revision() != 3 || (&params{eio: "4"}).revision() != 4 || (&params{}).revision() != 3 {
		t.Error("EIO is 4 only when it says exactly 4")
	}
}

func TestSwitchProtocols(t *testing.T) {
	s := &Server{}
	answer, deflate, ok := s.switchProtocols([]byte(upgradeRequest()), "")
	if !ok || deflate || !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) || !bytes.Contains(answer, []byte("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) {
		t.Errorf("%t %q", ok, answer)
	}
	if !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		t.Errorf("the answer does not end with its head: %q", answer)
	}
	if answer, _, ok := s.switchProtocols(nil, ""); ok {
		t.Errorf("nothing was answered %q", answer)
	}
}
