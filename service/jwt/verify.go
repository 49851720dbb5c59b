package jwt

import (
	"errors"
	"fmt"
	"slices"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// grant is what a token that passed is good for. It is the Verdict.Grant of the sockets that it lets in. Immutable.
type grant struct {
	user    string
	rooms   []string
	data    []byte
	expires time.Time // the claim exp; zero: never
}

// refusal is why a token did not pass.
type refusal struct {
	reason reason
	detail string // for the log: nothing of the token but what its verified claims say, and its algorithm and key id
	// again tells that other keys, secrets or public ones, might lead to another result.
	again, secret bool
}

// verifier checks tokens. It has no state: safe for concurrent use.
type verifier struct {
	cfg    Config // with defaults
	parser *gojwt.Parser
}

func newVerifier(cfg Config) *verifier {
	options := []gojwt.ParserOption{
		gojwt.WithValidMethods(cfg.Algorithms),
		gojwt.WithLeeway(cfg.Leeway),
		gojwt.WithIssuedAt(),
		gojwt.WithStrictDecoding(),
		gojwt.WithIssuer(cfg.Issuer),
		gojwt.WithAudience(cfg.Audience...),
	}
	if !cfg.NoExpiry {
		options = append(options, gojwt.WithExpirationRequired())
	}
	return &verifier{cfg: cfg, parser: gojwt.NewParser(options...)}
}

// What the callback that finds keys fails with.
var (
	errCritical  = errors.New("it has critical extensions")
	errKeyID     = errors.New("its key id is no string")
	errAlgorithm = errors.New("no key is for its algorithm")
	errNoKey     = errors.New("there is no such key")
)

// verify checks a token that is to be good for a namespace. The refusal is nil if it is.
func (v *verifier) verify(token, namespace string, keys keySet) (*grant, *refusal) {
	if len(token) > v.cfg.MaxBytes {
		return nil, &refusal{reason: reasonOversized, detail: fmt.Sprintf("%d bytes", len(token))}
	}
	var said claims
	named := false
	parsed, err := v.parser.ParseWithClaims(token, &said, func(t *gojwt.Token) (any, error) {
		fit, byName, err := find(keys, t)
		named = byName
		return gojwt.VerificationKeySet{Keys: fit}, err
	})
	if err != nil {
		return nil, v.refuse(parsed, &said, err, named)
	}
	if said == nil {
		return nil, &refusal{reason: reasonMalformed, detail: errNoObject.Error()}
	}
	return v.grant(&said, namespace)
}

// find returns the keys that t may have been signed with, at least one.
func find(keys keySet, t *gojwt.Token) (fit []gojwt.VerificationKey, named bool, err error) {
	if _, ok := t.Header["crit"]; ok { // RFC 7515 section 4.1.11: we understand none
		return nil, false, errCritical
	}
	id, ok := t.Header["kid"].(string)
	if !ok && t.Header["kid"] != nil {
		return nil, false, errKeyID
	}
	fit, named = keys.fit(id, t.Method.Alg())
	switch {
	case len(fit) > 0:
		return fit, named, nil
	case named || id == "":
		return nil, named, errAlgorithm
	default:
		return nil, named, errNoKey
	}
}

// reasons tells the library's errors apart, the more telling ones first: a token that is expired and wrong is wrong.
var reasons = []struct {
	err    error
	reason reason
}{
	{errCritical, reasonMalformed},
	{errKeyID, reasonMalformed},
	{errAlgorithm, reasonAlgorithm},
	{errNoKey, reasonUnknownKey},
	{gojwt.ErrTokenMalformed, reasonMalformed},
	{gojwt.ErrTokenUnverifiable, reasonAlgorithm}, // it names none, or one that nobody knows
	{gojwt.ErrTokenSignatureInvalid, reasonSignature},
	{gojwt.ErrTokenInvalidIssuer, reasonIssuer},
	{gojwt.ErrTokenInvalidAudience, reasonAudience},
	{gojwt.ErrTokenRequiredClaimMissing, reasonClaims},
	{gojwt.ErrInvalidType, reasonClaims},
	{gojwt.ErrTokenNotValidYet, reasonNotYetValid},
	{gojwt.ErrTokenUsedBeforeIssued, reasonNotYetValid},
	{gojwt.ErrTokenExpired, reasonExpired},
}

// refuse tells why the library refused a token. parsed may be nil.
func (v *verifier) refuse(parsed *gojwt.Token, said *claims, err error, named bool) *refusal {
	r := &refusal{reason: reasonMalformed}
	for _, known := range reasons {
		if errors.Is(err, known.err) {
			r.reason = known.reason
			break
		}
	}
	switch r.reason {
	case reasonSignature, reasonAlgorithm, reasonUnknownKey:
		v.refuseKey(r, parsed, named)
	case reasonIssuer:
		issuer, _ := said.GetIssuer()
		r.detail = fmt.Sprintf("issuer %.100q", issuer)
	case reasonAudience:
		audience, _ := said.GetAudience()
		r.detail = fmt.Sprintf("audience %.100q", audience[:min(len(audience), 5)])
	case reasonClaims:
		r.detail = err.Error() // names of claims
	case reasonExpired:
		at, _ := said.GetExpirationTime()
		r.detail = "at " + at.UTC().Format(time.RFC3339)
	}
	return r
}

// refuseKey completes a refusal for which the key is the reason. The library checks the list of algorithms before it asks
// for keys, and calls what is not on it a wrong signature.
func (v *verifier) refuseKey(r *refusal, parsed *gojwt.Token, named bool) {
	if parsed == nil || parsed.Method == nil || !slices.Contains(v.cfg.Algorithms, parsed.Method.Alg()) {
		r.reason = reasonAlgorithm
		r.detail = "not allowed"
		return
	}
	r.detail = parsed.Method.Alg()
	r.again, r.secret = !named, slices.Contains(secretAlgorithms, r.detail)
	if id, ok := parsed.Header["kid"].(string); ok {
		r.detail += fmt.Sprintf(" with key %.64q", id)
	}
}

// grant reads the claims of a token that has been verified.
func (v *verifier) grant(said *claims, namespace string) (*grant, *refusal) {
	wrong := func(err error) *refusal { return &refusal{reason: reasonClaims, detail: err.Error()} }
	g := &grant{}
	if at, _ := said.GetExpirationTime(); at != nil {
		g.expires = at.Time
	}
	var err error
	if name := v.cfg.NamespacesClaim; name != "" {
		good, err := said.texts(name)
		switch {
		case err != nil:
			return nil, wrong(err)
		case !slices.Contains(good, namespace):
			return nil, &refusal{reason: reasonNamespace}
		}
	}
	if name := v.cfg.UserClaim; name != "" {
		if g.user, err = said.user(name); err != nil {
			return nil, wrong(err)
		}
	}
	if name := v.cfg.RoomsClaim; name != "" {
		if g.rooms, err = said.rooms(name); err != nil {
			return nil, wrong(err)
		}
	}
	if name := v.cfg.DataClaim; name != "" {
		if g.data, err = said.data(name); err != nil {
			return nil, wrong(err)
		}
	}
	return g, nil
}

// verdict is what the token alone leads to.
func (g *grant) verdict() rooms.Verdict {
	return rooms.Verdict{User: g.user, Rooms: g.rooms, Data: g.data, Grant: g}
}

// fill completes what a service decided with what the token says: where the service says something, that holds.
func (g *grant) fill(v rooms.Verdict) rooms.Verdict {
	if v.Refused {
		return v
	}
	if v.User == "" {
		v.User = g.user
	}
	if len(v.Rooms) == 0 {
		v.Rooms = g.rooms
	}
	if v.Data == nil {
		v.Data = g.data
	}
	v.Grant = g
	return v
}
