package gateway_test

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/service/access"
)

// Every refusal has the form of a status, with the HTTP status that its code has.
func TestErrors(t *testing.T) {
	w := newWorld(t, settings{maxBody: 1000})
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status, code       int
		about              string // the reason, or the fields
	}{
		"the service's own check":     {"POST", "/v1/emit", `{"target":{"rooms":["a",""]}}`, nil, 400, 3, "event,target.rooms[1]"},
		"no target":                   {"POST", "/v1/emit", `{"event":"e"}`, nil, 400, 3, "target"},
		"nothing":                     {"POST", "/v1/emit", "", []string{"Content-Type", "application/json"}, 400, 3, "event,target"},
		"an unknown field":            {"POST", "/v1/emit", `{"target":{},"evnt":"e"}`, nil, 400, 3, "evnt"},
		"an unknown field within":     {"POST", "/v1/emit", `{"target":{"room":["a"]},"event":"e"}`, nil, 400, 3, "room"},
		"a field twice":               {"POST", "/v1/emit", `{"target":{},"event":"a","event":"b"}`, nil, 400, 3, "body"},
		"a field in both forms":       {"POST", "/v1/emit", `{"target":{"exceptRooms":["a"],"except_rooms":["a"]},"event":"a"}`, nil, 400, 3, "body"},
		"a wrong type":                {"POST", "/v1/emit", `{"target":{},"event":7}`, nil, 400, 3, "body"},
		"no JSON":                     {"POST", "/v1/emit", `target=all`, nil, 400, 3, "body"},
		"no object":                   {"POST", "/v1/emit", `[]`, nil, 400, 3, "body"},
		"two of them":                 {"POST", "/v1/emit", `{"target":{}}{"target":{}}`, nil, 400, 3, "body"},
		"no base64":                   {"POST", "/v1/emit", `{"target":{},"event":"e","attachments":["#"]}`, nil, 400, 3, "body"},
		"a query besides":             {"POST", "/v1/emit?volatile=true", `{"target":{},"event":"e"}`, nil, 400, 3, "query"},
		"an unknown parameter":        {"GET", "/v1/sockets:count?exceptRom=a", "", nil, 400, 3, "exceptRom"},
		"one within":                  {"GET", "/v1/sockets:count?target.rom=a", "", nil, 400, 3, "target.rom"},
		"one behind a list":           {"GET", "/v1/sockets:count?rooms.a=a", "", nil, 400, 3, "rooms.a"},
		"one that is no value":        {"GET", "/v1/sockets:count?target=a", "", nil, 400, 3, "target"},
		"one in brackets":             {"GET", "/v1/sockets:count?rooms[a]=a", "", nil, 400, 3, "rooms[a]"},
		"no number":                   {"GET", "/v1/rooms?pageSize=x", "", nil, 400, 3, "page_size"},
		"two values for one":          {"GET", "/v1/rooms?namespace=/&namespace=/chat", "", nil, 400, 3, "namespace"},
		"no such kind":                {"GET", "/v1/watch?kind=NONE", "", nil, 400, 3, "kinds"},
		"a stream that is refused":    {"GET", "/v1/watch?namespace=/nope", "", nil, 404, 5, "NAMESPACE_NOT_FOUND"},
		"a list that is refused":      {"GET", "/v1/sockets?namespace=/nope", "", nil, 404, 5, "NAMESPACE_NOT_FOUND"},
		"no such socket":              {"GET", "/v1/sockets/ABCDEFGHIJKLMNOPQRST", "", nil, 404, 5, "SOCKET_NOT_FOUND"},
		"no such route":               {"GET", "/v2/emit", "", nil, 404, 5, ""},
		"the path of gRPC":            {"POST", "/realtime.v1.EmitService/Emit", `{}`, nil, 404, 5, ""},
		"the root":                    {"GET", "/", "", nil, 404, 5, ""},
		"another method":              {"GET", "/v1/emit", "", nil, 405, 12, ""},
		"another method of a read":    {"POST", "/v1/rooms", `{}`, nil, 405, 12, ""},
		"a preflight":                 {"OPTIONS", "/v1/emit", "", []string{"Access-Control-Request-Method", "POST"}, 405, 12, ""},
		"a disguised method":          {"POST", "/v1/rooms", "", []string{"Content-Type", "application/x-www-form-urlencoded", "X-HTTP-Method-Override", "GET"}, 415, 3, ""},
		"no type":                     {"POST", "/v1/emit", "", nil, 415, 3, ""},
		"two types":                   {"POST", "/v1/emit", `{}`, []string{"Content-Type", "text/plain"}, 415, 3, ""},
		"a type that is none":         {"GET", "/v1/emit", "", []string{"Content-Type", "/"}, 405, 12, ""},
		"a body that is too large":    {"POST", "/v1/emit", `"` + strings.Repeat("x", 1000) + `"`, nil, 413, 8, ""},
		"a deadline that is none":     {"GET", "/v1/rooms", "", []string{"Grpc-Timeout", "soon"}, 400, 3, "invalid grpc-timeout"},
		"a deadline that has passed":  {"GET", "/v1/rooms", "", []string{"Grpc-Timeout", "1n"}, 504, 4, ""},
		"a stream without any time":   {"GET", "/v1/watch", "", []string{"Grpc-Timeout", "1n"}, 504, 4, ""},
		"a head that nobody can read": {"GET", "/v1/rooms", "", []string{"Origin", "::"}, 403, 7, ""},
	} {
		resp, text := w.do(c.method, c.path, c.body, c.headers...)
		f := failureOf(t, text)
		if resp.StatusCode != c.status || f.Code != c.code || f.about() != c.about || f.Message == "" {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
		if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, resp.Header)
		}
		if (resp.Header.Get("Allow") != "") != (c.status == 405) || strings.Contains(text, "proto:") {
			t.Errorf("%s: %v %s", name, resp.Header, text)
		}
		for header := range resp.Header {
			if strings.HasPrefix(header, "Access-Control-") || strings.HasPrefix(header, "Grpc-") {
				t.Errorf("%s: header %s", name, header)
			}
		}
	}
}

// What a form or a script of a stranger's page can send without asking first is no JSON, by its type.
func TestOnlyJSONByItsType(t *testing.T) {
	w := newWorld(t, settings{})
	for kind, want := range map[string]int{
		"application/json":                  200,
		"application/json; charset=utf-8":   200,
		"Application/JSON":                  200,
		"text/plain":                        415,
		"text/plain; application/json":      415,
		"application/x-www-form-urlencoded": 415,
		"multipart/form-data; boundary=x":   415,
		"application/json, text/plain":      415,
		"application/grpc+json":             415,
	} {
		for _, path := range []string{"/v1/emit", "/v1/watch", "/v1/sockets:count"} {
			body := map[string]string{"/v1/emit": `{"target":{},"event":"e"}`, "/v1/watch": `{}`, "/v1/sockets:count": `{"target":{}}`}[path]
			r := w.request(http.MethodPost, path, body)
			r.Header.Set("Content-Type", kind)
			if resp := w.send(r); resp.StatusCode != want {
				t.Errorf("%s as %q: %d", path, kind, resp.StatusCode)
			}
		}
	}
	if resp, _ := w.do(http.MethodPost, "/v1/emit", `{"target":{},"event":"e"}`, "Content-Encoding", "gzip"); resp.StatusCode != 415 {
		t.Errorf("compressed: %d", resp.StatusCode)
	}
}

// Pages of other origins are refused, and names that lead to this machine where nobody needs a token.
func TestPagesAreNoCallers(t *testing.T) {
	open, closed := newWorld(t, settings{localOnly: true}), newWorld(t, settings{})
	for name, c := range map[string]struct {
		headers    []string
		open, behi int // without and with tokens
	}{
		"curl":                        {nil, 200, 200},
		"localhost":                   {[]string{"Host", "localhost:9092"}, 200, 200},
		"without a port":              {[]string{"Host", "LOCALHOST"}, 200, 200},
		"IPv6":                        {[]string{"Host", "[::1]:9092"}, 200, 200},
		"IPv6 without a port":         {[]string{"Host", "[::1]"}, 200, 200},
		"a name":                      {[]string{"Host", "evil.example:9092"}, 403, 200},
		"a name like ours":            {[]string{"Host", "localhost.evil.example"}, 403, 200},
		"a name like an address":      {[]string{"Host", "127.0.0.1.evil.example"}, 403, 200},
		"another address":             {[]string{"Host", "10.0.0.1"}, 403, 200},
		"the address bar":             {[]string{"Sec-Fetch-Site", "none"}, 200, 200},
		"a page of another site":      {[]string{"Sec-Fetch-Site", "cross-site"}, 403, 403},
		"a page of another port":      {[]string{"Sec-Fetch-Site", "same-site"}, 403, 403},
		"a script of another site":    {[]string{"Origin", "https://evil.example"}, 403, 403},
		"a page without an origin":    {[]string{"Origin", "null"}, 403, 403},
		"a page of this origin":       {[]string{"Origin", "http://localhost:9092", "Host", "localhost:9092"}, 200, 200},
		"a page whose name was moved": {[]string{"Origin", "http://evil.example:9092", "Host", "evil.example:9092"}, 403, 200},
	} {
		for _, try := range []struct {
			w    *world
			want int
		}{{open, c.open}, {closed, c.behi}} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				body := map[string]string{http.MethodPost: `{"target":{}}`}[method]
				if resp, text := try.w.do(method, "/v1/sockets:count", body, c.headers...); resp.StatusCode != try.want {
					t.Errorf("%s: %s is answered with %d %s", name, method, resp.StatusCode, text)
				}
			}
		}
	}
}

const tokens = `
- {name: all, token: the-token-of-all}
- {name: reader, token: the-token-of-reader, methods: [SocketService], namespaces: [/chat]}
- {name: slow, token: the-token-of-slow, rate: 0.5, burst: 1}
- {name: narrow, token: the-token-of-narrow, max_streams: 1}
`

// The tokens and rights are those of gRPC.
func TestWhoMayCall(t *testing.T) {
	w := newWorld(t, settings{tokens: tokens})
	const everyone, chat = `{"target":{}}`, `{"target":{"namespace":"/chat"}}`
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		about      string
	}{
		"everything":               {"/v1/sockets:count", everyone, []string{"Authorization", "Bearer the-token-of-all"}, 200, ""},
		"a right":                  {"/v1/sockets:count", chat, []string{"Authorization", "bearer the-token-of-reader"}, 200, ""},
		"no token":                 {"/v1/sockets:count", everyone, nil, 401, "TOKEN_INVALID"},
		"a wrong one":              {"/v1/sockets:count", everyone, []string{"Authorization", "Bearer the-token-of-nobody"}, 401, "TOKEN_INVALID"},
		"another scheme":           {"/v1/sockets:count", everyone, []string{"Authorization", "Basic dGhlOnRva2Vu"}, 401, "TOKEN_INVALID"},
		"two":                      {"/v1/sockets:count", everyone, []string{"Authorization", "Bearer the-token-of-all", "Authorization", "Bearer the-token-of-all"}, 401, "TOKEN_INVALID"},
		"by another header":        {"/v1/sockets:count", everyone, []string{"Grpc-Metadata-Authorization", "Bearer the-token-of-all"}, 401, "TOKEN_INVALID"},
		"no right to a method":     {"/v1/emit", `{"target":{"namespace":"/chat"},"event":"e"}`, []string{"Authorization", "Bearer the-token-of-reader"}, 403, "METHOD_NOT_ALLOWED"},
		"no right to a namespace":  {"/v1/sockets:count", everyone, []string{"Authorization", "Bearer the-token-of-reader"}, 403, "NAMESPACE_NOT_ALLOWED"},
		"a stream without a token": {"/v1/watch", `{}`, nil, 401, "TOKEN_INVALID"},
		"a stream without a right": {"/v1/watch", `{}`, []string{"Authorization", "Bearer the-token-of-reader"}, 403, "METHOD_NOT_ALLOWED"},
	} {
		resp, text := w.do(http.MethodPost, c.path, c.body, c.headers...)
		if resp.StatusCode != c.status || c.status != 200 && failureOf(t, text).about() != c.about {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
		if (resp.Header.Get("WWW-Authenticate") == "Bearer") != (c.status == 401) {
			t.Errorf("%s: %v", name, resp.Header)
		}
	}
}

// The bounds are those of gRPC, too: when to come again is a header as well.
func TestBoundsOfCallers(t *testing.T) {
	w := newWorld(t, settings{tokens: tokens})
	slow, narrow := []string{"Authorization", "Bearer the-token-of-slow"}, []string{"Authorization", "Bearer the-token-of-narrow"}
	if resp, text := w.do(http.MethodGet, "/v1/rooms", "", slow...); resp.StatusCode != 200 {
		t.Errorf("the first: %s", text)
	}
	resp, text := w.do(http.MethodGet, "/v1/rooms", "", slow...)
	if after := resp.Header.Get("Retry-After"); resp.StatusCode != 429 || failureOf(t, text).about() != "RATE_LIMITED" || after != "2" && after != "1" {
		t.Errorf("one too many: %d %s, after %q", resp.StatusCode, text, after)
	}
	open := w.lines(w.send(w.request(http.MethodGet, "/v1/watch", "", narrow...)))
	open()
	resp, text = w.do(http.MethodGet, "/v1/watch", "", narrow...)
	if resp.StatusCode != 429 || failureOf(t, text).about() != "TOO_MANY_STREAMS" || resp.Header.Get("Retry-After") != "" {
		t.Errorf("one stream too many: %d %s", resp.StatusCode, text)
	}
}

// Without tokens each address is a caller: that of the HTTP connection, whatever headers say.
func TestAddressesAreCallers(t *testing.T) {
	w := newWorld(t, settings{guard: access.Config{Rate: 0.001, Burst: 1}})
	from := func(address string, headers ...string) int {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 10 * time.Second}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		resp, err := client.Do(w.request(http.MethodGet, "/v1/rooms", "", headers...))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for i, c := range []struct {
		address string
		headers []string
		want    int
	}{
		{"127.0.0.1", nil, 200},
		{"127.0.0.1", nil, 429},
		{"127.0.0.2", nil, 200},
		{"127.0.0.2", []string{"X-Forwarded-For", "10.1.1.1"}, 429},
	} {
		if got := from(c.address, c.headers...); got != c.want {
			t.Errorf("%d: %d from %s", i, got, c.address)
		}
	}
}

// A body that is announced too large is refused before it is read, and one that grows is cut off.
func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t, settings{maxBody: 1 << 10})
	for _, length := range []int64{1 << 30, -1} {
		r := w.request(http.MethodPost, "/v1/emit", "{}")
		r.Body, r.ContentLength = http.NoBody, length
		if length < 0 {
			r.Body = readCloser{bytes.NewReader(bytes.Repeat([]byte(" "), 1<<20))}
		} else {
			r.Body = readCloser{strings.NewReader(strings.Repeat(" ", 1<<11))}
		}
		resp, err := w.client.Do(r)
		if err != nil { // cut off while it was sent
			continue
		}
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("length %d: %d", length, resp.StatusCode)
		}
		_ = resp.Body.Close()
	}
}

// readCloser hides what http.NewRequest would know.
type readCloser struct{ reader }

type reader interface{ Read(p []byte) (int, error) }

func (readCloser) Close() error { return nil }
