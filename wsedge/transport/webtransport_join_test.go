package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// joined is a Server that echoes, with a TCP and a UDP socket, and clients of the latter.
type joined struct {
	*wtFixture
	srv *Server
	tcp string
	app *record
}

// record is an application that echoes, and tells how sessions end.
type record struct{ ends chan string }

type recorded struct {
	echo
	r *record
}

func (a recorded) Closed(reason engineio.Reason, cause Cause) {
	a.r.ends <- strings.TrimSpace(reason.String() + " " + cause.String())
}

func joinWebTransport(t *testing.T, change func(*Config)) *joined {
	t.Helper()
	certificate, roots := testCertificate(t)
	app := &record{ends: make(chan string, 16)}
	cfg := Config{
		OnSession:       func(s *Session) Handler { return recorded{echo{s}, app} },
		Transports:      []engineio.Transport{engineio.Polling, engineio.WebSocket, engineio.WebTransport},
		WebTransportTLS: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	if change != nil {
		change(&cfg)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	t.Cleanup(func() { // after the server has been shut down
		if err := <-served; err != nil {
			t.Errorf("ServeWebTransport: %v", err)
		}
	})
	srv, tcp := serving(t, os.Getenv("REALTIME_TEST_ENGINE"), cfg)
	go func() { served <- srv.ServeWebTransport(pc) }()
	f := &wtFixture{t: t, address: pc.LocalAddr().String(), roots: roots, idle: time.Minute}
	return &joined{f, srv, tcp, app}
}

// next reads one packet of the server's.
func (c *wtClient) next(t *testing.T) (data string, binary bool) {
	t.Helper()
	_ = c.stream.SetReadDeadline(time.Now().Add(patience))
	var header [1]byte
	if _, err := io.ReadFull(c.stream, header[:]); err != nil {
		t.Fatal(err)
	}
	length := int(header[0] & 0x7f)
	if length >= 126 {
		var more [2]byte
		if _, err := io.ReadFull(c.stream, more[:]); err != nil || length == 127 {
			t.Fatalf("length %d, %v", length, err)
		}
		length = int(more[0])<<8 | int(more[1])
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.stream, body); err != nil {
		t.Fatal(err)
	}
	return string(body), header[0]&0x80 != 0
}

func (c *wtClient) expect(t *testing.T, want string) {
	t.Helper()
	for {
		got, binary := c.next(t)
		if got == "2" {
			continue
		}
		if binary {
			got = "binary " + got
		}
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		return
	}
}

// farewell answers heartbeats, the last of which comes before the end, until the session is over.
func (c *wtClient) farewell(t *testing.T) {
	t.Helper()
	_ = c.stream.SetReadDeadline(time.Now().Add(patience))
	var decoder engineio.StreamDecoder
	buf := make([]byte, 4096)
	for {
		n, err := c.stream.Read(buf)
		_, _ = decoder.Feed(buf[:n], 1<<20, func(data []byte, binary bool) error {
			if string(data) == "2" {
				_, _ = c.stream.Write([]byte(text("3")))
			}
			return nil
		})
		if err != nil {
			break
		}
	}
	_ = c.gone(t)
}

// PROTOCOL 1.10: a session of its own: open packet, text, binary, and its end by either side.
func TestWebTransportSession(t *testing.T) {
	j := joinWebTransport(t, nil)
	c := j.open("0", "")
	first, _ := c.next(t)
	var open struct {
		SID      string
		Upgrades []string
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "0")), &open); err != nil || len(open.SID) != 20 || len(open.Upgrades) != 0 {
		t.Fatalf("open packet %q, %v", first, err)
	}
	session := j.srv.sessions.find(open.SID)
	if h := session.Handshake(); session.Transport() != engineio.WebTransport || !h.Secure || h.Address != "127.0.0.1" || h.URL != "/engine.io/" {
		t.Errorf("%v %+v", session.Transport(), h)
	}
	c.write(t, text("4hello")+"\x82\x01\x02")
	c.expect(t, "4hello")
	c.expect(t, "binary \x01\x02")
	session.Close()
	c.farewell(t)
	if end := <-j.app.ends; end != "forced close" {
		t.Error(end)
	}
	if n := j.srv.stats.Opened[engineio.WebTransport].Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// What the client sends that is no packet, or no frame, ends the session.
func TestWebTransportViolations(t *testing.T) {
	j := joinWebTransport(t, nil)
	for raw, want := range map[string]string{
		text("x"):                   "parse error",
		"\x00":                      "parse error protocol violation",
		"\x7f\xff" + text("4never"): "parse error protocol violation",
		text("2"):                   "transport error",
		text("1"):                   "transport close",
	} {
		c := j.open("0", raw)
		if end := <-j.app.ends; end != want {
			t.Errorf("%q: %s, want %s", raw, end, want)
		}
		c.farewell(t)
	}
}

// PROTOCOL 1.6, 1.10: the upgrade from polling; what waited comes over the stream, and polling is over.
func TestWebTransportUpgrade(t *testing.T) {
	j := joinWebTransport(t, nil)
	sid := j.poll()
	session := j.srv.sessions.find(sid)
	c := j.open(fmt.Sprintf(`0{"sid":%q}`, sid), "")
	c.write(t, text("2probe"))
	c.expect(t, "3probe")
	session.Send(message("waits"), false)
	c.write(t, text("5")+text("4up"))
	c.expect(t, "4waits")
	c.expect(t, "4up")
	if session.Transport() != engineio.WebTransport {
		t.Error(session.Transport())
	}
	if status, body := j.get("&sid=" + sid); status != 400 || !strings.Contains(body, `"code":3`) {
		t.Errorf("polling then: %d %s", status, body)
	}
	second := j.open(fmt.Sprintf(`0{"sid":%q}`, sid), "")
	second.farewell(t)
	c.write(t, text("4still here"))
	c.expect(t, "4still here")
}

// A candidate that fails leaves polling alone; an unknown session is nobody's.
func TestWebTransportCandidatesThatFail(t *testing.T) {
	j := joinWebTransport(t, nil)
	sid := j.poll()
	garbage := j.open(fmt.Sprintf(`0{"sid":%q}`, sid), text("4early"))
	garbage.farewell(t)
	unknown := j.open(`0{"sid":"aaaaaaaaaaaaaaaaaaaa"}`, "")
	unknown.farewell(t)
	session := j.srv.sessions.find(sid)
	session.Send(message("polled"), false)
	if status, body := j.get("&sid=" + sid); status != 200 || body != "4polled" {
		t.Errorf("%d %s", status, body)
	}
}

// PROTOCOL 1.3: polling clients are told of it, if it is enabled.
func TestWebTransportIsAnUpgrade(t *testing.T) {
	j := joinWebTransport(t, nil)
	if _, body := j.get(""); !strings.Contains(body, `"upgrades":["websocket","webtransport"]`) {
		t.Error(body)
	}
}

// Origins, admission and limits bind WebTransport as everything else.
func TestWebTransportIsBound(t *testing.T) {
	t.Run("origin", func(t *testing.T) {
		j := joinWebTransport(t, func(c *Config) { c.HTTP.AllowedOrigins = []string{"https://app.example"} })
		for origin, want := range map[string]int{"https://app.example": 200, "https://evil.example": 403} {
			if _, status, _ := j.dial("/engine.io/", http.Header{"Origin": {origin}}); status != want && (want == 200) == (status != 200) {
				t.Errorf("%s: %d", origin, status)
			}
		}
	})
	t.Run("admission", func(t *testing.T) {
		j := joinWebTransport(t, func(c *Config) {
			c.MaxSessionsPerAddress = 2
			c.HTTP.Admit = func(_ context.Context, r *http.Request) error {
				if strings.Contains(r.RequestURI, "polling") {
					return nil
				}
				return errors.New("no")
			}
		})
		for range 3 { // what is refused keeps no place in the limits
			j.open("0", "").farewell(t)
		}
		if n := j.srv.stats.RefusedFor[RefusedAdmission].Load(); n != 3 {
			t.Errorf("counted %d", n)
		}
		sid := j.poll() // an upgrade begins no session: nobody is asked
		c := j.open(fmt.Sprintf(`0{"sid":%q}`, sid), "")
		c.write(t, text("2probe"))
		c.expect(t, "3probe")
	})
	t.Run("sessions of an address", func(t *testing.T) {
		j := joinWebTransport(t, func(c *Config) { c.MaxSessionsPerAddress = 1 })
		first := j.open("0", "")
		first.next(t)
		j.open("0", "").farewell(t)
		if n := j.srv.stats.LimitedSessions.Load(); n != 1 {
			t.Errorf("counted %d", n)
		}
		j.srv.Sessions()[0].Close()
		<-j.app.ends
		first.farewell(t)
		third := j.open("0", "")
		third.next(t)
	})
}

// The question about a client ends with it, and what one has sent meanwhile is heard when it is let in.
func TestWebTransportAdmissionTakesItsTime(t *testing.T) {
	asked, answer, ended := make(chan struct{}), make(chan error), make(chan error, 1)
	j := joinWebTransport(t, func(c *Config) {
		c.HTTP.AdmitTimeout = answerTimeout
		c.HTTP.Admit = func(ctx context.Context, _ *http.Request) error {
			asked <- struct{}{}
			select {
			case err := <-answer:
				return err
			case <-ctx.Done():
				ended <- ctx.Err()
				return nil
			}
		}
	})
	gone := j.open("0", "")
	<-asked
	_ = gone.session.CloseWithError(0, "")
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	late := j.open("0", text("4early"))
	<-asked
	if n := j.srv.Len(); n != 0 {
		t.Errorf("%d sessions", n)
	}
	answer <- nil
	if open, _ := late.next(t); !strings.HasPrefix(open, `0{"sid"`) {
		t.Errorf("%q", open)
	}
	late.expect(t, "4early")
}

func TestWebTransportNeedsACertificate(t *testing.T) {
	if _, err := NewServer(Config{
		OnSession:  func(*Session) Handler { return mute{} },
		Transports: []engineio.Transport{engineio.WebTransport},
	}); err == nil || !strings.Contains(err.Error(), "WebTransportTLS") {
		t.Error(err)
	}
	srv, _ := serving(t, "", Config{})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.ServeWebTransport(pc); err == nil {
		t.Error("it is served without being enabled")
	}
}

// poll begins a polling session and returns its id.
func (j *joined) poll() string {
	j.t.Helper()
	_, body := j.get("")
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &open); err != nil {
		j.t.Fatalf("%q: %v", body, err)
	}
	return open.SID
}

func (j *joined) get(more string) (int, string) {
	j.t.Helper()
	c, err := net.Dial("tcp", j.tcp)
	if err != nil {
		j.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET /engine.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", more)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		j.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		j.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
