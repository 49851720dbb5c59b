package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "root"}}
	pair := a.sign(template)
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// sign makes a certificate, the authority's own as long as it has none.
func (a *authority) sign(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// mutual serves with TLS and returns what connects with a certificate.
func (f *fixture) mutual(t *testing.T, a *authority) (dial func(tls.Certificate) *grpc.ClientConn) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	server := credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{a.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13,
	})
	return func(c tls.Certificate) *grpc.ClientConn {
		return f.start(server, credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{c}, RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}))
	}
}

func TestCertificatesAreCallers(t *testing.T) {
	spiffe, err := url.Parse("spiffe://mesh/chat")
	if err != nil {
		t.Fatal(err)
	}
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, c := range map[string]struct {
		certificate x509.Certificate
		header      string
		caller      string // "": refused
	}{
		"DNS name":           {x509.Certificate{DNSNames: []string{"a.example", "chat.example"}}, "", "dns"},
		"URI":                {x509.Certificate{URIs: []*url.URL{spiffe}}, "", "uri"},
		"common name":        {x509.Certificate{Subject: pkix.Name{CommonName: "chat"}}, "", "cn"},
		"DNS name before CN": {x509.Certificate{DNSNames: []string{"chat.example"}, Subject: pkix.Name{CommonName: "chat"}}, "", "dns"},
		"nobody":             {x509.Certificate{DNSNames: []string{"other.example"}, Subject: pkix.Name{CommonName: "chat.example.evil"}}, "", ""},
		"case":               {x509.Certificate{Subject: pkix.Name{CommonName: "Chat"}}, "", ""},
		"no name":            {x509.Certificate{}, "", ""},
		"entry that expired": {x509.Certificate{Subject: pkix.Name{CommonName: "past"}}, "", ""},
		"token":              {x509.Certificate{Subject: pkix.Name{CommonName: "chat"}}, "Bearer " + secret, "token"},
		"bad token":          {x509.Certificate{Subject: pkix.Name{CommonName: "chat"}}, "Bearer 0123456789abcdef", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, `
- {name: dns, certificate: chat.example}
- {name: uri, certificate: "spiffe://mesh/chat"}
- {name: cn, certificate: chat}
- {name: past, certificate: past, expires: 2020-01-01T00:00:00Z}
- {name: token, token: `+secret+`}
- {name: zero, token_sha256: `+strings.Repeat("0", 64)+`}
`, func(c *Config) { c.Certificates = true })
			a := newAuthority(t)
			c.certificate.ExtKeyUsage = client
			f.conn = f.mutual(t, a)(a.sign(&c.certificate))
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			err := f.emit(f.as(headers...))
			if c.caller == "" {
				wantCode(t, err, codes.Unauthenticated)
			} else if err != nil {
				t.Error(err)
			} else if got := <-f.plane.callers; got != c.caller {
				t.Errorf("the caller is %q, want %q", got, c.caller)
			}
		})
	}
}

// A connection may outlive its certificate, or the time of its entry; what the caller does on it may not.
func TestCredentialsExpire(t *testing.T) {
	parsed, err := parse([]byte("- {name: cn, certificate: chat, expires: 2027-01-31T00:00:00Z}"), true)
	if err != nil {
		t.Fatal(err)
	}
	caller := parsed.byCertificate["chat"].caller
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		until, now time.Time
		good       bool
	}{
		{time.Time{}, end.Add(-1), true},
		{time.Time{}, end, false},
		{end.Add(-10), end.Add(-11), true},
		{end.Add(-10), end.Add(-10), false},
	} {
		by := credential{certificate: "chat", until: c.until}
		if _, err := parsed.find(by, c.now); (err == nil) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
		if parsed.holds(by, caller, c.now) != c.good {
			t.Errorf("%+v: a stream is kept: %v", c, !c.good)
		}
	}
	if _, err := parsed.find(credential{certificate: "other"}, end); !errors.Is(err, errUnknown) {
		t.Errorf("an unknown name: %v", err)
	}
}

// Without tokens, whoever has a certificate may do everything, and has no name.
func TestCertificatesAlone(t *testing.T) {
	f := serve(t, "")
	a := newAuthority(t)
	f.conn = f.mutual(t, a)(a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "chat"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))
	if err := f.emit(f.ctx); err != nil {
		t.Fatal(err)
	}
	if name := <-f.plane.callers; name != "" {
		t.Errorf("the caller is %q", name)
	}
	f.conn = f.mutual(t, a)(tls.Certificate{})
	wantCode(t, f.emit(f.ctx), codes.Unavailable) // the handshake fails
}
