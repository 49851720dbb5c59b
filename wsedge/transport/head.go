package transport

import (
	"bytes"
	"strings"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// head is a request head that the fast way in may answer: a WebSocket upgrade,
// strictly clean. All slices alias the buffer it was parsed from.
type head struct {
	target []byte
	lines  []headLine
	origin bool
}

type headLine struct{ name, value []byte }

// parseHead splits a complete head (it ends in an empty line) and reports
// whether it is clean enough to be answered without net/http: a GET of
// HTTP/1.1, CRLF line ends, token names, no control characters, no percent
// escape in the path, exactly one of each header that routing and the handshake
// depend on, no body. Whatever is not goes to net/http with its bytes, so a no
// here is never an error, and what net/http would refuse is never a yes.
func parseHead(raw []byte, dst []headLine) (h head, ok bool) {
	line, rest, found := bytes.Cut(raw, crlf)
	if !found {
		return h, false
	}
	h.target, ok = requestTarget(line)
	if !ok {
		return h, false
	}
	var seen headerSet
	h.lines = dst
	for {
		line, rest, found = bytes.Cut(rest, crlf)
		if !found {
			return h, false
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := headerLine(line)
		if !ok || !seen.add(name, value) {
			return h, false
		}
		h.lines = append(h.lines, headLine{name, value})
	}
	h.origin = seen.origin
	return h, len(rest) == 0 && seen.upgrade && seen.connection && seen.host && seen.key && seen.version
}

var crlf = []byte("\r\n")

func requestTarget(line []byte) ([]byte, bool) {
	line, ok := bytes.CutPrefix(line, []byte("GET "))
	if !ok {
		return nil, false
	}
	target, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	if !ok || len(target) == 0 || target[0] != '/' {
		return nil, false
	}
	inPath := true
	for _, c := range target {
		switch {
		case c <= ' ' || c >= 0x7f || c == '#':
			return nil, false
		case c == '?':
			inPath = false
		case c == '%' && inPath:
			return nil, false
		}
	}
	return target, true
}

func headerLine(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, false
	}
	name, value = line[:colon], bytes.Trim(line[colon+1:], " \t")
	for _, c := range name {
		if !tokenByte(c) {
			return nil, nil, false
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, false
		}
	}
	return name, value, true
}

// tokenByte reports whether c may stand in a header name (RFC 9110, section 5.6.2).
func tokenByte(c byte) bool {
	return letterOrDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// headerSet watches that the headers with a meaning here come once.
type headerSet struct {
	host, upgrade, connection, key, version, origin bool
}

func (s *headerSet) add(name, value []byte) bool {
	once := func(seen *bool) bool {
		first := !*seen
		*seen = true
		return first
	}
	switch {
	case fold(name, "host"):
		return once(&s.host) && plainHost(value)
	case fold(name, "upgrade"):
		return once(&s.upgrade) && fold(value, "websocket")
	case fold(name, "connection"):
		return once(&s.connection) && hasToken(value, "upgrade")
	case fold(name, "sec-websocket-key"):
		return once(&s.key) && len(value) == 24
	case fold(name, "sec-websocket-version"):
		return once(&s.version) && string(value) == "13"
	case fold(name, "origin"):
		return once(&s.origin) && len(value) > 0
	case fold(name, "content-length"), fold(name, "transfer-encoding"), fold(name, "expect"):
		return false
	}
	return true
}

// plainHost reports whether a Host has only what names, addresses and ports
// are made of.
func plainHost(b []byte) bool {
	for _, c := range b {
		if !letterOrDigit(c) && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

func fold(b []byte, lower string) bool {
	return len(b) == len(lower) && bytes.EqualFold(b, []byte(lower))
}

func hasToken(list []byte, lower string) bool {
	for token := range bytes.SplitSeq(list, []byte(",")) {
		if fold(bytes.Trim(token, " \t"), lower) {
			return true
		}
	}
	return false
}

// handshake is the same as handshakeOf for a request that net/http never saw,
// without Secure, which no head tells.
func (h *head) handshake(keep []string, remote string) *Handshake {
	out := &Handshake{
		Address:     hostOf(remote),
		URL:         string(h.target),
		CrossDomain: h.origin,
		Issued:      time.Now(),
	}
	out.keep(keep, func() []string {
		names := make([]string, 0, len(h.lines))
		for _, line := range h.lines {
			names = append(names, strings.ToLower(string(line.name)))
		}
		return names
	}, h.values)
	return out
}

// params is what the query of an Engine.IO request says.
type params struct {
	transport string
	sid       string
	hasSID    bool
	eio       string
	base64    bool   // b64: the client takes no binary frames
	script    string // j: the index of the function that takes a JSONP answer
	jsonp     bool   // j is there
}

// parseQuery reads a raw query as URLSearchParams does, the last of several
// values wins. It knows only the parameters that Engine.IO has; the others are
// the application's.
func parseQuery(raw string) params {
	var p params
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch unescape(key) {
		case "transport":
			p.transport = unescape(value)
		case "sid":
			p.sid, p.hasSID = unescape(value), true
		case "EIO":
			p.eio = unescape(value)
		case "b64":
			p.base64 = value != ""
		case "j":
			p.script, p.jsonp = unescape(value), true
		}
	}
	// An empty sid is none, as in JavaScript's `if (sid)`.
	p.hasSID = p.hasSID && p.sid != ""
	return p
}

// unescape decodes percent escapes and plus signs; broken escapes stay as they
// are, as in URLSearchParams.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}

// revision is what the EIO parameter selects: 4 only when it says exactly that,
// 3 otherwise (PROTOCOL 1.1).
func (p *params) revision() engineio.Revision {
	if p.eio == "4" {
		return engineio.Revision4
	}
	return engineio.Revision3
}

// style is how the answers to polls with these parameters must look.
func (p *params) style() pollStyle {
	return pollStyle{revision: p.revision(), text: p.base64 || p.jsonp}
}
