package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// arrival is one call of Accept.
type arrival struct {
	conn  net.Conn
	sid   string
	info  *Handshake
	early string
}

// wtFixture is a webTransportServer on a socket of its own, and its clients.
type wtFixture struct {
	t        testing.TB
	srv      *webTransportServer
	address  string
	arrivals chan arrival
	served   chan error
	roots    *x509.CertPool
	idle     time.Duration // of clients
}

// testCertificate makes a self-signed certificate as browsers take it by its hash: ECDSA, valid for less than 14 days.
func testCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// startWebTransport serves until the test ends. change may be nil.
func startWebTransport(t testing.TB, change func(*webTransportConfig)) *wtFixture {
	t.Helper()
	certificate, roots := testCertificate(t)
	f := &wtFixture{t: t, arrivals: make(chan arrival, 64), served: make(chan error, 1), roots: roots, idle: time.Minute}
	cfg := webTransportConfig{
		TLS:  &tls.Config{Certificates: []tls.Certificate{certificate}},
		Ours: func(r *http.Request) bool { return strings.HasPrefix(r.RequestURI, "/engine.io/") },
		Handshake: func(r *http.Request) *Handshake {
			return &Handshake{Address: hostOf(r.RemoteAddr), URL: r.RequestURI, Secure: r.TLS != nil, CrossDomain: r.Header.Get("Origin") != ""}
		},
		Accept: func(c net.Conn, sid string, h *Handshake, early []byte) {
			f.arrivals <- arrival{c, sid, h, string(early)}
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	srv, err := newWebTransportServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.srv, f.address = srv, socket.LocalAddr().String()
	go func() { f.served <- srv.Serve(socket) }()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = srv.Shutdown(now)
		if err := <-f.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

// dial makes a session, or returns what came instead.
func (f *wtFixture) dial(path string, header http.Header) (*webtransport.Session, int, error) {
	transport := &webtransport.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.roots, ServerName: "localhost", NextProtos: []string{"h3"}},
		QUICConfig:      &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true, MaxIdleTimeout: f.idle},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, session, err := transport.Dial(ctx, "https://"+f.address+path, header)
	status := 0
	if answer != nil {
		status = answer.StatusCode
	}
	if err == nil {
		f.t.Cleanup(func() { _ = session.CloseWithError(0, "") })
	}
	return session, status, err
}

// client is one that has a stream.
type wtClient struct {
	session *webtransport.Session
	stream  *webtransport.Stream
}

// open makes a session and sends text as its first packet, and raw right behind it.
func (f *wtFixture) open(text, raw string) *wtClient {
	f.t.Helper()
	session, _, err := f.dial("/engine.io/", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	stream, err := session.OpenStream()
	if err != nil {
		f.t.Fatal(err)
	}
	c := &wtClient{session, stream}
	c.write(f.t, string(engineio.AppendStreamHeader(nil, false, len(text)))+text+raw)
	return c
}

func (c *wtClient) write(t testing.TB, raw string) {
	t.Helper()
	if _, err := c.stream.Write([]byte(raw)); err != nil {
		t.Fatal(err)
	}
}

// arrived is what Accept was given.
func (f *wtFixture) arrived() arrival {
	f.t.Helper()
	select {
	case a := <-f.arrivals:
		return a
	case <-time.After(patience):
		f.t.Fatal("nobody arrived")
		return arrival{}
	}
}

// gone waits for the end of a session and returns why it ended.
func (c *wtClient) gone(t *testing.T) error {
	t.Helper()
	select {
	case <-c.session.Context().Done():
	case <-time.After(patience):
		t.Fatal("the session goes on")
	}
	_, err := c.session.AcceptStream(context.Background())
	return err
}

func appCode(code uint64) quic.ApplicationErrorCode { return quic.ApplicationErrorCode(code) }

// bare is the server's net.Conn of a client, and the QUIC connection that is under it at the client's.
func (f *wtFixture) bare() (net.Conn, *quic.Conn) {
	f.t.Helper()
	conn, err := f.connect()
	if err != nil {
		f.t.Fatal(err)
	}
	client, err := new(webtransport.Transport).NewClientConn(conn)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, session, err := client.Dial(ctx, "https://"+f.address+"/engine.io/", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	stream, err := session.OpenStream()
	if err != nil {
		f.t.Fatal(err)
	}
	(&wtClient{session, stream}).write(f.t, text("0"))
	return f.arrived().conn, conn
}
