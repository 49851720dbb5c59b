package transport

import "strings"

// The answers to an offer of permessage-deflate. Both directions go without
// context takeover, whether the client asked for it or not: RFC 7692, sections
// 7.1.1.1 and 7.1.1.2, let the server say so. A client that names the window of
// the server wants to have it named in the answer (section 7.1.2.1).
const (
	deflateAnswer       = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	deflateAnswerWindow = deflateAnswer + "; server_max_window_bits=15"
)

// negotiateDeflate chooses from what a client offers in its
// Sec-WebSocket-Extensions headers; the values of several are joined by commas.
// It returns the value of the same header of the answer, and whether
// permessage-deflate is agreed on. The first offer that can be met wins. An
// offer with a parameter that is unknown, stands twice or has a wrong value is
// declined, and so is one that wants a window smaller than 32 KiB from the
// server (RFC 7692, section 7.1.2.1); extensions with other names are passed
// over. Where a header breaks the grammar of RFC 6455, section 9.1, nothing that
// follows is looked at. None of this refuses the handshake: it goes on without
// compression.
func negotiateDeflate(offers string) (answer string, ok bool) {
	s := extensionScanner{offers}
	for s.rest != "" {
		answer, ok, wellFormed := s.offer()
		if !wellFormed {
			return "", false
		}
		if ok {
			return answer, true
		}
	}
	return "", false
}

// extensionScanner reads the grammar of RFC 6455, section 9.1.
type extensionScanner struct{ rest string }

// offer reads one extension with its parameters and the comma behind it. ok says
// that it is a permessage-deflate that can be met.
func (s *extensionScanner) offer() (answer string, ok, wellFormed bool) {
	if s.skip(',') { // an empty element (RFC 9110, section 5.6.1.2)
		return "", false, true
	}
	name := s.token()
	if name == "" {
		return "", false, s.rest == ""
	}
	params := deflateParams{met: name == "permessage-deflate"}
	for s.skip(';') {
		key := s.token()
		value, given := "", false
		if s.skip('=') {
			value, given = s.value(), true
		}
		if key == "" || given && value == "" {
			return "", false, false
		}
		params.add(key, value, given)
	}
	if s.rest != "" && !s.skip(',') {
		return "", false, false
	}
	if params.seen.serverWindow {
		return deflateAnswerWindow, params.met, true
	}
	return deflateAnswer, params.met, true
}

// skip reads c and the white space around it, if c comes next.
func (s *extensionScanner) skip(c byte) bool {
	rest := strings.TrimLeft(s.rest, " \t")
	if rest == "" || rest[0] != c {
		s.rest = rest
		return false
	}
	s.rest = strings.TrimLeft(rest[1:], " \t")
	return true
}

// token reads a token, empty if there is none.
func (s *extensionScanner) token() string {
	n := 0
	for n < len(s.rest) && tokenByte(s.rest[n]) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

// value reads a token, also in quotes. The grammar wants that what is in quotes
// is a token too, so nothing in it needs to be escaped.
func (s *extensionScanner) value() string {
	quoted, ok := strings.CutPrefix(s.rest, `"`)
	if !ok {
		return s.token()
	}
	s.rest = quoted
	value := s.token()
	if s.rest, ok = strings.CutPrefix(s.rest, `"`); !ok {
		return ""
	}
	return value
}

// deflateParams judges the parameters of one offer.
type deflateParams struct {
	met  bool // so far
	seen struct{ serverTakeover, clientTakeover, serverWindow, clientWindow bool }
}

// add takes one parameter. given says that it has a value.
func (p *deflateParams) add(key, value string, given bool) {
	once := func(seen *bool) bool {
		first := !*seen
		*seen = true
		return first
	}
	ok := false
	switch key {
	case "server_no_context_takeover":
		ok = once(&p.seen.serverTakeover) && !given
	case "client_no_context_takeover":
		ok = once(&p.seen.clientTakeover) && !given
	case "server_max_window_bits":
		ok = once(&p.seen.serverWindow) && value == "15"
	case "client_max_window_bits":
		// A hint that the client could do with less, or a promise that it will:
		// the inflater takes any window.
		ok = once(&p.seen.clientWindow) && (!given || windowBits(value))
	}
	p.met = p.met && ok
}

// windowBits reports whether s is 8 to 15 without a leading zero (RFC 7692,
// section 7.1.2).
func windowBits(s string) bool {
	return s == "8" || s == "9" || len(s) == 2 && s[0] == '1' && s[1] >= '0' && s[1] <= '5'
}
