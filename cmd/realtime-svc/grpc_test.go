package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	realtime "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/service/access"
)

// signer signs certificates.
type signer struct {
	t    *testing.T
	pair tls.Certificate
	pem  []byte
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	s := &signer{t: t}
	s.pair, s.pem, _ = s.sign(&x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return s
}

// sign makes a certificate for both ends of connections to this machine: the signer's own as long as it has none.
func (s *signer) sign(template *x509.Certificate) (pair tls.Certificate, cert, key []byte) {
	s.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.DNSNames, template.IPAddresses = append(template.DNSNames, "localhost"), []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	parent, parentKey := template, any(private)
	if s.pair.Leaf != nil {
		parent, parentKey = s.pair.Leaf, s.pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, parentKey)
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		s.t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if pair, err = tls.X509KeyPair(cert, key); err != nil {
		s.t.Fatal(err)
	}
	return pair, cert, key
}

// serving makes the server's certificate of that serial number, and client one of a service.
func (s *signer) serving(serial int64) (cert, key []byte) {
	s.t.Helper()
	_, cert, key = s.sign(&x509.Certificate{SerialNumber: big.NewInt(serial)})
	return cert, key
}

func (s *signer) client(name string) tls.Certificate {
	s.t.Helper()
	pair, _, _ := s.sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}})
	return pair
}

// gRPCFixture is files for a Process whose gRPC has TLS.
type gRPCFixture struct {
	t                    *testing.T
	cert, key, ca, token string
	servers, services    *signer
	log                  lockedLog
	cfg                  Config
}

// lockedLog is a slog.Handler's output that tests may read while the Process writes it.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newGRPCFixture(t *testing.T) *gRPCFixture {
	t.Helper()
	dir := t.TempDir()
	f := &gRPCFixture{
		t: t, servers: newSigner(t), services: newSigner(t), cfg: onPortsOfTheirOwn(),
		cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), ca: filepath.Join(dir, "ca.crt"), token: filepath.Join(dir, "tokens.yaml"),
	}
	cert, key := f.servers.serving(1)
	f.replace(f.cert, cert)
	f.replace(f.key, key)
	f.replace(f.ca, f.services.pem)
	f.cfg.GRPCTLSCert, f.cfg.GRPCTLSKey, f.cfg.GRPCTLSClientCA = f.cert, f.key, f.ca
	return f
}

// replace replaces a file as a rename does.
func (f *gRPCFixture) replace(path string, content []byte) {
	f.t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		f.t.Fatal(err)
	}
}

// start runs a Process until the test ends.
func (f *gRPCFixture) start() *Process {
	f.t.Helper()
	p, err := NewProcess(f.cfg, slog.New(slog.NewTextHandler(&f.log, nil)))
	if err == nil {
		err = p.Start(f.t.Context())
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { stopped(f.t, p) })
	return p
}

// tls is what a client needs; with is its certificate, if it has one.
func (f *gRPCFixture) tls(with ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(f.servers.pair.Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: with, NextProtos: []string{"h2"}}
}

func (f *gRPCFixture) dial(p *Process, with ...tls.Certificate) *grpc.ClientConn {
	f.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+p.Addrs().GRPC.String(), grpc.WithTransportCredentials(credentials.NewTLS(f.tls(with...))))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func countAll(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := realtime.NewSocketServiceClient(conn).CountSockets(ctx, &realtime.CountSocketsRequest{Target: &realtime.Target{}})
	return err
}

// handshake connects and returns what the server has shown, once it has said that the client may in.
func handshake(p *Process, config *tls.Config) (tls.ConnectionState, error) {
	c, err := tls.Dial("tcp", p.Addrs().GRPC.String(), config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Read(make([]byte, 1)); err != nil { // its settings; with TLS 1.3 what it has against the certificate comes only now
		return tls.ConnectionState{}, err
	}
	return c.ConnectionState(), nil
}

func TestMutualTLS(t *testing.T) {
	f := newGRPCFixture(t)
	p := f.start()
	known := f.services.client("chat")
	if err := countAll(t.Context(), f.dial(p, known)); err != nil {
		t.Error(err)
	}
	for name, conn := range map[string]*grpc.ClientConn{
		"no certificate": f.dial(p), "a stranger's": f.dial(p, newSigner(t).client("chat")), "the server's signer's": f.dial(p, f.servers.client("chat")), "no TLS": dial(t, p),
	} {
		if err := countAll(t.Context(), conn); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		change func(*tls.Config)
		ok     bool
	}{
		{func(*tls.Config) {}, true},
		{func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }, false},
	} {
		config := f.tls(known)
		c.change(config)
		state, err := handshake(p, config)
		if (err == nil) != c.ok || err == nil && (state.NegotiatedProtocol != "h2" || state.DidResume) {
			t.Errorf("%v, %+v", err, state)
		}
	}
}

// Without who signs them, nobody is asked for a certificate.
func TestTLSAlone(t *testing.T) {
	f := newGRPCFixture(t)
	f.cfg.GRPCTLSClientCA = ""
	p := f.start()
	if err := countAll(t.Context(), f.dial(p)); err != nil {
		t.Error(err)
	}
}

// Certificates are replaced while calls go on: none fails, and new connections see the new ones.
func TestReloadUnderLoad(t *testing.T) {
	f := newGRPCFixture(t)
	p := f.start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	known := f.services.client("chat")
	over := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		conn := f.dial(p, known)
		callers.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					if err := countAll(ctx, conn); err != nil {
						t.Errorf("a call: %v", err)
						return
					}
				}
			}
		})
	}
	callers.Go(func() { // and on new connections
		for {
			select {
			case <-over:
				return
			default:
				conn := f.dial(p, known)
				if err := countAll(ctx, conn); err != nil {
					t.Errorf("a call on a new connection: %v", err)
				}
				_ = conn.Close()
			}
		}
	})
	serial := func() int64 {
		state, err := handshake(p, f.tls(known))
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	for _, next := range []int64{2, 3} {
		cert, key := f.servers.serving(next)
		f.replace(f.cert, cert) // for a moment the two do not fit
		f.replace(f.key, key)
		for serial() != next {
			if ctx.Err() != nil {
				t.Fatal("the new certificate is not served")
			}
		}
	}
	f.replace(f.cert, []byte("broken"))
	for !strings.Contains(f.log.String(), "TLS certificate not replaced") {
		if got := serial(); got != 3 || ctx.Err() != nil {
			t.Fatalf("certificate %d", got)
		}
	}
	if got := serial(); got != 3 {
		t.Errorf("certificate %d", got)
	}
	close(over)
	callers.Wait()
}

// Who signs clients' certificates is replaced, too: those of the one before get no new connection, nor do they resume one.
func TestReloadOfClientCA(t *testing.T) {
	f := newGRPCFixture(t)
	p := f.start()
	next := newSigner(t)
	before, after := f.tls(f.services.client("chat")), f.tls(next.client("chat"))
	before.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if _, err := handshake(p, before); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{"", "hello", string(next.pem) + "hello", string(next.pem[:len(next.pem)/2])} {
		if _, err := loadPool(f.write("broken.pem", broken)); err == nil {
			t.Errorf("%.40q is taken", broken)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	becomes := func(config *tls.Config, good bool) {
		t.Helper()
		for {
			_, err := handshake(p, config)
			if (err == nil) == good {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("the handshake still ends with %v", err)
			}
		}
	}
	f.replace(f.ca, append(bytes.Clone(f.services.pem), next.pem...))
	becomes(after, true)
	if _, err := handshake(p, before); err != nil {
		t.Errorf("while both sign: %v", err)
	}
	f.replace(f.ca, next.pem)
	becomes(before, false)
	if _, err := handshake(p, after); err != nil {
		t.Error(err)
	}
}

func (f *gRPCFixture) write(name, content string) string {
	f.t.Helper()
	path := filepath.Join(filepath.Dir(f.cert), name)
	f.replace(path, []byte(content))
	return path
}

// A caller whose token is taken away loses its streams soon; a certificate can name a caller, too.
func TestTokensOfTheProcess(t *testing.T) {
	f := newGRPCFixture(t)
	const mesh, chat = "- {name: mesh, certificate: mesh, methods: [CountSockets]}\n", "- {name: chat, token: the-token-of-chat}\n"
	f.cfg.GRPCTokens = f.write("tokens.yaml", mesh+chat)
	p := f.start()
	conn := f.dial(p, f.services.client("mesh"))
	withToken := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer the-token-of-chat")
	watch := func(ctx context.Context) (realtime.EventService_WatchClient, error) {
		stream, err := realtime.NewEventServiceClient(conn).Watch(ctx, &realtime.WatchRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return stream, err
	}
	if err := countAll(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if _, err := watch(t.Context()); status.Code(err) != codes.PermissionDenied || reason(err) != "METHOD_NOT_ALLOWED" {
		t.Errorf("by its certificate: %v", err)
	}
	stream, err := watch(withToken)
	if err != nil {
		t.Fatal(err)
	}
	f.write("tokens.yaml", mesh)
	if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated || reason(err) != "TOKEN_INVALID" {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := watch(withToken); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the next one: %v", err)
	}
	if strings.Contains(f.log.String(), "the-token-of-chat") {
		t.Errorf("the log shows a token: %s", f.log.String())
	}
}

func TestGRPCFilesAtTheStart(t *testing.T) {
	f := newGRPCFixture(t)
	for name, c := range map[string]struct {
		edit func(*Config)
		want string // FILE stands for the folder of the files
	}{
		"certificate": {func(c *Config) { c.GRPCTLSKey = f.ca }, "--grpc-tls-cert: TLS certificate FILE/tls.crt with key FILE/ca.crt: tls: "},
		"client CA":   {func(c *Config) { c.GRPCTLSClientCA = f.key }, "--grpc-tls-cert: FILE/tls.key: certificate 1: "},
		"no file":     {func(c *Config) { c.GRPCTLSClientCA = f.ca + "x" }, "--grpc-tls-cert: open FILE/ca.crtx: no such file or directory"},
		"no tokens":   {func(c *Config) { c.GRPCTokens = f.token }, "--grpc-tokens: open FILE/tokens.yaml: no such file or directory"},
		"tokens": {
			func(c *Config) { c.GRPCTokens = f.write("bad.yaml", "- {name: a b, token: x}") },
			"--grpc-tokens: FILE/bad.yaml: line 1: name has 1 to 64 letters, digits, '.', '_' and '-'\n--grpc-tokens: FILE/bad.yaml: line 1: token has ",
		},
		"certificate without CA": {
			func(c *Config) {
				c.GRPCTLSClientCA, c.GRPCTokens = "", f.write("mesh.yaml", "- {name: a, certificate: x}")
			},
			"--grpc-tokens: FILE/mesh.yaml: line 1: certificate needs client certificates, which the server does not ask for",
		},
	} {
		cfg := f.cfg
		c.edit(&cfg)
		_, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
		if want := strings.ReplaceAll(c.want, "FILE", filepath.Dir(f.cert)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettingsOfGRPCReachTheGuard(t *testing.T) {
	f := newGRPCFixture(t)
	f.cfg.GRPCTokens = f.write("tokens.yaml", "[]")
	f.cfg.GRPCRate, f.cfg.GRPCBurst, f.cfg.GRPCMaxStreams = 1, 2, 3
	p, err := NewProcess(f.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.edge.Shutdown(t.Context()) }()
	want := access.Config{TokensFile: f.cfg.GRPCTokens, Certificates: true, Rate: 1, Burst: 2, MaxStreams: 3, Logger: p.logger}
	if got := p.accessConfig(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Each limit that has a setting works through it.
func TestLimitsOfGRPC(t *testing.T) {
	p := start(t, func(c *Config) { c.GRPCRate, c.GRPCBurst = 1, 3 })
	defer stopped(t, p)
	conn := dial(t, p)
	var err error
	for n := 0; err == nil; n++ {
		if err = countAll(t.Context(), conn); err == nil && n > 1000 {
			t.Fatal("no limit")
		}
	}
	if status.Code(err) != codes.ResourceExhausted || reason(err) != "RATE_LIMITED" {
		t.Error(err)
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:9090": true, "127.8.8.8:1": true, "[::1]:9090": true, "localhost:9090": true, "[::ffff:127.0.0.1]:1": true,
		":9090": false, "0.0.0.0:9090": false, "[::]:9090": false, "10.0.0.1:1": false, "example.com:1": false, "localhost.example.com:1": false, "9090": false,
	} {
		if got := loopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// What keeps strangers out, or says that nothing need do so, is enough for an address that they reach.
func TestReachableAddress(t *testing.T) {
	for args, want := range map[string]bool{
		"":                                false,
		"--grpc-insecure":                 true,
		"--no-grpc-insecure":              false,
		"--grpc-tokens=/t":                true,
		"--grpc-tls-client-ca=/a":         true,
		"--grpc-max-streams-per-caller=1": false,
	} {
		all := append(strings.Fields(args), "--grpc-listen=10.0.0.1:9090", "--grpc-tls-cert=/c", "--grpc-tls-key=/k")
		if _, _, err := read(t, all); (err == nil) != want {
			t.Errorf("%q: %v", args, fmt.Sprint(err))
		}
	}
}
