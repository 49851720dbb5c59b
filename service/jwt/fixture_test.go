package jwt

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/MicahParks/jwkset"
	gojwt "github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// signer is a key pair, or a secret.
type signer struct {
	algorithm string
	id        string // kid; empty: none
	private   any
	public    any // nil for a secret
}

var secret = []byte("a secret of at least thirty-two bytes")

// The pairs are made once: RSA takes its time.
var pairs = sync.OnceValue(func() map[string]crypto.Signer {
	must := func(s crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return s
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	rs, err2 := rsa.GenerateKey(rand.Reader, 2048)
	other, err3 := rsa.GenerateKey(rand.Reader, 2048)
	p256, err4 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err5 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, err6 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	return map[string]crypto.Signer{
		"EdDSA": must(ed, err), "RSA": must(rs, err2), "other RSA": must(other, err3),
		"ES256": must(p256, err4), "ES384": must(p384, err5), "ES512": must(p521, err6),
	}
})

func pair(algorithm, id string) *signer {
	kind := algorithm
	switch algorithm[:2] {
	case "HS":
		return &signer{algorithm, id, secret, nil}
	case "RS", "PS":
		kind = "RSA"
	}
	private := pairs()[kind]
	return &signer{algorithm, id, private, private.Public()}
}

// sign makes a token.
func (s *signer) sign(tb testing.TB, claims gojwt.MapClaims) string {
	tb.Helper()
	token := gojwt.NewWithClaims(gojwt.GetSigningMethod(s.algorithm), claims)
	if s.id != "" {
		token.Header["kid"] = s.id
	}
	text, err := token.SignedString(s.private)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func (s *signer) pem(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.public)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// setOf is a JSON Web Key Set of these.
func setOf(tb testing.TB, signers ...*signer) []byte {
	tb.Helper()
	set := jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{}}
	for _, s := range signers {
		jwk, err := jwkset.NewJWKFromKey(s.public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: s.id}})
		if err != nil {
			tb.Fatal(err)
		}
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	text, err := json.Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// write writes a file, at once for whoever reads it, and returns its path.
func write(tb testing.TB, path string, text []byte) string {
	tb.Helper()
	if path == "" {
		path = filepath.Join(tb.TempDir(), "file")
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
	return path
}

// nextFunc is a Next that is its Admit.
type nextFunc func(q *rooms.Question, later func(rooms.Verdict)) (rooms.Verdict, bool)

func (f nextFunc) Admit(q *rooms.Question, later func(rooms.Verdict)) (rooms.Verdict, bool) {
	return f(q, later)
}

// logged is a log, for any goroutine.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// nobody refuses everybody.
var nobody = nextFunc(func(*rooms.Question, func(rooms.Verdict)) (rooms.Verdict, bool) {
	return rooms.Verdict{Refused: true, Message: "asked"}, true
})

// deaf is an Observer that hears nothing.
type deaf struct{}

func (deaf) Observe(*rooms.Event) rooms.Flow { return rooms.Flow{} }

func newAdmitter(tb testing.TB, cfg Config, next Next) *Admitter {
	tb.Helper()
	if cfg.Hub == nil {
		cfg.Hub = newHub(tb)
	}
	a, err := NewAdmitter(cfg, next, deaf{})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func newHub(tb testing.TB) *rooms.Hub {
	tb.Helper()
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/", "/chat"}})
	if err != nil {
		tb.Fatal(err)
	}
	return hub
}

// started is newAdmitter that looks at its keys until the test ends.
func started(tb testing.TB, cfg Config, next Next) *Admitter {
	tb.Helper()
	a := newAdmitter(tb, cfg, next)
	a.Start()
	tb.Cleanup(a.Stop)
	return a
}

// asking is the question about a client that says auth.
func asking(namespace, auth string, headers ...rooms.Header) *rooms.Question {
	return &rooms.Question{Namespace: namespace, Auth: []byte(auth), Handshake: &rooms.Handshake{Headers: headers}}
}

func withToken(token string) *rooms.Question { return asking("/", `{"token":"`+token+`"}`) }

// admit returns the verdict, whenever it comes.
func admit(a *Admitter, q *rooms.Question) rooms.Verdict {
	later := make(chan rooms.Verdict, 1)
	if v, ok := a.Admit(q, func(v rooms.Verdict) { later <- v }); ok {
		return v
	}
	return <-later
}

// brief is "user" of who was let in, and the code of who was not.
func brief(v rooms.Verdict) string {
	if !v.Refused {
		return v.User
	}
	var data struct{ Code string }
	if json.Unmarshal(v.ErrorData, &data) != nil || v.Message != Message {
		return "refused: " + v.Message
	}
	return data.Code
}
