package netpoll

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

func TestRewind(t *testing.T) {
	pairs := map[string]func(testing.TB) (net.Conn, net.Conn){
		"pipe": pipePair,
		"tls":  tlsPair,
		"tcp":  func(t testing.TB) (net.Conn, net.Conn) { s, c := tcpPair(t); return s, c },
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			server, client := pair(t)
			if c := rewind(server, nil); c != server {
				t.Errorf("%T without bytes", c)
			}
			first := []byte("read before, ")
			c := rewind(server, first)
			copy(first, "overwritten by the next head")
			go func() {
				client.Write([]byte("read after"))
				client.Close()
			}()
			got, err := io.ReadAll(iotest.HalfReader(c))
			if string(got) != "read before, read after" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			if inner, rest := unwrap(c, []byte("e")); inner != server || string(rest) != "e" {
				t.Errorf("unwrap = %T, %q", inner, rest)
			}
		})
	}
}

// net/http asks a connection what else it can do.
func TestRewindKeepsWhatTheConnectionCan(t *testing.T) {
	s, c := tcpPair(t)
	tcp := rewind(s, []byte("x"))
	if _, ok := tcp.(io.ReaderFrom); !ok {
		t.Error("no ReadFrom, so no sendfile")
	}
	if _, ok := tcp.(interface{ CloseWrite() error }); !ok {
		t.Error("no CloseWrite")
	}
	if _, ok := rewind(tls.Server(c, serverTLS()), []byte("x")).(interface{ ConnectionState() tls.ConnectionState }); !ok {
		t.Error("no ConnectionState, so no Request.TLS")
	}
}

func TestRewoundWriteTo(t *testing.T) {
	server, client := tcpPair(t)
	client.Write([]byte("read after"))
	client.Close()
	var got bytes.Buffer
	c := rewind(server, []byte("read before, "))
	n, err := c.(io.WriterTo).WriteTo(&got)
	if got.String() != "read before, read after" || n != int64(got.Len()) || err != nil {
		t.Errorf("wrote %q, %d, %v", got.String(), n, err)
	}

	server, _ = tcpPair(t)
	c = rewind(server, []byte("123456"))
	if n, err := c.(io.WriterTo).WriteTo(stingy{}); n != 2 || err != io.ErrShortWrite {
		t.Errorf("WriteTo = %d, %v", n, err)
	}
	if _, rest := unwrap(c, nil); string(rest) != "3456" {
		t.Errorf("left are %q", rest)
	}
}

// stingy takes two bytes of each write.
type stingy struct{}

func (stingy) Write(p []byte) (int, error) { return min(2, len(p)), io.ErrShortWrite }
