package netpoll

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// fixture is one engine with one kind of connection.
type fixture struct {
	name string
	cfg  Config
	pair func(t testing.TB) (server, client net.Conn)
	tcp  bool // the connections are plain TCP
}

// fixtures is every engine with every kind of connection that it drives.
func fixtures() []fixture {
	tcp := func(t testing.TB) (net.Conn, net.Conn) { s, c := tcpPair(t); return s, c }
	fs := []fixture{
		{name: "portable tcp", cfg: Config{Kind: KindPortable}, pair: tcp, tcp: true},
		{name: "portable pipe", cfg: Config{Kind: KindPortable}, pair: pipePair},
		{name: "portable tls", cfg: Config{Kind: KindPortable}, pair: tlsPair},
	}
	if runtime.GOOS == "linux" {
		fs = append(fs,
			fixture{name: "loops tcp", cfg: Config{Kind: KindLoops, Loops: 2}, pair: tcp, tcp: true},
			fixture{name: "loops pipe", cfg: Config{Kind: KindLoops, Loops: 1}, pair: pipePair})
	}
	return fs
}

// each runs f with an engine of each fixture, which is shut down afterwards.
func each(t *testing.T, f func(t *testing.T, x fixture, e Engine)) {
	for _, x := range fixtures() {
		t.Run(x.name, func(t *testing.T) { f(t, x, x.engine(t)) })
	}
}

func eachTCP(t *testing.T, f func(t *testing.T, x fixture, e Engine)) {
	for _, x := range fixtures() {
		if x.tcp {
			t.Run(x.name, func(t *testing.T) { f(t, x, x.engine(t)) })
		}
	}
}

func (x fixture) engine(t testing.TB) Engine {
	cfg := x.cfg
	cfg.SweepEvery, cfg.Logger = 10*time.Millisecond, quiet
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Shutdown()
		if n := e.Len(); n != 0 {
			t.Errorf("Len is %d after Shutdown", n)
		}
	})
	return e
}

// attach makes a connection that h hears and returns its other end.
func (x fixture) attach(t testing.TB, e Engine, h *hooks, early ...byte) net.Conn {
	t.Helper()
	server, client := x.pair(t)
	if err := e.Attach(server, early, h, h.bind); err != nil {
		t.Fatal(err)
	}
	return client
}

func pipePair(t testing.TB) (server, client net.Conn) {
	server, client = net.Pipe()
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

func tlsPair(t testing.TB) (server, client net.Conn) {
	s, c := tcpPair(t)
	ts := tls.Server(s, serverTLS())
	tc := tls.Client(c, clientTLS())
	done := make(chan error, 1)
	go func() { done <- ts.Handshake() }()
	if err := errors.Join(tc.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); c.Close() })
	return ts, tc
}

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true}
}

// serverTLS has a certificate of its own.
var serverTLS = sync.OnceValue(func() *tls.Config {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// outbox writes as a session does: at once, or behind what waits already.
type outbox struct {
	mu   sync.Mutex
	conn Conn
	wait []byte
	full chan struct{} // told when the connection would block
}

func (o *outbox) write(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wait = append(o.wait, p...)
	o.flush()
}

func (o *outbox) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
}

func (o *outbox) flush() {
	n, err := o.conn.TryWrite(o.wait)
	if o.wait = o.wait[n:]; err == nil && len(o.wait) > 0 {
		o.conn.Arm()
		select {
		case o.full <- struct{}{}:
		default:
		}
	}
}

// echo makes h send back what it reads.
func echo(h *hooks) *outbox {
	o := &outbox{full: make(chan struct{}, 1)}
	h.read = func(p []byte) {
		o.mu.Lock()
		o.conn = h.conn
		o.mu.Unlock()
		o.write(p)
	}
	h.writable = o.drain
	return o
}

// pattern is n bytes that show a loss or a swap.
func pattern(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := 0; len(b) < n; i++ {
		b = append(b, byte(i>>16), byte(i>>8), byte(i), '.')
	}
	return b[:n]
}

// sameBytes fails the test where the two differ first.
func sameBytes(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Fatalf("got %d bytes, want %d; they differ at %d", len(got), len(want), i)
	}
}
