package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// proxies are the addresses that are believed what they say about whom they
// speak for: IPv4 as such, no zones. None: nobody is, and a client's address is
// its connection's.
type proxies []netip.Prefix

// newProxies puts prefixes into that form. The error names one that is none.
func newProxies(prefixes []netip.Prefix) (proxies, error) {
	var out proxies
	for _, p := range prefixes {
		if !p.IsValid() {
			return nil, fmt.Errorf("transport: %v is no address prefix", p)
		}
		if mapped := p.Addr().Is4In6() && p.Bits() >= 96; mapped {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// trust reports whether addr, IPv4 as such, is a trusted proxy's.
func (p proxies) trust(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// The headers of proxies that are read. Forwarded (RFC 7239), X-Real-IP and the
// like are not: the usual proxies append to X-Forwarded-For and pass others on
// as the client has sent them, so whoever believes one more header believes
// the client.
const (
	forwardedFor   = "X-Forwarded-For"
	forwardedProto = "X-Forwarded-Proto"
)

// maxHops bounds how many addresses of X-Forwarded-For are looked at.
const maxHops = 32

// see corrects Address and Secure of h, which are those of the connection, if
// that is a trusted proxy's. values returns the values of a request header, one
// for each line, in their order.
//
// X-Forwarded-For grows to the right, each proxy adding whom it heard from. So
// the client is the rightmost address that is not trusted; what is left of it
// the client may have written itself. If all are trusted it is the leftmost,
// and what is no address ends the walk, as whoever passed that on cannot be
// believed any further: the client is the last address before it.
//
// X-Forwarded-Proto says whether the client's connection was secure, by its
// last value, which is the nearest proxy's. Without one, or with another than
// https, http, wss or ws, Secure stays.
func (p proxies) see(h *Handshake, values func(name string) []string) {
	peer, ok := parseHop(h.Address)
	if !ok || !p.trust(peer) {
		return
	}
	h.Address = p.client(peer, values(forwardedFor)).String()
	switch strings.ToLower(lastValue(values(forwardedProto))) {
	case "https", "wss":
		h.Secure = true
	case "http", "ws":
		h.Secure = false
	}
}

// client walks X-Forwarded-For from the right, beginning at a trusted peer.
func (p proxies) client(peer netip.Addr, lines []string) netip.Addr {
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var hop string
			rest, hop, more = cutLast(rest)
			if hop == "" {
				continue // an empty list element says nothing (RFC 9110, section 5.6.1)
			}
			addr, ok := parseHop(hop)
			if hops++; !ok || hops > maxHops {
				return peer
			}
			if peer = addr; !p.trust(peer) {
				return peer
			}
		}
	}
	return peer
}

// cutLast cuts the last element, trimmed, off a list; more says that there are others.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", strings.Trim(list, " \t"), false
	}
	return list[:i], strings.Trim(list[i+1:], " \t"), true
}

func lastValue(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	_, last, _ := cutLast(lines[len(lines)-1])
	return last
}

// parseHop reads an address as proxies write it: with or without a port, IPv6
// with or without brackets. It is IPv4 as such and without a zone.
func parseHop(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			addr = ap.Addr()
		} else if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
			if addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]")); addr.Is4() {
				return netip.Addr{}, false
			}
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}

// addrOf returns the IP address of a connection's end, IPv4 as such and without
// a zone; the zero Addr if it has none.
func addrOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// values returns the values of a request header, one for each line.
func (h *head) values(name string) []string {
	name = strings.ToLower(name)
	var out []string
	for _, line := range h.lines {
		if fold(line.name, name) {
			out = append(out, string(line.value))
		}
	}
	return out
}
