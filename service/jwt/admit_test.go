package jwt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/realtime-svc/realtime-svc/rooms"
)

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// A token of every algorithm lets its client in, checked with the key that is for it.
func TestEveryAlgorithm(t *testing.T) {
	for _, algorithm := range Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			s := pair(algorithm, "")
			cfg := Config{UserClaim: "sub"}
			if s.public == nil {
				cfg.SecretFile = write(t, "", append(bytes.Clone(secret), '\n'))
			} else {
				cfg.KeysFile = write(t, "", s.pem(t))
			}
			a := started(t, cfg, nobody)
			if got := brief(admit(a, withToken(s.sign(t, gojwt.MapClaims{"sub": "ann", "exp": in(time.Hour)})))); got != "ann" {
				t.Error(got)
			}
			tampered := s.sign(t, gojwt.MapClaims{"sub": "ann", "exp": in(time.Hour)})
			tampered = tampered[:len(tampered)-8] + "AAAAAAAA"
			if got := brief(admit(a, withToken(tampered))); got != CodeInvalid {
				t.Errorf("with another signature: %s", got)
			}
		})
	}
}

// J1: what does not pass, for whatever reason, does not let in, says a code, and is logged with the reason but without the token.
func TestJ1Refusals(t *testing.T) {
	rs, es := pair("RS256", "r"), pair("ES256", "e")
	good := func(change ...any) gojwt.MapClaims {
		c := gojwt.MapClaims{"sub": "ann", "exp": in(time.Hour), "iss": "me", "aud": []string{"x", "us"}, "ns": []string{"/"}}
		for i := 0; i < len(change); i += 2 {
			c[change[i].(string)] = change[i+1]
		}
		return c
	}
	without := func(name string) gojwt.MapClaims {
		c := good()
		delete(c, name)
		return c
	}
	unsigned := func(header, claims string) string {
		e := base64.RawURLEncoding
		return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) + "."
	}
	for name, tt := range map[string]struct {
		token  string
		code   string
		reason string
	}{
		"none":               {unsigned(`{"alg":"none"}`, `{"sub":"ann","exp":9999999999}`), CodeInvalid, "algorithm"},
		"None":               {unsigned(`{"alg":"None"}`, `{"sub":"ann"}`), CodeInvalid, "algorithm"},
		"no algorithm":       {unsigned(`{}`, `{"sub":"ann"}`), CodeInvalid, "algorithm"},
		"HS with an RS key":  {(&signer{"HS256", "r", rs.pem(t), nil}).sign(t, good()), CodeInvalid, "algorithm"},
		"HS without kid":     {(&signer{"HS256", "", rs.pem(t), nil}).sign(t, good()), CodeInvalid, "signature"},
		"not allowed":        {pair("RS512", "r").sign(t, good()), CodeInvalid, "algorithm"},
		"another key":        {(&signer{"RS256", "r", pairs()["other RSA"], nil}).sign(t, good()), CodeInvalid, "signature"},
		"another's kid":      {(&signer{"RS256", "e", rs.private, nil}).sign(t, good()), CodeInvalid, "algorithm"},
		"unknown kid":        {pair("RS256", "z").sign(t, good()), CodeInvalid, "unknown_key"},
		"expired":            {rs.sign(t, good("exp", in(-time.Minute))), CodeExpired, "expired"},
		"expired and wrong":  {rs.sign(t, good("exp", in(-time.Minute), "iss", "you")), CodeInvalid, "issuer"},
		"never expires":      {rs.sign(t, without("exp")), CodeInvalid, "claims"},
		"future":             {rs.sign(t, good("nbf", in(time.Hour))), CodeInvalid, "not_yet_valid"},
		"issued in future":   {rs.sign(t, good("iat", in(time.Hour))), CodeInvalid, "not_yet_valid"},
		"wrong audience":     {rs.sign(t, good("aud", "them")), CodeInvalid, "audience"},
		"no audience":        {rs.sign(t, without("aud")), CodeInvalid, "claims"},
		"wrong issuer":       {rs.sign(t, good("iss", "you")), CodeInvalid, "issuer"},
		"oversized":          {rs.sign(t, good("x", strings.Repeat("y", 3000))), CodeInvalid, "oversized"},
		"no user":            {rs.sign(t, without("sub")), CodeInvalid, "claims"},
		"user is a list":     {rs.sign(t, good("sub", []string{"ann"})), CodeInvalid, "claims"},
		"exp is a text":      {rs.sign(t, good("exp", "tomorrow")), CodeInvalid, "claims"},
		"too many rooms":     {rs.sign(t, good("rooms", make([]string, 1001))), CodeInvalid, "oversized"},
		"a room without":     {rs.sign(t, good("rooms", []string{""})), CodeInvalid, "claims"},
		"other namespace":    {rs.sign(t, good("ns", "/chat")), CodeNamespaceNotAllowed, "namespace"},
		"no namespaces":      {rs.sign(t, without("ns")), CodeNamespaceNotAllowed, "namespace"},
		"no token at all":    {"", CodeMissing, "missing"},
		"not three parts":    {"a.b", CodeInvalid, "malformed"},
		"not base64":         {"!.!.!", CodeInvalid, "malformed"},
		"claims are a list":  {unsigned(`{"alg":"RS256"}`, `[]`) + "AA", CodeInvalid, "malformed"},
		"critical extension": {critical(t, rs, good()), CodeInvalid, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			var log logged
			a := started(t, Config{
				KeysFile: write(t, "", setOf(t, rs, es)), SecretFile: write(t, "", secret), MaxBytes: 2000,
				Algorithms: []string{"RS256", "ES256", "HS256"}, Issuer: "me", Audience: []string{"us"},
				UserClaim: "sub", RoomsClaim: "rooms", NamespacesClaim: "ns", Logger: slog.New(slog.NewTextHandler(&log, nil)),
			}, nobody)
			if got := brief(admit(a, withToken(tt.token))); got != tt.code {
				t.Errorf("got %s, want %s", got, tt.code)
			}
			if got := a.Stats().Refused[tt.reason]; got != 1 || a.Stats().Accepted != 0 {
				t.Errorf("%+v, want the reason %s", a.Stats().Refused, tt.reason)
			}
			if !strings.Contains(log.String(), "reason="+tt.reason) || len(tt.token) > 20 && strings.Contains(log.String(), tt.token[:20]) {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}

// critical signs a token whose header has an extension that must be understood.
func critical(t *testing.T, s *signer, claims gojwt.MapClaims) string {
	t.Helper()
	token := gojwt.NewWithClaims(gojwt.GetSigningMethod(s.algorithm), claims)
	token.Header["kid"], token.Header["crit"], token.Header["b64"] = s.id, []string{"b64"}, true
	text, err := token.SignedString(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The claims become what services would say.
func TestClaims(t *testing.T) {
	s := pair("EdDSA", "")
	a := newAdmitter(t, Config{
		KeysFile: write(t, "", s.pem(t)), Leeway: time.Minute, NoExpiry: true,
		UserClaim: "uid", RoomsClaim: "groups", NamespacesClaim: "ns", DataClaim: "profile",
	}, nobody)
	for name, tt := range map[string]struct {
		claims gojwt.MapClaims
		want   rooms.Verdict
	}{
		"all": {
			gojwt.MapClaims{"uid": "ann", "groups": []string{"a", "b"}, "ns": []string{"/chat", "/"}, "profile": map[string]any{"n": 1}},
			rooms.Verdict{User: "ann", Rooms: []string{"a", "b"}, Data: []byte(`{"n":1}`)},
		},
		"single texts, and a number":  {gojwt.MapClaims{"uid": 42, "groups": "a", "ns": "/"}, rooms.Verdict{User: "42", Rooms: []string{"a"}}},
		"within the leeway":           {gojwt.MapClaims{"uid": "ann", "ns": "/", "exp": in(-30 * time.Second)}, rooms.Verdict{User: "ann"}},
		"not yet, within the leeway":  {gojwt.MapClaims{"uid": "ann", "ns": "/", "nbf": in(30 * time.Second)}, rooms.Verdict{User: "ann"}},
		"names are told apart by all": {gojwt.MapClaims{"uid": "ann", "UID": "eve", "ns": "/"}, rooms.Verdict{User: "ann"}},
	} {
		v := admit(a, withToken(s.sign(t, tt.claims)))
		v.Grant = nil
		if diff := cmp.Diff(tt.want, v); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A token is looked for in each place, in their order.
func TestSources(t *testing.T) {
	s := pair("EdDSA", "")
	token := func(user string) string { return s.sign(t, gojwt.MapClaims{"sub": user, "exp": in(time.Hour)}) }
	auth, bearer, cookie := token("auth"), token("header"), token("cookie")
	query := token("query")
	headers := []rooms.Header{{Name: "authorization", Value: "bearer  " + bearer}, {Name: "cookie", Value: `bad"; t=` + cookie + "; t2=x"}}
	for want, sources := range map[string][]string{
		"auth": {"auth.token", "authorization"}, "header": {"authorization", "auth.token"}, "cookie": {"cookie:none", "cookie:t", "authorization"},
		"query": {"query:token", "auth.token"},
	} {
		a := newAdmitter(t, Config{KeysFile: write(t, "", s.pem(t)), UserClaim: "sub", Sources: sources}, nobody)
		q := asking("/", `{"token":"Bearer `+auth+`"}`, headers...)
		q.Handshake.Query = "EIO=4&token=" + query
		if got := brief(admit(a, q)); got != want {
			t.Errorf("%v: %s", sources, got)
		}
		if want == "cookie" {
			q.Handshake.Headers = nil
			if got := brief(admit(a, q)); got != CodeMissing {
				t.Errorf("without headers: %s", got)
			}
		}
	}
	if got := (&Config{Sources: []string{"authorization", "cookie:a", "cookie:b"}}).Headers(); !cmp.Equal(got, []string{"cookie", "authorization"}) {
		t.Errorf("headers %v", got)
	}
	for _, auth := range []string{"", `{"token":1}`, `{"token":null}`, `{"Token":[]}`, `[`} {
		a := newAdmitter(t, Config{KeysFile: write(t, "", s.pem(t))}, nobody)
		if got := brief(admit(a, asking("/", auth))); got != CodeMissing {
			t.Errorf("%s: %s", auth, got)
		}
	}
}

// How tokens and services share the decision.
func TestServicesAfterTokens(t *testing.T) {
	s := pair("EdDSA", "")
	good := s.sign(t, gojwt.MapClaims{"sub": "ann", "rooms": "a", "exp": in(time.Hour)})
	var asked []*rooms.Question
	says := rooms.Verdict{User: "service"}
	next := nextFunc(func(q *rooms.Question, later func(rooms.Verdict)) (rooms.Verdict, bool) {
		asked = append(asked, q)
		if len(asked)%2 == 0 {
			return says, true
		}
		go later(says)
		return rooms.Verdict{}, false
	})
	for name, tt := range map[string]struct {
		cfg   Config
		token string
		says  rooms.Verdict
		want  string
		rooms []string
		asked int
	}{
		"tokens alone":                {Config{}, good, rooms.Verdict{}, "ann", []string{"a"}, 0},
		"no token, tokens alone":      {Config{}, "", rooms.Verdict{}, CodeMissing, nil, 0},
		"no token, optional":          {Config{Optional: true}, "", rooms.Verdict{User: "service"}, "service", nil, 1},
		"a bad token, optional":       {Config{Optional: true}, "bad", rooms.Verdict{User: "service"}, CodeInvalid, nil, 0},
		"then ask, it says nothing":   {Config{ThenAsk: true}, good, rooms.Verdict{}, "ann", []string{"a"}, 1},
		"then ask, it says something": {Config{ThenAsk: true}, good, rooms.Verdict{User: "bob", Rooms: []string{"b"}}, "bob", []string{"b"}, 1},
		"then ask, it refuses":        {Config{ThenAsk: true}, good, rooms.Verdict{Refused: true, Message: "no"}, "refused: no", nil, 1},
		"then ask, a bad token":       {Config{ThenAsk: true}, "bad", rooms.Verdict{}, CodeInvalid, nil, 0},
	} {
		for range 2 { // at once, and later
			asked, says = asked[:len(asked)%2], tt.says
			before := len(asked)
			tt.cfg.KeysFile, tt.cfg.UserClaim, tt.cfg.RoomsClaim = write(t, "", s.pem(t)), "sub", "rooms"
			tt.cfg.HideHeaders = []string{"cookie"}
			q := withToken(tt.token)
			q.Handshake.Headers = []rooms.Header{{Name: "cookie", Value: "secret"}, {Name: "origin", Value: "x"}}
			v := admit(newAdmitter(t, tt.cfg, next), q)
			if got := brief(v); got != tt.want || !cmp.Equal(v.Rooms, tt.rooms) {
				t.Errorf("%s: %s, rooms %v", name, got, v.Rooms)
			}
			if len(asked)-before != tt.asked {
				t.Errorf("%s: %d questions", name, len(asked)-before)
			}
			for _, q := range asked[before:] {
				if len(q.Handshake.Headers) != 1 || q.Handshake.Headers[0].Name != "origin" {
					t.Errorf("%s: the service is shown %v", name, q.Handshake.Headers)
				}
			}
		}
	}
}

func TestValidate(t *testing.T) {
	keys := pair("ES256", "").pem(t)
	for want, cfg := range map[string]Config{
		"keys: there are no keys":        {},
		"keys: stat ":                    {KeysFile: "/does/not/exist"},
		"keys: it holds neither":         {KeysFile: write(t, "", []byte("x"))},
		"keys: it holds a \"PRIVATE":     {KeysFile: write(t, "", []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))},
		"hmac-secret-file: it has 5":     {SecretFile: write(t, "", []byte("short"))},
		"hmac-secret-file: it holds PEM": {SecretFile: write(t, "", keys)},
		"jwks-url: \"ftp://x\"":          {JWKSURL: "ftp://x"},
		"algorithms: \"none\" is not":    {KeysFile: write(t, "", keys), Algorithms: []string{"none"}},
		"algorithms: HS256 needs":        {KeysFile: write(t, "", keys), Algorithms: []string{"HS256"}},
		"algorithms: RS256 needs":        {SecretFile: write(t, "", secret), Algorithms: []string{"RS256"}},
		"sources: \"header\"":            {KeysFile: write(t, "", keys), Sources: []string{"header"}},
		"expiry: \"later\"":              {KeysFile: write(t, "", keys), Expiry: "later"},
		"refresh-event: \"connect\"":     {KeysFile: write(t, "", keys), RefreshEvent: "connect"},
		"leeway: must not be negative":   {KeysFile: write(t, "", keys), Leeway: -1},
	} {
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, ok := errors.AsType[*SettingError](err); !ok {
			t.Errorf("%s: %T names no setting", want, err)
		}
	}
	if _, err := NewAdmitter(Config{KeysFile: write(t, "", keys)}, nobody, deaf{}); err == nil {
		t.Error("without a hub")
	}
}

// Refusals of one kind make a line now and then, not one each.
func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	var log logged
	a := newAdmitter(t, Config{KeysFile: write(t, "", pair("EdDSA", "").pem(t)), Logger: slog.New(slog.NewTextHandler(&log, nil))}, nobody)
	log.Reset()
	for range 1000 {
		admit(a, withToken("a.b"))
	}
	if got := strings.Count(log.String(), "\n"); got != 1 {
		t.Errorf("%d lines:\n%s", got, log.String())
	}
}

func BenchmarkAdmit(b *testing.B) {
	for _, algorithm := range []string{"HS256", "EdDSA", "ES256", "RS256"} {
		b.Run(algorithm, func(b *testing.B) {
			s := pair(algorithm, "")
			cfg := Config{UserClaim: "sub"}
			if s.public == nil {
				cfg.SecretFile = write(b, "", secret)
			} else {
				cfg.KeysFile = write(b, "", s.pem(b))
			}
			a := newAdmitter(b, cfg, nobody)
			q := withToken(s.sign(b, gojwt.MapClaims{"sub": "ann", "exp": in(time.Hour)}))
			b.ReportAllocs()
			for b.Loop() {
				if v := admit(a, q); v.Refused {
					b.Fatal(brief(v))
				}
			}
		})
	}
}
