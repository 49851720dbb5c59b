package wsedge

import (
	"bytes"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// The further inputs of PROTOCOL 9 that come below Socket.IO: bombs, requests that take their time, and names that are
// broken or crafted. Those of Socket.IO stand in floods_test.go.

// bomb is the payload of a message that becomes n zeros.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range n >> 20 {
		_, _ = w.Write(zeros)
	}
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")) // RFC 7692 7.2.1
}

// Bombs from many clients at once cost what the limit allows, not what they would become.
func TestFurtherInput_DeflateBomb_FromManyClients(t *testing.T) {
	const clients, size = 20, 50 << 20
	h := start(t, func(c *Config) { c.Deflate.Enabled = true })
	b := h.bystander()
	payload := bomb(t, size)
	bombs := func() {
		var all sync.WaitGroup
		for range clients {
			p, resp, _ := h.says(upgradeHead("EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
			if !strings.HasPrefix(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
				t.Fatal(resp.Header)
			}
			p.next()
			all.Go(func() {
				f := ws.NewFrame(ws.OpBinary, true, bytes.Clone(payload))
				f.Header.Rsv = ws.Rsv(true, false, false)
				if err := ws.WriteFrame(p.conn, ws.MaskFrame(f)); err != nil {
					t.Error(err)
				}
				if got := p.next(); got != "close 1009" {
					t.Error(got)
				}
				p.conn.Close()
			})
		}
		all.Wait()
	}
	bombs()
	before := heap()
	const each = 8 << 20 // allocated by a bomb, the test's copy included
	if n := allocated(bombs); n > clients*each {
		t.Errorf("%d bytes were allocated for %d bombs of %d", n, clients, size)
	}
	if grown := heap() - before; grown > each {
		t.Errorf("%d bytes stay", grown)
	}
	b.isWell()
}

// dribble sends text at a byte a second, until it cannot.
func dribble(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		<-time.After(time.Second)
	}
}

// dribbling is a connection that sends a byte a second.
type dribbling struct{ net.Conn }

func (d dribbling) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		<-time.After(time.Second)
	}
	return len(b), nil
}

// A POST whose body comes a byte at a time is given up as one that does not come, however much of it is announced, and its
// session with it.
func TestFurtherInput_SlowPost(t *testing.T) {
	for name, c := range map[string]struct{ headers, body string }{
		"length": {"Content-Length: 1000\r\n", strings.Repeat("4", 1000)},
		"chunks": {"Transfer-Encoding: chunked\r\n", strings.Repeat("1\r\n4\r\n", 1000)},
		"a size": {"Transfer-Encoding: chunked\r\n", strings.Repeat("0", 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				p := h.openPolling()
				p.post("40")
				h.event(rooms.KindConnected)
				conn := patientConn(t, h)
				fmt.Fprintf(conn, "POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\n%s\r\n", p.query(), c.headers)
				go dribble(conn, c.body)
				if said := endsWithin(t, conn, 0, 31*time.Second); said != "" && !strings.HasPrefix(said, "HTTP/1.1 4") {
					t.Errorf("answered %.100q", said)
				}
				if e := h.event(rooms.KindDisconnected); e.Reason != rooms.ReasonTransportError {
					t.Error(describe(e))
				}
				<-time.After(2 * time.Second) // the dribble notices
			})
		})
	}
}

// Many POSTs that wait for their bodies cost nobody else a thing, and all end.
func TestFurtherInput_SlowPost_Many(t *testing.T) {
	const many = 200
	virtually(t, func(t *testing.T, h *harness) {
		good, _ := h.join("/")
		var slow []net.Conn
		for range many {
			p := h.openPolling()
			c := patientConn(t, h)
			fmt.Fprintf(c, "POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n4", p.query())
			slow = append(slow, c)
		}
		good.send(`42["still"]`)
		h.event(rooms.KindEvent)
		for _, c := range slow {
			endsWithin(t, c, 0, 31*time.Second)
		}
		h.until(func() bool { return h.server.Stats().Sessions == 1 })
		good.conn.Close()
		h.event(rooms.KindDisconnected)
	}, func(c *Config) { c.PingInterval = time.Hour })
}

// A head that comes a byte at a time is given up, the first of a connection and a later one, whichever way it takes.
func TestFurtherInput_SlowHead(t *testing.T) {
	flood := strings.Repeat("X-Y: z\r\n", 1000)
	for name, c := range map[string]struct{ first, slow string }{
		"for the fast way":     {"", "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n" + flood},
		"for net/http":         {"", "GET /elsewhere HTTP/1.1\r\nHost: x\r\n" + flood},
		"after another":        {"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" + flood},
		"begun with the first": {"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\nGET /soc", "ket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + flood},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, h *harness) {
				conn := patientConn(t, h)
				go func() {
					_, _ = io.WriteString(conn, c.first)
					dribble(conn, c.slow)
				}()
				endsWithin(t, conn, 10*time.Second, 20*time.Second) // those who hand it on and who takes it have the time each
				<-time.After(2 * time.Second)                       // the dribble notices
			})
		})
	}
}

// A TLS handshake that takes too long is given up, and the time for it is that of the head as well.
func TestFurtherInput_SlowTLSHandshake(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // of its certificate; outside of virtual time
	defer lender.Close()
	for name, say := range map[string]func(net.Conn){
		"nothing":     func(net.Conn) {},
		"half a word": func(c net.Conn) { _, _ = io.WriteString(c, "\x16\x03\x01\x02") },
		"slowly":      func(c net.Conn) { _ = tls.Client(dribbling{c}, &tls.Config{InsecureSkipVerify: true}).Handshake() },
		"slow head": func(c net.Conn) {
			client := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			if err := client.Handshake(); err != nil {
				t.Error(err)
			}
			go io.Copy(io.Discard, client) // its close is waited for a little
			dribble(client, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipeListener()
				h := startOn(t, tls.NewListener(l, &tls.Config{Certificates: lender.TLS.Certificates}), l.dial,
					func(c *Config) { c.Engine = "portable" })
				c := patientConn(t, h)
				began := time.Now()
				said := make(chan struct{})
				go func() {
					defer close(said)
					say(c)
				}()
				if name != "slowly" && name != "slow head" { // those read for themselves
					endsWithin(t, c, 10*time.Second, 11*time.Second)
				}
				<-said
				h.until(func() bool { return h.server.Stats().PendingHeads == 0 })
				if d := time.Since(began); d > 12*time.Second || h.server.Stats().HeadsFailed != 1 {
					t.Errorf("after %v: %+v", d, h.server.Stats())
				}
			})
		})
	}
}

// Percent escapes that are none stand for themselves, wherever in the query they are, on every way in (PROTOCOL 1.1); in a
// path they are no request.
func TestFurtherInput_BadPercentEscapes(t *testing.T) {
	h := start(t)
	b := h.bystander()
	for query, want := range map[string]string{
		"EIO=4&transport=TRANSPORT&x=%":     "",
		"EIO=4&transport=TRANSPORT&x=%zz%4": "",
		"EIO=4&transport=TRANSPORT&%=%&%zz": "",
		"EIO=4&transport=TRANSPORT&x=%00":   "",
		"EIO=4&transport=TRANSPORT&x=%ff%C": "",
		"EIO=%34&transport=TRANSPORT":       "",
		"EIO=4%&transport=TRANSPORT":        "Unsupported protocol version",
		"EIO=%4&transport=TRANSPORT":        "Unsupported protocol version",
		"EIO=4&transport=TRANSPORT%":        "Transport unknown",
		"EIO=4&transport=%zzTRANSPORT":      "Transport unknown",
		"EIO=4&transport=TRANSPORT%00":      "Transport unknown",
		"EIO=4&transport=TRANSPORT&sid=%":   "Session ID unknown",
		"EIO=4&transport=TRANSPORT&sid=%0":  "Session ID unknown",
		"EIO=4&transport=TRANSPORT&%73id=%": "Session ID unknown",
	} {
		p, resp, body := h.says("GET /socket.io/?" + strings.Replace(query, "TRANSPORT", "polling", 1) + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if want == "" && (resp.StatusCode != 200 || !strings.HasPrefix(body, `0{"sid":"`)) ||
			want != "" && (resp.StatusCode != 400 || !strings.Contains(body, `"message":"`+want+`"}`)) {
			t.Errorf("%s: %s %s", query, resp.Status, body)
		}
		p.conn.Close()
		for way, headers := range waysToUpgrade {
			p, resp, body := h.says(upgradeHead(strings.Replace(query, "TRANSPORT", "websocket", 1), headers))
			if want == "" && resp.StatusCode != 101 || want != "" && (resp.StatusCode != 400 || body != want) {
				t.Errorf("%s, %s: %s %s", way, query, resp.Status, body)
			}
			if resp.StatusCode == 101 {
				p.next()
				p.connect("/", "")
				if e := h.event(rooms.KindConnected); e.Info.Handshake.Query != strings.Replace(query, "TRANSPORT", "websocket", 1) {
					t.Errorf("services see %s", e.Info.Handshake.Query)
				}
				p.frame(ws.OpClose, nil)
				h.event(rooms.KindDisconnected)
			}
			p.conn.Close()
		}
	}
	for _, path := range []string{"/socket.io/%", "/socket.io/%zz/", "/%2/socket.io/"} {
		for _, raw := range []string{path + "?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", path + "?EIO=4 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"} {
			if _, resp, _ := h.says("GET " + raw); resp.StatusCode != 400 {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
	}
	b.isWell()
}

// A callback of JSONP has nothing but digits of what was asked for, and what is said in it ends neither the string nor the
// script, in either revision (PROTOCOL 2.4).
func TestFurtherInput_JSONPCallbackInjection_AtTheServer(t *testing.T) {
	script := regexp.MustCompile(`^___eio\[[0-9]*\]\("(?:[^"\\\x{2028}\x{2029}]|\\.)*"\);$`)
	h := start(t, allowOld)
	b := h.bystander()
	for _, revision := range []string{"3", "4"} {
		for _, index := range []string{"0", "0];alert(1);//", "](1);alert`1`;x[", "__proto__", "０", "0\r\nX-Evil: 1", "0\u20281", "</script>"} {
			p := h.poller()
			query := "EIO=" + revision + "&transport=polling&j=" + url.QueryEscape(index)
			ask := func(query string) string {
				resp, err := p.client.Get("http://x/socket.io/?" + query)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || // as the reference has it
					resp.Header.Get("X-Evil") != "" || !script.Match(body) {
					t.Errorf("revision %s, %q: %s %v %s", revision, index, resp.Status, resp.Header, body)
				}
				return string(body)
			}
			query += "&sid=" + strings.Trim(between(ask(query), "sid", "upgrades"), `\":,`)
			if revision == "4" {
				p.do("POST", query, "d=40")
			}
			e := h.event(rooms.KindConnected)
			if revision == "4" {
				ask(query)
			}
			h.emit("/", rooms.Target{Sockets: []rooms.SocketID{e.Socket}}, "x", "\"\\\"\\\\\u2028\u2029</script>\"")
			if got := ask(query); !strings.Contains(got, `\u2028`) {
				t.Errorf("revision %s: %s", revision, got)
			}
			p.do("POST", query, map[string]string{"3": "d=1%3A1", "4": "d=1"}[revision])
			h.event(rooms.KindDisconnected)
		}
	}
	b.isWell()
}

// Candidates of one session that all stay are each ended but the first, which can still take over; nothing is lost.
func TestFurtherInput_UpgradeFlood_CandidatesThatStay(t *testing.T) {
	h := start(t)
	b := h.bystander()
	p, first := upgrading(t, h)
	before := heap()
	for i := range 500 {
		w := h.webSocket(p.upgradeQuery())
		if i%2 == 0 {
			_ = ws.WriteFrame(w.conn, ws.MaskFrame(ws.NewTextFrame([]byte("2probe")))) // may be too late
		}
		w.expect("close 1005")
		w.conn.Close()
	}
	const bound = 4 << 20
	if grown := heap() - before; grown > bound {
		t.Errorf("%d bytes more", grown)
	}
	h.emit("/", rooms.Target{}, "meanwhile", "1")
	first.send("5")
	first.expect(`42["meanwhile",1]`)
	if n := h.server.Stats(); n.Upgrades != 1 || n.Sessions != 2 {
		t.Errorf("%d upgrades, %d sessions", n.Upgrades, n.Sessions)
	}
	b.isWell()
}
