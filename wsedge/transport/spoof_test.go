package transport

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// PROTOCOL 4.2, 9: what a client that nobody vouches for writes about its own address gets it past no limit of addresses.

// spoofs are the headers with which a client may claim the n-th address.
var spoofs = []string{
	"X-Forwarded-For: 198.51.100.%d\r\n", "Forwarded: for=198.51.100.%d\r\n", "X-Real-IP: 198.51.100.%d\r\n", "True-Client-IP: 198.51.100.%d\r\n",
	"X-Forwarded-For: 198.51.100.%d, 127.0.0.9\r\n", "X-Forwarded-For: 127.0.0.9\r\nx-forwarded-for: 198.51.100.%d\r\n",
}

// claiming is a request with what spoof says of the n-th address.
func claiming(request, spoof string, n int) string {
	return replace("Host:", fmt.Sprintf(spoof, n)+"Host:")(request)
}

func TestSpoofedAddressesPassNoLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		for name, c := range map[string]struct {
			cfg   Config
			said  string
			count func(*Stats) uint64
		}{
			"sessions":   {Config{MaxSessionsPerAddress: 2}, "Too many sessions", func(s *Stats) uint64 { return s.LimitedSessions.Load() }},
			"handshakes": {Config{HandshakesPerSecond: 0.001, HandshakeBurst: 2}, "Too many handshakes", func(s *Stats) uint64 { return s.LimitedHandshakes.Load() }},
		} {
			c.cfg.TrustedProxies = prefixesOf("127.0.0.9/32")
			srv, addr := serving(t, kind, c.cfg)
			taken, refused := 0, uint64(0)
			for i, spoof := range spoofs {
				for way, request := range waysIn() {
					resp, body := call(t, "127.0.0.1", addr).ask(claiming(request, spoof, i))
					switch {
					case resp.StatusCode < 300:
						taken++
					case resp.StatusCode == http.StatusTooManyRequests && strings.Contains(body, c.said) && resp.Header.Get("Retry-After") != "":
						refused++
					default:
						t.Errorf("%s, %s: %s %s", name, way, resp.Status, body)
					}
				}
			}
			if taken != 2 || c.count(&srv.stats) != refused || srv.limits.size() != 1 {
				t.Errorf("%s: %d taken, %d refused, %d counted, %d addresses", name, taken, refused, c.count(&srv.stats), srv.limits.size())
			}
			// By the proxy: a client that writes an address before the one that the proxy writes is that one all the same.
			taken = 0
			for i := range 5 {
				resp, _ := call(t, "127.0.0.9", addr).ask(claiming(pollRequest, "X-Forwarded-For: 203.0.113.%d, 192.0.2.1\r\n", i))
				if resp.StatusCode < 300 {
					taken++
				}
			}
			if taken != 2 {
				t.Errorf("%s: %d taken by the proxy", name, taken)
			}
		}
	})
}

// A PROXY header from a stranger is no header: it names nobody, and makes no request.
func TestSpoofedPROXYHeaders(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		srv, addr := serving(t, kind, Config{MaxConnectionsPerAddress: 2, MaxSessionsPerAddress: 1, ProxyProtocol: prefixesOf("127.0.0.8/32")})
		for i := range 5 {
			for _, header := range []string{
				fmt.Sprintf("PROXY TCP4 198.51.100.%d 192.0.2.2 1 2\r\n", i),
				"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64" + string(rune(i)) + "\xc0\x00\x02\x02\x00\x01\x00\x02",
			} {
				c := call(t, "127.0.0.1", addr)
				_, _ = io.WriteString(c, header+pollRequest)
				answer, _ := io.ReadAll(c)
				if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
					t.Errorf("%.10q: %.100q", header, answer)
				}
				c.Close()
			}
		}
		until(t, "end of the strangers", func() bool { return srv.limits.size() == 0 })
		if srv.Len() != 0 {
			t.Errorf("%d sessions", srv.Len())
		}
		first, second := call(t, "127.0.0.1", addr), call(t, "127.0.0.1", addr) // two connections are to be had, not a third
		for _, c := range []*caller{first, second} {
			if resp, _ := c.ask(claiming(pollRequest, spoofs[0], 1)); resp.StatusCode >= 500 {
				t.Error(resp.Status)
			}
		}
		third := call(t, "127.0.0.1", addr)
		_, _ = io.WriteString(third, "PROXY TCP4 198.51.100.9 192.0.2.2 1 2\r\n"+pollRequest)
		if answer, _ := io.ReadAll(third); len(answer) > 0 {
			t.Errorf("a third is answered %.60q", answer)
		}
		if srv.Len() != 1 || srv.Door().Refused != 1 {
			t.Errorf("%d sessions, %d refused", srv.Len(), srv.Door().Refused)
		}
	})
}
