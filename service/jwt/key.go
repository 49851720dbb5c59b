package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
	gojwt "github.com/golang-jwt/jwt/v5"
)

// The algorithms by the kind of key that they are for (RFC 7518 section 3.1, RFC 8037). "none" is not among them.
var (
	secretAlgorithms  = []string{"HS256", "HS384", "HS512"}
	rsaAlgorithms     = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ed25519Algorithms = []string{"EdDSA"}
	allAlgorithms     = slices.Concat(secretAlgorithms, rsaAlgorithms, []string{"ES256", "ES384", "ES512"}, ed25519Algorithms)
)

// Algorithms returns the names of all algorithms that tokens can be signed with. The slice is the caller's.
func Algorithms() []string { return slices.Clone(allAlgorithms) }

const (
	minSecretBytes = 32   // RFC 7518 section 3.2, for HS256
	minRSABits     = 2048 // RFC 7518 section 3.3
	maxKeys        = 256  // of one source
	maxTries       = 16   // how many keys one token is checked with
)

// key is one key that tokens are checked with. Immutable.
type key struct {
	id         string   // kid; empty: it has none
	algorithms []string // those that it may be used with
	verifies   gojwt.VerificationKey
}

// newKey returns a key for the algorithms that are for its kind; only, if not empty, is the one of them that it is limited
// to. Secrets do not come this way.
func newKey(id, only string, public any) (key, error) {
	k := key{id: id, verifies: public}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSABits {
			return key{}, fmt.Errorf("an RSA key of %d bits, less than %d", bits, minRSABits)
		}
		k.algorithms = rsaAlgorithms
	case *ecdsa.PublicKey:
		// Each algorithm has its curve, which the library does not look at.
		switch bits := p.Curve.Params().BitSize; bits {
		case 256:
			k.algorithms = []string{"ES256"}
		case 384:
			k.algorithms = []string{"ES384"}
		case 521:
			k.algorithms = []string{"ES512"}
		default:
			return key{}, fmt.Errorf("an elliptic curve of %d bits", bits)
		}
	case ed25519.PublicKey:
		k.algorithms = ed25519Algorithms
	default:
		return key{}, fmt.Errorf("a key that no algorithm is for (%T)", public)
	}
	if only != "" {
		if !slices.Contains(k.algorithms, only) {
			return key{}, fmt.Errorf("a key for the algorithm %.20q, which is not for its kind", only)
		}
		k.algorithms = []string{only}
	}
	return k, nil
}

// parseSecret reads what Config.SecretFile holds.
func parseSecret(text []byte) ([]key, error) {
	if bytes.Contains(text, []byte("-----BEGIN ")) {
		return nil, errors.New("it holds PEM, which is no secret")
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) < minSecretBytes {
		return nil, fmt.Errorf("it has %d bytes, less than %d", len(text), minSecretBytes)
	}
	return []key{{algorithms: secretAlgorithms, verifies: bytes.Clone(text)}}, nil
}

// parseKeys reads what Config.KeysFile holds.
func parseKeys(text []byte) ([]key, error) {
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return parseSet(text)
	}
	var keys []key
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k, err := newKey("", "", public)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds neither public keys in PEM nor a JSON Web Key Set")
	}
	return limited(keys)
}

func parseBlock(block *pem.Block) (public any, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, fmt.Errorf("it holds a %.40q; only public keys belong there", block.Type)
}

func limited(keys []key) ([]key, error) {
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("it holds %d keys, more than %d", len(keys), maxKeys)
	}
	return keys, nil
}

// parseSet reads a JSON Web Key Set, or one key. Keys for other purposes and of unknown kinds are skipped, as RFC 7517
// section 5 asks for, and so are secrets: what is served to others is none. A set of which nothing remains is an error.
func parseSet(text []byte) ([]key, error) {
	var set struct {
		Keys []jwkset.JWKMarshal `json:"keys"`
		Type jwkset.KTY          `json:"kty"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("it is no JSON Web Key Set: %w", err)
	}
	if set.Type != "" && set.Keys == nil {
		set.Keys = make([]jwkset.JWKMarshal, 1)
		if err := json.Unmarshal(text, &set.Keys[0]); err != nil {
			return nil, fmt.Errorf("it is no JSON Web Key: %w", err)
		}
	}
	var keys []key
	var skipped error // why the last one was
	for _, m := range set.Keys {
		k, err := parseJWK(m)
		if err != nil {
			skipped = err
			continue
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0 && skipped != nil:
		return nil, fmt.Errorf("no key in it can be used: the last is %w", skipped)
	case len(keys) == 0:
		return nil, errors.New("it holds no keys")
	}
	return limited(keys)
}

func parseJWK(m jwkset.JWKMarshal) (key, error) {
	switch {
	case m.KTY == jwkset.KtyOct:
		return key{}, errors.New("a secret, which belongs into a file of its own")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return key{}, fmt.Errorf("for the use %.20q", m.USE)
	case len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return key{}, errors.New("for other operations than to verify")
	}
	// Certificates are not needed, and x5u would be fetched by some.
	m.X5C, m.X5T, m.X5TS256, m.X5U = nil, "", "", ""
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return key{}, fmt.Errorf("broken: %w", err)
	}
	return newKey(m.KID, string(m.ALG), jwk.Key())
}

// keySet is all keys that there are. Immutable.
type keySet []key

// fit returns the keys that a token may have been signed with: those of its key id, or, if there is none of that id or it
// has none, those without one, or all of them. named tells that they are those of its key id. It returns at most maxTries.
func (s keySet) fit(id, algorithm string) (keys []gojwt.VerificationKey, named bool) {
	if id != "" {
		named = slices.ContainsFunc(s, func(k key) bool { return k.id == id })
	}
	for _, k := range s {
		mayBe := id == "" || k.id == ""
		if named {
			mayBe = k.id == id
		}
		if mayBe && len(keys) < maxTries && slices.Contains(k.algorithms, algorithm) {
			keys = append(keys, k.verifies)
		}
	}
	return keys, named
}
