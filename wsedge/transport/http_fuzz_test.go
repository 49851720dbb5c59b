package transport

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Whatever the header says, the answer is one of the codings that were offered, and none that it refuses by name.
func FuzzChooseCoding(f *testing.F) {
	for _, accept := range []string{"", "gzip, deflate, br", "*;q=0.5, br;q=0", "gzip;q=nan", "gzip;q=1e400", ";;,=", "gzip;q=0x1p-2"} {
		f.Add(accept)
	}
	offered := []string{"br", "gzip", "deflate"}
	f.Fuzz(func(t *testing.T, accept string) {
		for _, serverOrder := range []bool{false, true} {
			got := ChooseCoding(accept, serverOrder, offered...)
			if got == "" {
				continue
			}
			if !slices.Contains(offered, got) || !strings.Contains(accept, "*") && !strings.Contains(strings.ToLower(accept), got) {
				t.Errorf("%q: %q", accept, got)
			}
			if ChooseCoding(got+";q=0,"+accept, serverOrder, got) == got && !strings.Contains(strings.ToLower(accept), got) {
				t.Errorf("%q: %q although it is refused", accept, got)
			}
		}
	})
}

// What a wildcard lets in is, as a URL, a name below its domain with its scheme and port: nothing that a browser would
// call an origin of somebody else.
func FuzzOriginList(f *testing.F) {
	for _, origin := range []string{"https://a.app.example", "https://evil.example/.app.example", "https://x@.app.example", "https://a.app.example:80", "https://a\\.app.example", "HTTPS://A.APP.EXAMPLE"} {
		f.Add(origin)
	}
	l, err := newOriginList([]string{"https://*.app.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		if !l.allows(origin) {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || !strings.HasSuffix(strings.ToLower(u.Hostname()), ".app.example") || u.Port() != "" || u.Path != "" || u.User != nil {
			t.Errorf("%q: %v %+v", origin, err, u)
		}
	})
}

// Header hooks may set what they like: the 101 stays one head, with its own lines once.
func FuzzAddHeaders(f *testing.F) {
	f.Add("X-A", "b")
	f.Add("X\r\nY", "a\r\n\r\nHTTP/1.1 200 OK")
	f.Add("connection", "close")
	f.Add("", "x")
	const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
	f.Fuzz(func(t *testing.T, name, value string) {
		got := string(addHeaders([]byte(answer), http.Header{name: {value}}))
		if strings.Count(got, "\r\n\r\n") != 1 || !strings.HasSuffix(got, "\r\n\r\n") || !strings.HasPrefix(got, strings.TrimSuffix(answer, "\r\n")) {
			t.Errorf("%q", got)
		}
		if n := strings.Count(got, "\r\n") - strings.Count(answer, "\r\n"); n < 0 || n > 1 {
			t.Errorf("%d lines more: %q", n, got)
		}
		for _, own := range []string{"\r\nconnection:", "\r\nupgrade:", "\r\nsec-websocket-accept:"} {
			if strings.Count(strings.ToLower(got), own) != 1 {
				t.Errorf("%q has not one %q", got, own)
			}
		}
	})
}

// What every polling answer pays.
func BenchmarkCORS(b *testing.B) {
	c := &CORS{Origins: []string{"https://a.example", "https://app.example"}, Credentials: true}
	r := httptest.NewRequest("GET", pollingURL, nil)
	r.Header.Set("Origin", "https://app.example")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		clear(w.Header())
		c.serve(w, r)
	}
}

// What every handshake pays, on the fast way in too.
func BenchmarkOriginList(b *testing.B) {
	l, err := newOriginList([]string{"https://a.example", "https://*.app.example"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.allows("https://x.app.example")
	}
}
