package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// echo is an application that sends back what it gets.
type echo struct{ s *Session }

func (e echo) Message(data []byte, binary bool) bool {
	add := func(dst []byte) []byte { return append(dst, data...) }
	if binary {
		e.s.Send(PrepareBinary(len(data), add), false)
	} else {
		e.s.Send(Prepare(len(data), add, nil), false)
	}
	return true
}
func (echo) Opened()                       {}
func (echo) Alarm()                        {}
func (echo) Closed(engineio.Reason, Cause) {}

// echoing returns the address of a server on the loopback whose application is echo.
func echoing(t *testing.T, deflate DeflateConfig) (*Server, string) {
	t.Helper()
	settings := engineio.DefaultSettings()
	settings.MaxPayload = limit
	return serving(t, os.Getenv("REALTIME_TEST_ENGINE"), Config{
		OnSession: func(s *Session) Handler { return echo{s} },
		Settings:  settings,
		Deflate:   deflate,
	})
}

// rawClient is a WebSocket client that can say whatever it wants.
type rawClient struct {
	net.Conn
	r      *bufio.Reader
	answer http.Header
}

// dialRaw upgrades a connection with further headers, which end in CRLF, and reads the open packet.
func dialRaw(t *testing.T, address, headers string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &rawClient{Conn: conn, r: bufio.NewReader(conn)}
	c.say(t, []byte("GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+headers+"\r\n"))
	answer, err := http.ReadResponse(c.r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v, %v", answer, err)
	}
	c.answer = answer.Header
	if open := c.hear(t); open.Header.OpCode != ws.OpText || !bytes.HasPrefix(open.Payload, []byte(`0{"sid"`)) {
		t.Fatalf("%+v %q", open.Header, open.Payload)
	}
	return c
}

func (c *rawClient) say(t *testing.T, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func (c *rawClient) hear(t *testing.T) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(c.r)
	if err != nil || h.Masked || h.Length > 2*limit {
		t.Fatalf("%+v, %v", h, err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		t.Fatal(err)
	}
	return ws.Frame{Header: h, Payload: payload}
}

// expect reads the frames that answer what a decoder hears: a pong for a ping, the message for a message.
func (c *rawClient) expect(t *testing.T, want heard) {
	t.Helper()
	for _, w := range want {
		if strings.HasPrefix(w, "control 10 ") || strings.HasPrefix(w, "close ") {
			continue // a pong is not answered, a close frame by ends
		}
		f := c.hear(t)
		payload := f.Payload
		if f.Header.Rsv == deflatedRsv {
			payload = inflateStandard(t, payload)
		}
		got := fmt.Sprintf("message %t %q", f.Header.OpCode == ws.OpBinary, payload)
		if f.Header.OpCode == ws.OpPong {
			got = fmt.Sprintf("control 9 %q", payload)
		}
		if got != w {
			t.Fatalf("%.100q, want %.100q", got, w)
		}
	}
}

// ends answers the close frame, which must have this code (1005 for none), and sees the connection end.
func (c *rawClient) ends(t *testing.T, code ws.StatusCode) {
	t.Helper()
	f := c.hear(t)
	got := ws.StatusNoStatusRcvd
	if len(f.Payload) >= 2 {
		got = ws.StatusCode(binary.BigEndian.Uint16(f.Payload))
	}
	if f.Header.OpCode != ws.OpClose || got != code {
		t.Fatalf("%+v, code %d, want %d", f.Header, got, code)
	}
	_, _ = c.Write(frame(0x88, string(f.Payload))) // fails if the server has not waited for it
	if b, err := io.ReadAll(c.r); len(b) > 0 {
		t.Fatalf("%q, %v after the close frame", b, err)
	}
}

// alive shows that the server still listens to this client.
func (c *rawClient) alive(t *testing.T) {
	t.Helper()
	c.say(t, frame(0x81, "4alive"))
	if f := c.hear(t); string(f.Payload) != "4alive" {
		t.Fatalf("%+v %q", f.Header, f.Payload)
	}
}

// closeCodeOf is what the server closes with upon such an error, 1005 for none.
func closeCodeOf(c streamCase) ws.StatusCode {
	var violation *protocolError
	if errors.As(c.err, &violation) {
		return violation.code
	}
	var code ws.StatusCode
	if _, err := fmt.Sscanf(c.want[len(c.want)-1], "close %d", &code); err != nil {
		panic(err)
	}
	return code
}

// overLoopback runs the cases that make sense for an Engine.IO client: what is no text of Engine.IO is its own matter.
func overLoopback(t *testing.T, cases []streamCase, deflate DeflateConfig, headers string) {
	srv, address := echoing(t, deflate)
	bystander := dialRaw(t, address, headers)
	for _, c := range cases {
		if slices.ContainsFunc(c.want, func(w string) bool { return strings.HasPrefix(w, "message false") }) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			client := dialRaw(t, address, headers)
			wrote := make(chan error, 1)
			go func() { // not to wait for each other when the message is long
				_, err := client.Write(c.in)
				wrote <- err
			}()
			client.expect(t, c.want)
			if c.err != nil {
				client.ends(t, closeCodeOf(c))
			}
			if err := <-wrote; err != nil {
				t.Fatalf("the server did not listen to the end: %v", err)
			}
			if c.err == nil {
				client.alive(t)
			}
			bystander.alive(t)
		})
	}
	if n := srv.Stats().Received.Load(); n == 0 || srv.Panics() != 0 {
		t.Errorf("%d messages, %d panics", n, srv.Panics())
	}
}

// The same cases against a server: each ends with the very code, and a bystander notices nothing.
func TestRFC6455Server(t *testing.T) { overLoopback(t, rfc6455Cases, DeflateConfig{}, "") }

// A client that sends far more than it may hears why, can send it to its end, and sees the connection end in order: a
// reset would take the close frame with it.
func TestRefusedMessageIsReadToItsEnd(t *testing.T) {
	_, address := echoing(t, DeflateConfig{})
	client := dialRaw(t, address, "")
	wrote := make(chan error, 1)
	go func() {
		_, err := client.Write(join(frame(0x82, strings.Repeat("x", 16*limit)), frame(0x88, "\x03\xf1")))
		wrote <- err
	}()
	if err := <-wrote; err != nil { // before anything is read, as a client that is busy does
		t.Fatal(err)
	}
	if f := client.hear(t); f.Header.OpCode != ws.OpClose || string(f.Payload) != "\x03\xf1" {
		t.Fatalf("%+v %q", f.Header, f.Payload)
	}
	if b, err := io.ReadAll(client.r); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}
