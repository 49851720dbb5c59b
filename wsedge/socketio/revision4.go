package socketio

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Revision 4 is what clients 1.x and 2.x speak, over Engine.IO v3 (PROTOCOL 2.7). What such a client sends is decoded by
// Decode as that of any other: the rules are the same, and clients 1.x leave the comma after a namespace out where nothing
// follows. A query string in a namespace is SplitQuery's. Events, answers and DISCONNECT are written the same too; what
// differs is here.

// AppendConnect4 appends the answer to a client of revision 4 that joined ns, or that the server let join "/": nothing but
// the namespace, as the client makes the socket's id of its Engine.IO id.
func AppendConnect4(dst []byte, ns string) []byte { return appendHeader(dst, Connect, 0, ns) }

// AppendConnectError4 appends the answer to a client of revision 4 that may not join ns: data, a JSON value, or else the
// message as a string. Only an object, an array or a string that is not empty counts as data: a number would be read as
// an acknowledgement id, and the clients close the connection at everything else.
func AppendConnectError4(dst []byte, ns, message string, data []byte) []byte {
	dst = appendHeader(dst, ConnectError, 0, ns)
	s := scanner{text: data}
	switch c := s.next(); {
	case c == '{', c == '[', c == '"' && !bytes.HasPrefix(data[s.pos:], []byte(`""`)):
		return append(dst, data[s.pos:]...)
	}
	return appendQuoted(dst, message)
}

// AppendInvalidNamespace appends the answer to a client, of either revision, that wants to join a namespace that does not
// exist. Ns comes from the client: it is one that Decode or SplitQuery returned.
func AppendInvalidNamespace(dst []byte, ns string) []byte {
	return AppendConnectError(dst, ns, "Invalid namespace", nil)
}

// SplitQuery splits the namespace of a packet of revision 4 into its name and the auth that its query string makes: a JSON
// object of strings, nil without a query string. What follows a "#" is dropped.
//
//	/chat?token=a+b%21   ->   /chat, {"token":"a b!"}
//
// The reference gives every packet's namespace this treatment, not only that of CONNECT. It also resolves the name as a
// URL ("/a/../b" is "/b" to it, and "//a/b" too); here a name is what it says. The query string is read as a browser's
// URLSearchParams reads it: of equal keys the last counts, a "%" that begins no escape is one, and what is not UTF-8
// becomes U+FFFD. Name is a part of ns; auth is new, and at most six times as long as the query string plus two bytes.
func SplitQuery(ns []byte) (name, auth []byte) {
	name, _, _ = bytes.Cut(ns, []byte{'#'})
	name, query, _ := bytes.Cut(name, []byte{'?'})
	if len(query) == 0 {
		return name, nil
	}
	type pair struct{ key, value string }
	var pairs []pair
	last := make(map[string]int) // where a key comes last
	for part := range bytes.SplitSeq(query, []byte{'&'}) {
		if len(part) == 0 {
			continue
		}
		key, value, _ := bytes.Cut(part, []byte{'='})
		p := pair{formDecoded(key), formDecoded(value)}
		last[p.key] = len(pairs)
		pairs = append(pairs, p)
	}
	auth = append(auth, '{')
	for i, p := range pairs {
		if last[p.key] != i {
			continue
		}
		if len(auth) > 1 {
			auth = append(auth, ',')
		}
		auth = appendQuoted(auth, p.key)
		auth = append(auth, ':')
		auth = appendQuoted(auth, p.value)
	}
	return name, append(auth, '}')
}

// formDecoded undoes the encoding of application/x-www-form-urlencoded.
func formDecoded(text []byte) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(text):
			if n, err := strconv.ParseUint(string(text[i+1:i+3]), 16, 8); err == nil {
				c = byte(n)
				i += 2
			}
		}
		out = append(out, c)
	}
	return string(out)
}

// EscapeJSON writes what is not ASCII in text[start:] as escapes of JSON strings, and returns the text. All of that part
// that is not ASCII must be in such strings and be UTF-8. Text that is ASCII is returned as it is.
func EscapeJSON(text []byte, start int) []byte {
	i := start
	for i < len(text) && text[i] < utf8.RuneSelf {
		i++
	}
	if i == len(text) {
		return text
	}
	rest := bytes.Clone(text[i:])
	text = text[:i]
	for len(rest) > 0 {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		switch high, low := utf16.EncodeRune(r); {
		case r < utf8.RuneSelf:
			text = append(text, byte(r))
		case high != utf8.RuneError:
			text = appendEscape(appendEscape(text, high), low)
		default:
			text = appendEscape(text, r)
		}
	}
	return text
}

// appendEscape appends the escape of one UTF-16 code unit.
func appendEscape(dst []byte, unit rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[unit>>12&15], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
}
