package wsedge

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// On a TLS listener all ways in work, and each tells that it was secure (PROTOCOL 4.2).
func TestTLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // of its certificate
	defer lender.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true}
	h := startOn(t, tls.NewListener(l, &tls.Config{Certificates: lender.TLS.Certificates}), func() (net.Conn, error) {
		return tls.Dial("tcp", l.Addr().String(), config)
	})
	p := h.openPolling()
	p.post("40")
	polling := h.event(rooms.KindConnected)
	fast := h.open()
	fast.connect("/", "")
	direct := h.event(rooms.KindConnected)
	slow := h.webSocket("EIO=4&transport=websocket&%61=b HTTP/1.1\r\nContent-Length: 0\r\nX: y") // not for the fast way
	slow.next()
	slow.connect("/", "")
	hijacked := h.event(rooms.KindConnected)
	for name, e := range map[string]*rooms.Event{"polling": polling, "fast": direct, "net/http": hijacked} {
		if hs := e.Info.Handshake; !hs.Secure || hs.Address != "127.0.0.1" {
			t.Errorf("%s: secure %v, address %s", name, hs.Secure, hs.Address)
		}
	}
	p.get()
	w := h.webSocket(p.upgradeQuery())
	w.send("2probe")
	w.expect("3probe")
	w.send("5")
	h.namespace("/").Emit(rooms.Target{}, &rooms.Message{Event: "x"})
	for _, peer := range []*peer{w, fast, slow} {
		peer.expect(`42["x"]`)
	}
}
