package netpoll

import (
	"bytes"
	"io"
)

// readHead reads from r into buf until it is clear what to do.
//
// end > 0: buf[:end] is a complete head that begins with one of the prefixes
// and whose lines end in CRLF; buf[end:n] came after it. end == 0: buf[:n] is
// not for the fast path (another request, no HTTP at all, a bare LF, a head
// that does not fit into buf). An error: r ended or failed before that was known.
func readHead(r io.Reader, buf []byte, prefixes [][]byte) (n, end int, err error) {
	line := 0 // where the line begins whose end has not been seen
	for {
		if !mayBegin(buf[:n], prefixes) {
			return n, 0, nil
		}
		for {
			i := bytes.IndexByte(buf[line:n], '\n')
			if i < 0 {
				break
			}
			next := line + i + 1
			if i == 0 || buf[next-2] != '\r' {
				return n, 0, nil // net/http takes a bare LF for the end of a line; it shall decide.
			}
			if i == 1 {
				return n, next, nil
			}
			line = next
		}
		if n == len(buf) {
			return n, 0, nil
		}
		m, err := r.Read(buf[n:])
		if n += m; m == 0 && err != nil {
			return n, 0, err
		}
	}
}

// mayBegin says whether b, or what it may become, begins with a prefix.
func mayBegin(b []byte, prefixes [][]byte) bool {
	for _, p := range prefixes {
		if k := min(len(b), len(p)); bytes.Equal(b[:k], p[:k]) {
			return true
		}
	}
	return false
}
