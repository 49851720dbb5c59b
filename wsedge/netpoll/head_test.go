package netpoll

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

var testPrefixes = [][]byte{[]byte("GET /socket.io/"), []byte("GET /ws?")}

// headCase is what readHead makes of a stream with a buffer of 128 bytes.
type headCase struct {
	name, in string
	head     string // "": for HTTP, or an error
	err      error
}

var headCases = []headCase{
	{name: "complete", in: "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\n\r\n", head: "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\n\r\n"},
	{name: "second prefix", in: "GET /ws? HTTP/1.1\r\n\r\n", head: "GET /ws? HTTP/1.1\r\n\r\n"},
	{name: "early bytes", in: "GET /ws? HTTP/1.1\r\n\r\nearly\r\n\r\n", head: "GET /ws? HTTP/1.1\r\n\r\n"},
	{name: "as long as the buffer", in: "GET /ws?" + strings.Repeat("x", 116) + "\r\n\r\n", head: "GET /ws?" + strings.Repeat("x", 116) + "\r\n\r\n"},
	{name: "too long by a byte", in: "GET /ws?" + strings.Repeat("x", 117) + "\r\n\r\n"},
	{name: "endless", in: "GET /ws?" + strings.Repeat("x", 5000)},
	{name: "another path", in: "GET /other HTTP/1.1\r\n\r\n"},
	{name: "another method", in: "POST /socket.io/ HTTP/1.1\r\n\r\n"},
	{name: "HTTP/2 preface", in: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{name: "TLS", in: "\x16\x03\x01\x02\x00"},
	{name: "garbage", in: "\x00\xff\xfe"},
	{name: "an empty line first", in: "\r\nGET /ws? HTTP/1.1\r\n\r\n"},
	{name: "LF only", in: "GET /ws? HTTP/1.1\nHost: a\n\n"},
	{name: "one bare LF", in: "GET /ws? HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"},
	{name: "CRLF, then LF", in: "GET /ws? HTTP/1.1\r\n\n"},
	{name: "nothing", in: "", err: io.EOF},
	{name: "ends in the prefix", in: "GET /soc", err: io.EOF},
	{name: "ends in the head", in: "GET /ws? HTTP/1.1\r\nHost: a\r\n", err: io.EOF},
}

func TestReadHead(t *testing.T) {
	for _, c := range headCases {
		t.Run(c.name, func(t *testing.T) {
			check := func(how string, r io.Reader) {
				t.Helper()
				buf := make([]byte, 128)
				n, end, err := readHead(r, buf, testPrefixes)
				if string(buf[:end]) != c.head || !errors.Is(err, c.err) {
					t.Errorf("%s: head %q, %v", how, buf[:end], err)
				}
				rest, _ := io.ReadAll(r)
				if got := string(buf[:n]) + string(rest); got != c.in {
					t.Errorf("%s: the bytes are now %q", how, got)
				}
			}
			check("whole", strings.NewReader(c.in))
			check("byte by byte", iotest.OneByteReader(strings.NewReader(c.in)))
			check("the end with the last bytes", iotest.DataErrReader(strings.NewReader(c.in)))
			for i := range min(len(c.in), 200) {
				check("in two", io.MultiReader(strings.NewReader(c.in[:i]), strings.NewReader(c.in[i:])))
			}
		})
	}
}

func TestReadHeadWithoutPrefixes(t *testing.T) {
	n, end, err := readHead(iotest.ErrReader(errors.New("must not be read")), make([]byte, 10), nil)
	if n != 0 || end != 0 || err != nil {
		t.Errorf("readHead = %d, %d, %v", n, end, err)
	}
}

// What the bytes mean does not depend on how they come.
func FuzzReadHead(f *testing.F) {
	for _, c := range headCases {
		f.Add([]byte(c.in), uint16(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		size %= 300
		whole, pieces := make([]byte, size), make([]byte, size)
		n1, end1, err1 := readHead(bytes.NewReader(in), whole, testPrefixes)
		n2, end2, err2 := readHead(iotest.OneByteReader(bytes.NewReader(in)), pieces, testPrefixes)
		if end1 != end2 || err1 != err2 {
			t.Fatalf("whole: %d, %v; in pieces: %d, %v", end1, err1, end2, err2)
		}
		if !bytes.Equal(whole[:n1], in[:n1]) || !bytes.Equal(pieces[:n2], in[:n2]) {
			t.Fatal("the bytes are others")
		}
		if end1 > 0 && (!bytes.HasSuffix(whole[:end1], []byte("\r\n\r\n")) || bytes.Count(whole[:end1], []byte("\r\n\r\n")) != 1) {
			t.Fatalf("head %q", whole[:end1])
		}
	})
}
