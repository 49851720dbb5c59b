package transport

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// trusting returns the prefixes as proxies.
func trusting(t testing.TB, prefixes ...string) proxies {
	t.Helper()
	p, err := newProxies(prefixesOf(prefixes...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prefixesOf(prefixes ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, p := range prefixes {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}

// The address of a handshake (PROTOCOL 4.2) is the client's, as far as whom we trust can tell.
func TestWhoTheClientIs(t *testing.T) {
	trusted := trusting(t, "10.0.0.0/8", "fd00::/8", "::ffff:172.16.0.0/108")
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"nobody in between", "192.0.2.1:1", nil, "192.0.2.1"},
		{"a client that says so itself", "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"},
		{"a proxy that does not tell", "10.0.0.1:1", nil, "10.0.0.1"},
		{"a proxy that tells nothing", "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"one proxy", "10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"one proxy, with what the client wrote", "10.0.0.1:1", []string{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{"one proxy, with a trusted address that the client wrote", "10.0.0.1:1", []string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.1:1", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two proxies, a line each", "10.0.0.1:1", []string{"198.51.100.1, 192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"a client within", "10.0.0.1:1", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"no spaces, tabs", "10.0.0.1:1", []string{"192.0.2.1,\t10.0.0.2 "}, "192.0.2.1"},
		{"empty elements", "10.0.0.1:1", []string{"192.0.2.1, ,10.0.0.2,"}, "192.0.2.1"},
		{"garbage", "10.0.0.1:1", []string{"unknown"}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1:1", []string{"192.0.2.1, garbage, 10.0.0.2"}, "10.0.0.2"},
		{"garbage in the client's part", "10.0.0.1:1", []string{"garbage, 192.0.2.1"}, "192.0.2.1"},
		{"a name", "10.0.0.1:1", []string{"example.org"}, "10.0.0.1"},
		{"with a port", "10.0.0.1:1", []string{"192.0.2.1:8080"}, "192.0.2.1"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.1:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with a port", "10.0.0.1:1", []string{"[2001:DB8::1]:443"}, "2001:db8::1"},
		{"IPv4 in brackets", "10.0.0.1:1", []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"an open bracket", "10.0.0.1:1", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"mapped IPv4", "[::ffff:10.0.0.1]:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a prefix of mapped IPv4", "172.16.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a zone", "[fd00::1%eth0]:1", []string{"fe80::1%eth1"}, "fe80::1"},
		{"as many proxies as may be", "10.0.0.1:1", []string{"192.0.2.1" + strings.Repeat(", 10.0.0.2", maxHops-1)}, "192.0.2.1"},
		{"too many proxies", "10.0.0.1:1", []string{"192.0.2.1" + strings.Repeat(", 10.0.0.2", maxHops)}, "10.0.0.2"},
		{"no IP at all", "@", []string{"192.0.2.1"}, "@"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fast, slow := bothWays(t, trusted, c.peer, "X-Forwarded-For", c.forwarded)
			if fast.Address != c.want || slow.Address != c.want {
				t.Errorf("fast %s, net/http %s, want %s", fast.Address, slow.Address, c.want)
			}
			if fast, slow := bothWays(t, nil, c.peer, "X-Forwarded-For", c.forwarded); fast.Address != hostOf(c.peer) || slow.Address != hostOf(c.peer) {
				t.Errorf("without proxies: fast %s, net/http %s", fast.Address, slow.Address)
			}
		})
	}
}

// bothWays reads the handshake of one request as the fast way in does and as net/http does. It fails if they differ.
func bothWays(t *testing.T, trusted proxies, peer, name string, values []string) (fast, slow *Handshake) {
	t.Helper()
	var lines strings.Builder
	for i, v := range values {
		lines.WriteString([]string{name, strings.ToLower(name), strings.ToUpper(name)}[i%3] + ": " + v + "\r\n")
	}
	raw := upgradeRequest(replace("Host:", lines.String()+"Host:"))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = peer
	slow = (&Server{proxies: trusted}).handshakeOf(r)
	h, ok := parseHead([]byte(raw), nil)
	if !ok {
		t.Fatalf("not clean: %q", raw)
	}
	fast = h.handshake(nil, peer)
	trusted.see(fast, h.values)
	fast.Issued = slow.Issued
	if fast.encode() != slow.encode() {
		t.Errorf("fast %+v\nslow %+v", fast, slow)
	}
	return fast, slow
}

// A trusted proxy says whether the client's connection was secure; the client does not.
func TestSecureBehindAProxy(t *testing.T) {
	trusted := trusting(t, "10.0.0.0/8")
	for _, c := range []struct {
		name, peer string
		proto      []string
		want       bool
	}{
		{"https", "10.0.0.1:1", []string{"https"}, true},
		{"wss, upper case", "10.0.0.1:1", []string{"WSS"}, true},
		{"http", "10.0.0.1:1", []string{"http"}, false},
		{"the nearest proxy says", "10.0.0.1:1", []string{"http, https"}, true},
		{"the nearest proxy denies", "10.0.0.1:1", []string{"https", "http"}, false},
		{"nothing", "10.0.0.1:1", nil, false},
		{"garbage", "10.0.0.1:1", []string{"yes"}, false},
		{"a client", "192.0.2.1:1", []string{"https"}, false},
	} {
		fast, slow := bothWays(t, trusted, c.peer, "X-Forwarded-Proto", c.proto)
		if fast.Secure != c.want || slow.Secure != c.want {
			t.Errorf("%s: fast %t, net/http %t", c.name, fast.Secure, slow.Secure)
		}
	}
	// What TLS says stands unless the proxy contradicts.
	for proto, want := range map[string]bool{"": true, "x": true, "https": true, "http": false} {
		h := &Handshake{Address: "10.0.0.1", Secure: true}
		trusted.see(h, func(name string) []string {
			if name == forwardedProto {
				return []string{proto}
			}
			return nil
		})
		if h.Secure != want {
			t.Errorf("%q over TLS: %t", proto, h.Secure)
		}
	}
}

// Headers that proxies pass on as they come are not read, whoever the peer is.
func TestHeadersThatAreNotRead(t *testing.T) {
	for name, value := range map[string]string{
		"Forwarded": "for=192.0.2.1;proto=https", "X-Real-IP": "192.0.2.1", "True-Client-IP": "192.0.2.1", "X-Forwarded": "192.0.2.1",
	} {
		if h, _ := bothWays(t, trusting(t, "10.0.0.0/8"), "10.0.0.1:1", name, []string{value}); h.Address != "10.0.0.1" || h.Secure {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// Whatever a client writes, it does not change what the proxies after it wrote.
func TestClientsCannotChooseTheirAddress(t *testing.T) {
	trusted := trusting(t, "10.0.0.0/8")
	rapid.Check(t, func(t *rapid.T) {
		own := rapid.OneOf(
			rapid.StringMatching(`[ -~]{0,30}`),
			rapid.SampledFrom([]string{"10.0.0.9", "10.0.0.9, 10.0.0.8", "198.51.100.1", ",", "[::1]", "127.0.0.1"}),
		).Draw(t, "written by the client")
		chain := "192.0.2.1" + strings.Repeat(", 10.1.1.1", rapid.IntRange(0, 3).Draw(t, "proxies"))
		lines := []string{own + ", " + chain}
		if rapid.Bool().Draw(t, "a line of its own") {
			lines = []string{own, chain}
		}
		h := &Handshake{Address: "10.0.0.1"}
		trusted.see(h, func(name string) []string {
			if name == forwardedFor {
				return lines
			}
			return nil
		})
		if h.Address != "192.0.2.1" {
			t.Fatalf("%q of %q", h.Address, lines)
		}
	})
}

func TestPrefixesAreChecked(t *testing.T) {
	app := func(*Session) Handler { return nil }
	for name, cfg := range map[string]Config{
		"trusted proxies": {OnSession: app, TrustedProxies: []netip.Prefix{{}}},
		"PROXY protocol":  {OnSession: app, ProxyProtocol: []netip.Prefix{{}}},
	} {
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: a prefix of nothing is taken", name)
		}
	}
	p := trusting(t, "10.1.2.3/8", "::ffff:0:0/95")
	if got := p[0].String(); got != "10.0.0.0/8" {
		t.Errorf("%s is not masked", got)
	}
	if !p.trust(netip.MustParseAddr("10.9.9.9")) || p.trust(netip.Addr{}) || p.trust(netip.MustParseAddr("192.0.2.1")) {
		t.Error("IPv4 is trusted by IPv4 prefixes alone")
	}
}

func TestAddrOf(t *testing.T) {
	for _, c := range []struct {
		in   net.Addr
		want netip.Addr
	}{
		{&net.TCPAddr{IP: net.ParseIP("192.0.2.1")}, netip.MustParseAddr("192.0.2.1")},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "lo"}, netip.MustParseAddr("fe80::1")},
		{&net.UnixAddr{}, netip.Addr{}},
		{nil, netip.Addr{}},
	} {
		if got := addrOf(c.in); got != c.want {
			t.Errorf("%v: %v", c.in, got)
		}
	}
}

// Without proxies nothing is looked at; with them a stranger's headers are not.
func BenchmarkWhoTheClientIs(b *testing.B) {
	for name, peer := range map[string]string{"stranger": "192.0.2.1", "proxy": "10.0.0.1"} {
		b.Run(name, func(b *testing.B) {
			trusted := trusting(b, "10.0.0.0/8", "fd00::/8")
			header := http.Header{forwardedFor: {"198.51.100.1, 192.0.2.1, 10.0.0.2"}}
			b.ReportAllocs()
			for b.Loop() {
				h := Handshake{Address: peer}
				trusted.see(&h, header.Values)
			}
		})
	}
}
