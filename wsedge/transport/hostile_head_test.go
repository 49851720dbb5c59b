package transport

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// PROTOCOL 9: a subprotocol with thousands of spaces took quadratic time to read elsewhere. What is agreed on is a word of the
// client's list or nothing; a head that is too large is refused.
func TestCVE_2021_32640_SpacesInTheSubprotocol(t *testing.T) {
	s := newSite(t, nil)
	spaces := strings.Repeat(" ", 4000)
	for name, c := range map[string]struct {
		value  string
		status []int
		agreed []string
	}{
		"a list":            {"a, b", []int{101}, []string{"a"}},
		"a list with space": {spaces + "a" + spaces + "," + spaces + "b", []int{101, 431}, []string{"a", ""}},
		"no list":           {"b" + spaces + "x", []int{101, 400}, []string{"b", ""}},
		"tabs":              {"b" + strings.Repeat("\t", 4000) + "x", []int{101, 400}, []string{"b", ""}},
		"commas and spaces": {strings.Repeat(", ", 2000), []int{101, 400}, []string{""}},
		"sixty thousand":    {"b" + strings.Repeat(spaces, 15) + "x", []int{101, 400, 431}, []string{"b", ""}},
	} {
		began := time.Now()
		for way, ask := range map[string]func(string) reply{"new": s.ask, "kept": s.askKept} {
			r := ask(upgrade(webSocketURL, "Sec-WebSocket-Protocol: "+c.value))
			if got := r.header.Get("Sec-WebSocket-Protocol"); !slices.Contains(c.status, r.status) || !slices.Contains(c.agreed, got) {
				t.Errorf("%s, %s: %d %q", name, way, r.status, got)
			}
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// PROTOCOL 9: lengths that contradict each other are refused, and nothing behind them is read as a request. Chunks beside a length
// are what counts, as RFC 9112 6.1 has it: both ways in see the end of the body in the same place.
func TestFurtherInput_ContradictingLengths(t *testing.T) {
	const rest = "0\r\n\r\n"
	for name, c := range map[string]struct {
		headers []string
		chunked bool
	}{
		"length, then chunks":  {[]string{"Content-Length: 6", "Transfer-Encoding: chunked"}, true},
		"chunks, then length":  {[]string{"Transfer-Encoding: chunked", "Content-Length: 6"}, true},
		"two lengths":          {[]string{"Content-Length: 6", "Content-Length: 5"}, false},
		"unknown encoding":     {[]string{"Content-Length: 6", "Transfer-Encoding: xchunked"}, false},
		"two encodings":        {[]string{"Transfer-Encoding: chunked", "Transfer-Encoding: identity"}, false},
		"encoding in disguise": {[]string{"Content-Length: 6", "Transfer-Encoding : chunked"}, false},
		"a length with a sign": {[]string{"Content-Length: +6"}, false},
	} {
		s := newSite(t, nil)
		sid := s.open()
		post := line("POST", pollingURL+"&sid="+sid, c.headers...) + "2\r\n4x\r\n" + rest
		for way, first := range map[string]string{"new": "", "kept": line("GET", "/elsewhere")} {
			conn := s.dial()
			if first != "" {
				s.askOn(conn, first)
			}
			r := s.askOn(conn, post)
			if !c.chunked {
				if r.status != 400 && r.status != 501 || !r.closed {
					t.Errorf("%s, %s: %d, closed: %v", name, way, r.status, r.closed)
				}
				continue
			}
			if r.status != 200 || r.body != "ok" {
				t.Errorf("%s, %s: %d %s", name, way, r.status, r.body)
			}
			if next := s.askOn(conn, line("GET", "/socket.io/?next")); next.status != 400 || !strings.Contains(next.body, `"code":0`) {
				t.Errorf("%s, %s: the next request was answered %d %s", name, way, next.status, next.body)
			}
		}
	}
}
