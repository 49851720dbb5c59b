package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// proxyV2 is a header of version 2 with these bytes after the fixed part.
func proxyV2(command, family byte, rest string) string {
	return proxySignatureV2 + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	v2Addresses4 = "\xc0\x00\x02\x01" + "\xc6\x33\x64\x01" + "\xdc\x04" + "\x01\xbb" // 192.0.2.1:56324 -> 198.51.100.1:443
	v2Addresses6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\xdc\x04" + "\x01\xbb"
	v2Mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x01" + "\xdc\x04" + "\x01\xbb"
)

// proxyHeaders are whole headers and whom they name; "" where the peer's address stays. Sections are those of the
// specification of the PROXY protocol.
var proxyHeaders = []struct{ name, header, source string }{
	{"2.1 TCP4", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324"},
	{"2.1 TCP4, shortest", "PROXY TCP4 1.1.1.1 1.1.1.1 0 1\r\n", "1.1.1.1:0"},
	{"2.1 TCP4, longest", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
	{"2.1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "[2001:db8::1]:56324"},
	{"2.1 TCP6, longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	{"2.1 TCP6, mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1"},
	{"2.1 UNKNOWN", "PROXY UNKNOWN\r\n", ""},
	{"2.1 UNKNOWN, longest", "PROXY UNKNOWN " + strings.Repeat("x", longestProxyV1-16) + "\r\n", ""},
	{"2.2 TCP over IPv4", proxyV2(0x21, 0x11, v2Addresses4), "192.0.2.1:56324"},
	{"2.2 TCP over IPv6", proxyV2(0x21, 0x21, v2Addresses6), "[2001:db8::1]:56324"},
	{"2.2 TCP over IPv6, mapped", proxyV2(0x21, 0x21, v2Mapped), "192.0.2.1:56324"},
	{"2.2 extensions", proxyV2(0x21, 0x11, v2Addresses4+"\x04\x00\x03abc"), "192.0.2.1:56324"},
	{"2.2 extensions, longest", proxyV2(0x21, 0x11, v2Addresses4+strings.Repeat("\x04", longestProxyV2-fixedProxyV2-12)), "192.0.2.1:56324"},
	{"2.2 LOCAL", proxyV2(0x20, 0x00, ""), ""},
	{"2.2 LOCAL, with addresses", proxyV2(0x20, 0x11, v2Addresses4), ""},
	{"2.2 LOCAL, with an unassigned family", proxyV2(0x20, 0xff, "x"), ""},
	{"2.2 UNSPEC", proxyV2(0x21, 0x00, ""), ""},
	{"2.2 UNSPEC, with bytes", proxyV2(0x21, 0x00, "xyz"), ""},
	{"2.2 UDP over IPv4", proxyV2(0x21, 0x12, v2Addresses4), ""},
	{"2.2 UDP over IPv6", proxyV2(0x21, 0x22, v2Addresses6), ""},
	{"2.2 Unix stream", proxyV2(0x21, 0x31, strings.Repeat("\x00", 216)), ""},
	{"2.2 Unix datagram", proxyV2(0x21, 0x32, strings.Repeat("\x00", 216)), ""},
}

// A header is read to its last byte and not beyond, however it comes in pieces; no shorter part of it is one.
func TestReadProxy(t *testing.T) {
	for _, c := range proxyHeaders {
		t.Run(c.name, func(t *testing.T) {
			var want netip.AddrPort
			if c.source != "" {
				want = netip.MustParseAddrPort(c.source)
			}
			for name, split := range map[string]func(io.Reader) io.Reader{
				"at once":      func(r io.Reader) io.Reader { return r },
				"byte by byte": iotest.OneByteReader,
				"in halves":    iotest.HalfReader,
			} {
				in := strings.NewReader(c.header + "next")
				got, err := readProxy(split(in))
				if got != want || err != nil {
					t.Errorf("%s: %v, %v", name, got, err)
				}
				if rest, _ := io.ReadAll(in); string(rest) != "next" {
					t.Errorf("%s: left are %q", name, rest)
				}
			}
			for n := range c.header {
				if got, err := readProxy(strings.NewReader(c.header[:n])); err == nil {
					t.Fatalf("%q is taken: %v", c.header[:n], got)
				}
			}
		})
	}
}

func TestReadProxyRefuses(t *testing.T) {
	for name, header := range map[string]string{
		"a request":                      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"TLS":                            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("r", 64),
		"2.1 lower case":                 "proxy tcp4 192.0.2.1 198.51.100.1 1 2\r\n",
		"2.1 no family":                  "PROXY \r\nGET / HTTP/1.1\r\n\r\n",
		"2.1 other family":               "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
		"2.1 like UNKNOWN":               "PROXY UNKNOWNS\r\n",
		"2.1 two spaces":                 "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
		"2.1 a tab":                      "PROXY TCP4\t192.0.2.1 198.51.100.1 1 2\r\n",
		"2.1 a space at the end":         "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
		"2.1 no ports":                   "PROXY TCP4 192.0.2.1 198.51.100.1\r\n",
		"2.1 IPv6 as TCP4":               "PROXY TCP4 ::1 ::1 1 2\r\n",
		"2.1 IPv4 as TCP6":               "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
		"2.1 a name":                     "PROXY TCP4 localhost 198.51.100.1 1 2\r\n",
		"2.1 a broken destination":       "PROXY TCP4 192.0.2.1 198.51.100.256 1 2\r\n",
		"2.1 leading zeros in addresses": "PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n",
		"2.1 leading zeros in ports":     "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
		"2.1 a zone":                     "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"2.1 a port too high":            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
		"2.1 a signed port":              "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
		"2.1 LF alone":                   "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\nGET / HTTP/1.1\r\n",
		"2.1 CR alone":                   "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rGET / HTTP/1.1\r\n",
		"2.1 CR alone, two bytes early":  "PROXY UNKNOWN \rx\r\n",
		"2.1 too long":                   "PROXY UNKNOWN " + strings.Repeat("x", longestProxyV1-15) + "\r\n",
		"2.1 never ends":                 "PROXY UNKNOWN " + strings.Repeat("x", 4000),
		"2.2 version 1":                  proxyV2(0x11, 0x11, v2Addresses4),
		"2.2 version 3":                  proxyV2(0x31, 0x11, v2Addresses4),
		"2.2 unassigned command":         proxyV2(0x22, 0x11, v2Addresses4),
		"2.2 unassigned family":          proxyV2(0x21, 0x41, v2Addresses6),
		"2.2 unassigned protocol":        proxyV2(0x21, 0x13, v2Addresses4),
		"2.2 too short for IPv4":         proxyV2(0x21, 0x11, v2Addresses4[:11]),
		"2.2 too short for IPv6":         proxyV2(0x21, 0x21, v2Addresses6[:35]),
		"2.2 too long":                   proxyV2(0x21, 0x11, strings.Repeat("x", longestProxyV2-fixedProxyV2+1)),
		"2.2 broken signature":           strings.Replace(proxyV2(0x21, 0x11, v2Addresses4), "QUIT", "QUIP", 1),
	} {
		if got, err := readProxy(strings.NewReader(header)); !errors.Is(err, errProxy) || got.IsValid() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// What one reading takes, another takes alike; it is within the bounds; and version 1, written down again, is what it was.
func FuzzReadProxy(f *testing.F) {
	for _, c := range proxyHeaders {
		f.Add([]byte(c.header + "GET"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		source, err := readProxy(in)
		used := len(b) - in.Len()
		if used > longestProxyV2 {
			t.Fatalf("%d bytes were read", used)
		}
		again, errAgain := readProxy(iotest.OneByteReader(bytes.NewReader(b[:used])))
		if again != source || (err == nil) != (errAgain == nil) {
			t.Fatalf("%v, %v; then %v, %v", source, err, again, errAgain)
		}
		if err != nil {
			if source.IsValid() {
				t.Fatalf("%v with %v", source, err)
			}
			return
		}
		if source.IsValid() && (source.Addr().Is4In6() || source.Addr().Zone() != "") {
			t.Fatalf("source %v", source)
		}
		if bytes.HasPrefix(b, []byte(proxySignatureV1)) && used > longestProxyV1 {
			t.Fatalf("a line of %d bytes", used)
		}
	})
}

func TestAddressOf(t *testing.T) {
	for _, c := range []struct {
		in   net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}, "192.0.2.1"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, "fe80::1"},
		{&net.TCPAddr{}, "invalid IP"},
		{&net.UnixAddr{Name: "x"}, "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := addressOf(c.in).String(); got != c.want {
			t.Errorf("%v: %s, want %s", c.in, got, c.want)
		}
	}
	prefixes := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for addr, want := range map[string]bool{"10.1.2.3": true, "11.0.0.1": false, "fd00::1": true, "::1": false} {
		if within(prefixes, netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: want %t", addr, want)
		}
	}
	if within(prefixes, netip.Addr{}) || within([]netip.Prefix{{}}, netip.MustParseAddr("10.0.0.1")) {
		t.Error("nothing is within something")
	}
}

func BenchmarkReadProxy(b *testing.B) {
	for name, header := range map[string]string{"v1": proxyHeaders[0].header, "v2": proxyHeaders[8].header} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := strings.NewReader(header)
			for b.Loop() {
				r.Reset(header)
				if _, err := readProxy(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
