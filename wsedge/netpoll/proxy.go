package netpoll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol: a header in front of everything else, TLS included, in
// which a proxy that only passes bytes on says whose they are. Version 1 is a
// line of text, version 2 is binary.
// https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
const (
	// shortestProxy is the length of "PROXY UNKNOWN\r\n". No header is shorter,
	// so that many bytes can be read before it is known which version comes.
	shortestProxy = 15
	// longestProxyV1 is the longest line of version 1, CRLF included (section 2.1).
	longestProxyV1 = 107
	// longestProxyV2 bounds a header of version 2, whose length field goes up to
	// 64 KiB. Addresses take 36 bytes or, of Unix sockets, 216; the rest are
	// extensions: names and certificates' subjects, a few hundred bytes.
	longestProxyV2 = 4 << 10
	// fixedProxyV2 is the length of what every header of version 2 begins with (section 2.2):
	// signature, version and command, family and protocol, length.
	fixedProxyV2 = 16
)

const (
	proxySignatureV1 = "PROXY "
	proxySignatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// errProxy says that what came is no PROXY header.
var errProxy = errors.New("netpoll: broken PROXY header")

// readProxy reads one PROXY header from r, and not one byte more: what follows
// may be for TLS. It returns whom the header names as the source, or the zero
// AddrPort where the address of the peer is to stay: the proxy speaks for itself
// (LOCAL, a health check) or does not tell (UNKNOWN, UNSPEC), or the source has
// no IP address and TCP port. Extensions are skipped. The error is errProxy, or
// what r failed with before the header was whole.
func readProxy(r io.Reader) (source netip.AddrPort, err error) {
	b := make([]byte, shortestProxy, longestProxyV1)
	if _, err := io.ReadFull(r, b); err != nil {
		return source, err
	}
	switch {
	case bytes.HasPrefix(b, []byte(proxySignatureV2)):
		return readProxyV2(r, b)
	case bytes.HasPrefix(b, []byte(proxySignatureV1)):
		return readProxyV1(r, b)
	}
	return source, errProxy
}

// readProxyV1 goes on after the bytes b, two at a time: while the last one is
// no CR there are at least two more to come.
func readProxyV1(r io.Reader, b []byte) (source netip.AddrPort, err error) {
	for !bytes.HasSuffix(b, []byte("\r\n")) {
		n, more := len(b), 2
		if b[n-1] == '\r' {
			more = 1
		}
		if n+more > longestProxyV1 || bytes.IndexByte(b, '\n') >= 0 {
			return source, errProxy
		}
		b = b[:n+more]
		if _, err := io.ReadFull(r, b[n:]); err != nil {
			return source, err
		}
	}
	return parseProxyV1(string(b[len(proxySignatureV1) : len(b)-len("\r\n")]))
}

// parseProxyV1 takes what stands between signature and CRLF: family, source
// and destination address, source and destination port, one space in between.
// After UNKNOWN anything may follow.
func parseProxyV1(line string) (source netip.AddrPort, err error) {
	family, rest, _ := strings.Cut(line, " ")
	if strings.ContainsAny(line, "\r\n") {
		return source, errProxy
	}
	if family == "UNKNOWN" {
		return source, nil
	}
	fields := strings.Split(rest, " ")
	if family != "TCP4" && family != "TCP6" || len(fields) != 4 {
		return source, errProxy
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		addr, err := netip.ParseAddr(fields[i])
		port, ok := proxyPort(fields[2+i])
		if err != nil || !ok || addr.Zone() != "" || addr.Is4() != (family == "TCP4") {
			return source, errProxy
		}
		ends[i] = netip.AddrPortFrom(addr.Unmap(), port)
	}
	return ends[0], nil
}

// proxyPort reads a port as version 1 has it: decimal, without leading zeros.
func proxyPort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && strconv.FormatUint(n, 10) == s
}

// readProxyV2 goes on after the bytes b.
func readProxyV2(r io.Reader, b []byte) (source netip.AddrPort, err error) {
	b = append(b, 0)
	if _, err := io.ReadFull(r, b[shortestProxy:]); err != nil {
		return source, err
	}
	size := int(binary.BigEndian.Uint16(b[14:]))
	local, room, err := checkProxyV2(b[12], b[13])
	if err != nil || size < room || fixedProxyV2+size > longestProxyV2 {
		return source, errProxy
	}
	var addresses [36]byte
	if _, err := io.ReadFull(r, addresses[:room]); err != nil {
		return source, err
	}
	if _, err := io.CopyN(io.Discard, r, int64(size-room)); err != nil {
		return source, err
	}
	if local || room == 0 {
		return source, nil
	}
	half := (room - 4) / 2 // source address, destination address, source port, destination port
	addr, _ := netip.AddrFromSlice(addresses[:half])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(addresses[2*half:])), nil
}

// checkProxyV2 takes version and command, family and protocol. room is how many
// bytes of addresses are of interest: only those of TCP are, and a LOCAL header
// may say what it likes. What the specification does not assign is refused.
func checkProxyV2(command, family byte) (local bool, room int, err error) {
	switch command {
	case 0x20:
		return true, 0, nil
	case 0x21:
	default:
		return false, 0, errProxy
	}
	switch family {
	case 0x11:
		return false, 12, nil
	case 0x21:
		return false, 36, nil
	case 0x00, 0x12, 0x22, 0x31, 0x32: // unspecified, UDP, Unix sockets
		return false, 0, nil
	}
	return false, 0, errProxy
}

// addressOf returns the IP address of a network address, IPv4 as such and
// without a zone; the zero Addr if it has none.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// within reports whether one of the prefixes has addr in it.
func within(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
