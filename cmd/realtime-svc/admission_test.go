package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// doorman attaches a service that answers each question with what decide makes of it, or does not answer for nil. The
// questions come by the channel. It ends with the test's context.
func doorman(
	t *testing.T, p *Process, as *realtime.AdmitAttach, decide func(*realtime.AdmitQuestion) *realtime.AdmitAnswer,
) <-chan *realtime.AdmitQuestion {
	t.Helper()
	stream, err := realtime.NewAdmissionServiceClient(dial(t, p)).Admit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&realtime.AdmitRequest{Message: &realtime.AdmitRequest_Attach{Attach: as}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan *realtime.AdmitQuestion, 100)
	go func() { // ends with the stream
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			q := r.GetQuestion()
			asked <- q
			if answer := decide(q); answer != nil {
				answer.QuestionId = q.GetId()
				_ = stream.Send(&realtime.AdmitRequest{Message: &realtime.AdmitRequest_Answer{Answer: answer}})
			}
		}
	}()
	return asked
}

func yes(*realtime.AdmitQuestion) *realtime.AdmitAnswer {
	return &realtime.AdmitAnswer{Verdict: &realtime.AdmitAnswer_Accept{Accept: &realtime.AdmitAccept{}}}
}

func no(*realtime.AdmitQuestion) *realtime.AdmitAnswer {
	return &realtime.AdmitAnswer{Verdict: &realtime.AdmitAnswer_Refuse{Refuse: &realtime.AdmitRefuse{Message: "the service's words"}}}
}

func silence(*realtime.AdmitQuestion) *realtime.AdmitAnswer { return nil }

// shakes makes a handshake and returns the status and the body, or nothing for one that is let in.
func shakes(t *testing.T, p *Process, transport, more string) string {
	t.Helper()
	c, err := net.Dial("tcp", p.Addrs().Edge.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if transport == "websocket" {
		more += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	_, _ = fmt.Fprintf(c, "GET /socket.io/?EIO=4&transport=%s HTTP/1.1\r\nHost: h\r\n%s\r\n", transport, more)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode == http.StatusOK {
		return ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

// Both policies, with everybody who may be attached or not: what becomes of a client that wants to begin a session, and then
// of its CONNECT.
func TestAdmissionPolicies(t *testing.T) {
	const (
		in, unavailable, timedOut, words = "", "admission unavailable", "admission timed out", "the service's words"
		allow, deny                      = "allow", "deny"
	)
	for _, c := range []struct {
		handshakes, sockets string // the policies
		attached            string
		decide              func(*realtime.AdmitQuestion) *realtime.AdmitAnswer
		handshake, connect  string // what the client hears
	}{
		{allow, allow, "nobody", nil, in, in},
		{allow, deny, "nobody", nil, in, unavailable},
		{deny, allow, "nobody", nil, unavailable, ""},
		{deny, deny, "nobody", nil, unavailable, ""},

		{allow, allow, "namespaces", yes, in, in},
		{allow, deny, "namespaces", yes, in, in},
		{deny, allow, "namespaces", yes, unavailable, ""},
		{deny, deny, "namespaces", yes, unavailable, ""},
		{allow, allow, "namespaces", no, in, words},
		{allow, deny, "namespaces", no, in, words},
		{allow, allow, "namespaces", silence, in, timedOut},
		{allow, deny, "namespaces", silence, in, timedOut},
		{deny, allow, "namespaces", silence, unavailable, ""},

		{allow, allow, "handshakes", yes, in, in},
		{allow, deny, "handshakes", yes, in, unavailable},
		{deny, allow, "handshakes", yes, in, in},
		{deny, deny, "handshakes", yes, in, unavailable},
		{allow, allow, "handshakes", no, words, ""},
		{deny, deny, "handshakes", no, words, ""},
		{allow, allow, "handshakes", silence, timedOut, ""},
		{deny, deny, "handshakes", silence, timedOut, ""},

		{allow, allow, "both", yes, in, in},
		{allow, deny, "both", yes, in, in},
		{deny, allow, "both", yes, in, in},
		{deny, deny, "both", yes, in, in},
		{allow, allow, "both", no, words, ""},
		{allow, allow, "both", silence, timedOut, ""},
		{deny, deny, "both", silence, timedOut, ""},
	} {
		name := fmt.Sprintf("%s, %s, %s, hears %q and %q", c.handshakes, c.sockets, c.attached, c.handshake, c.connect)
		t.Run(name, func(t *testing.T) {
			p := start(t, func(cfg *Config) {
				cfg.Namespaces = []string{"/", "/other"}
				cfg.HandshakePolicy, cfg.AdmissionPolicy, cfg.AdmissionTimeout = c.handshakes, c.sockets, time.Second
				if c.handshake == timedOut || c.connect == timedOut {
					cfg.AdmissionTimeout = 10 * time.Millisecond
				}
			})
			defer stopped(t, p)
			if as := (map[string]*realtime.AdmitAttach{
				"namespaces": {Namespaces: []string{"/"}},
				"handshakes": {Namespaces: []string{"/other"}, Handshakes: true},
				"both":       {Handshakes: true},
			})[c.attached]; as != nil {
				doorman(t, p, as, c.decide)
			}
			if c.handshake == in {
				if got := shakes(t, p, "polling", "") + shakes(t, p, "websocket", ""); got != "" {
					t.Fatal(got)
				}
				answer := poll(t, p).connect("")
				if c.connect == in && !strings.HasPrefix(answer, `40{"sid":`) || c.connect != in && answer != `44{"message":"`+c.connect+`"}` {
					t.Errorf("CONNECT is answered %s", answer)
				}
				return
			}
			if got, want := shakes(t, p, "polling", ""), `403 {"code":4,"message":"`+c.handshake+`"}`; got != want {
				t.Errorf("polling: %s, want %s", got, want)
			}
			if got, want := shakes(t, p, "websocket", ""), "400 "+c.handshake; got != want { // PROTOCOL 1.2
				t.Errorf("WebSocket: %s, want %s", got, want)
			}
		})
	}
}

// A question about a handshake shows headers that nobody else sees.
func TestAdmissionHeaders(t *testing.T) {
	p := start(t, func(cfg *Config) {
		cfg.KeepHeaders, cfg.AdmissionHeaders = []string{"X-Kept"}, []string{"Cookie", "Authorization"}
	})
	defer stopped(t, p)
	asked := doorman(t, p, &realtime.AdmitAttach{Handshakes: true}, yes)
	for _, transport := range []string{"polling", "websocket"} {
		if got := shakes(t, p, transport, "Cookie: a=1\r\nX-Kept: k\r\nX-Other: o\r\n"); got != "" {
			t.Fatal(got)
		}
		q := (<-asked).GetHandshake()
		h := q.GetHandshake()
		if q.GetTransport() != transport || len(h.GetHeaders()) != 2 || h.GetHeaders()["cookie"] != "a=1" || h.GetHeaders()["x-kept"] != "k" ||
			h.GetQuery()["transport"] != transport || h.GetAddress() != "127.0.0.1" {
			t.Errorf("%s: %v", transport, q)
		}
	}
	c := poll(t, p) // with a cookie
	if got := (<-asked).GetHandshake().GetHandshake().GetHeaders()["cookie"]; got != "secret=1" {
		t.Errorf("cookie %q", got)
	}
	if got := c.connect(""); !strings.HasPrefix(got, "40") {
		t.Fatal(got)
	}
	if got := (<-asked).GetSocket().GetHandshake().GetHeaders(); len(got) != 0 {
		t.Errorf("the question about the socket shows %v", got)
	}
}

// Questions are bounded, and one whose client goes makes room.
func TestAdmissionMaxPending(t *testing.T) {
	p := start(t, func(cfg *Config) { cfg.AdmissionPending, cfg.AdmissionTimeout = 2, time.Minute })
	defer stopped(t, p)
	asked := doorman(t, p, &realtime.AdmitAttach{Handshakes: true}, silence)
	var waiting []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", p.Addrs().Edge.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		waiting = append(waiting, c)
		_, _ = io.WriteString(c, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n")
		<-asked
	}
	if got := shakes(t, p, "polling", ""); got != `403 {"code":4,"message":"admission overloaded"}` {
		t.Error(got)
	}
	_ = waiting[0].Close()
	for p.service.Admissions().Stats().Open > 1 {
		runtime.Gosched()
	}
	third, err := net.Dial("tcp", p.Addrs().Edge.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = third.Close() }()
	_, _ = io.WriteString(third, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n")
	<-asked
	if s := p.service.Admissions().Stats(); s.Withdrawn != 1 || s.Overloaded != 1 || s.Open != 2 {
		t.Errorf("%+v", s)
	}
}
