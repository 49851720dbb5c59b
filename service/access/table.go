package access

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// tokenHash is the SHA-256 of a bearer token. Tokens are only ever compared by it: how long a look into a map takes says
// nothing about a token, and what is in memory cannot be used to call.
type tokenHash [sha256.Size]byte

// entry is one caller of a tokens file. It does not change.
type entry struct {
	caller  *Caller
	limits  limits
	expires time.Time // the zero Time: never
}

// table is what a tokens file says. It does not change.
type table struct {
	byToken       map[tokenHash]*entry
	byCertificate map[string]*entry
}

// credential is what a caller was recognised by.
type credential struct {
	token       tokenHash
	certificate string    // the name in it; "": token
	until       time.Time // when the certificate ends; the zero Time: never
}

// Why a call is refused with ErrToken, for the log.
var (
	errNone    = errors.New("access: no token")
	errScheme  = errors.New("access: authorization is not one bearer token")
	errUnknown = errors.New("access: unknown token")
	errNoEntry = errors.New("access: no entry for the certificate")
	errExpired = errors.New("access: expired")
)

// identify finds out who makes a call: whose token it has, or else whose certificate. The entry is not nil with errExpired.
func (t *table) identify(ctx context.Context, now time.Time) (*entry, credential, error) {
	switch values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) {
	case 0:
		return t.byPeer(ctx, now)
	case 1:
	default:
		return nil, credential{}, errScheme
	}
	token, err := auth.AuthFromMD(ctx, "bearer")
	if err != nil {
		return nil, credential{}, errScheme
	}
	c := credential{token: sha256.Sum256([]byte(token))}
	e, err := t.find(c, now)
	return e, c, err
}

// byPeer finds the entry that names the client certificate of the connection, which was verified in the handshake. Of several
// that do, the one counts whose name comes first in it: DNS names, URIs, the common name.
func (t *table) byPeer(ctx context.Context, now time.Time) (*entry, credential, error) {
	leaf := leafOf(ctx)
	if leaf == nil {
		return nil, credential{}, errNone
	}
	for _, name := range namesOf(leaf) {
		c := credential{certificate: name, until: leaf.NotAfter}
		if e, err := t.find(c, now); e != nil {
			return e, c, err
		}
	}
	return nil, credential{}, errNoEntry
}

func leafOf(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

// namesOf returns the names that may stand in a tokens file, none of them empty.
func namesOf(leaf *x509.Certificate) []string {
	names := slices.Clone(leaf.DNSNames)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	names = append(names, leaf.Subject.CommonName)
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// find returns the entry that the credential belongs to, with errExpired if its time is up.
func (t *table) find(c credential, now time.Time) (*entry, error) {
	e := t.byToken[c.token]
	if c.certificate != "" {
		e = t.byCertificate[c.certificate]
	}
	switch {
	case e == nil:
		return nil, errUnknown
	case passed(e.expires, now), passed(c.until, now):
		return e, errExpired
	}
	return e, nil
}

func passed(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// holds reports whether the caller still is who the credential says it is, and may still do all that it might.
func (t *table) holds(c credential, caller *Caller, now time.Time) bool {
	e, err := t.find(c, now)
	return err == nil && e.caller.name == caller.name && e.caller.includes(caller)
}

// includes reports whether c may do all that other may.
func (c *Caller) includes(other *Caller) bool {
	for _, right := range other.methods {
		if !slices.Contains(c.methods, everything) && !slices.Contains(c.methods, right) {
			return false
		}
	}
	for _, theirs := range other.namespaces {
		if !slices.ContainsFunc(c.namespaces, func(ours string) bool { return covers(ours, theirs) }) {
			return false
		}
	}
	return true
}
