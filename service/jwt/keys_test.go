package jwt

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// keyServer is what answers under JWKSURL, without a network: on virtual time, too.
type keyServer struct {
	mu      sync.Mutex // guards the following
	text    []byte
	status  int // 0: it cannot be reached
	fetches int
}

func (u *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fetches++
	if u.status == 0 {
		return nil, errors.New("it cannot be reached")
	}
	return &http.Response{StatusCode: u.status, Body: io.NopCloser(strings.NewReader(string(u.text))), Header: http.Header{}, Request: r}, nil
}

func (u *keyServer) say(status int, text []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status, u.text = status, text
}

func (u *keyServer) fetched() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fetches
}

func (u *keyServer) config() Config {
	return Config{JWKSURL: "https://keys.example/jwks", Client: &http.Client{Transport: u}, UserClaim: "sub"}
}

func of(t *testing.T, s *signer) string {
	t.Helper()
	return s.sign(t, gojwt.MapClaims{"sub": s.id, "exp": in(24 * time.Hour)})
}

// Whoever rotates keys refuses nobody: a token with a key that is not there makes the set fetched again, and waits.
func TestRotationByURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, three := pair("EdDSA", "1"), pair("ES256", "2"), pair("RS256", "3")
		u := &keyServer{status: http.StatusOK, text: setOf(t, one)}
		a := started(t, u.config(), nobody)
		if got := brief(admit(a, withToken(of(t, one)))); got != "1" {
			t.Errorf("the first token of all, which waits for the first fetch: %s", got)
		}
		if brief(admit(a, withToken(of(t, two)))) != CodeInvalid {
			t.Error("a key that is not there")
		}
		u.say(http.StatusOK, setOf(t, two, three))
		if got := brief(admit(a, withToken(of(t, two)))); got != "2" {
			t.Errorf("after the rotation: %s", got)
		}
		if got := brief(admit(a, withToken(of(t, one)))); got != CodeInvalid {
			t.Errorf("with the key of before: %s", got)
		}
		if got := brief(admit(a, withToken(of(t, three)))); got != "3" {
			t.Errorf("the other new one: %s", got)
		}
		a.Stop()
	})
}

// Strangers' tokens do not have the set fetched at their rate, and no more than so many wait.
func TestFetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &keyServer{status: http.StatusOK, text: setOf(t, pair("EdDSA", "1"))}
		a := started(t, u.config(), nobody)
		synctest.Wait()
		var told sync.WaitGroup
		bad, atOnce := of(t, pair("ES256", "2")), 0
		for range 2 * maxWaiting {
			told.Add(1)
			if _, ok := a.Admit(withToken(bad), func(rooms.Verdict) { told.Done() }); ok {
				atOnce++
				told.Done()
			}
		}
		if atOnce != maxWaiting || a.Stats().Waiting != maxWaiting {
			t.Errorf("%d refused at once, %d wait", atOnce, a.Stats().Waiting)
		}
		told.Wait()
		if n := u.fetched(); n != 2 {
			t.Errorf("%d fetches", n)
		}
		time.Sleep(time.Hour)
		if n := u.fetched(); n < 2+11 || n > 2+13 {
			t.Errorf("%d fetches in an hour and a little", n)
		}
		a.Stop()
	})
}

// While the URL is down the last keys stay in use, and who names others is told that it cannot be decided now.
func TestURLDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := pair("EdDSA", "1"), pair("ES256", "2")
		u := &keyServer{}
		a := started(t, u.config(), nobody)
		if got := brief(admit(a, withToken(of(t, one)))); got != CodeKeysUnavailable {
			t.Errorf("before there were any: %s", got)
		}
		u.say(http.StatusOK, setOf(t, one))
		time.Sleep(retryMost + time.Second)
		for _, how := range []struct {
			status int
			text   string
		}{{0, ""}, {http.StatusInternalServerError, ""}, {http.StatusOK, "<html>"}, {http.StatusOK, `{"keys":[]}`}, {http.StatusOK, strings.Repeat(" ", maxFileBytes+1)}} {
			u.say(how.status, []byte(how.text))
			time.Sleep(10 * time.Minute)
			if got := brief(admit(a, withToken(of(t, one)))); got != "1" {
				t.Errorf("%v: with the last good key: %s", how.status, got)
			}
			if got := brief(admit(a, withToken(of(t, two)))); got != CodeKeysUnavailable {
				t.Errorf("%v: with another key: %s", how.status, got)
			}
		}
		u.say(http.StatusOK, setOf(t, two))
		time.Sleep(retryMost + time.Second)
		if got := brief(admit(a, withToken(of(t, two)))); got != "2" {
			t.Errorf("when it is back: %s", got)
		}
		a.Stop()
	})
}

// Keys and the secret are read again when their files change; what cannot be read leaves the old ones.
func TestRotationByFile(t *testing.T) {
	one, two := pair("EdDSA", "1"), pair("ES256", "2")
	keys, secrets := write(t, "", setOf(t, one)), write(t, "", secret)
	a := started(t, Config{KeysFile: keys, SecretFile: secrets, UserClaim: "sub"}, nobody)
	write(t, keys, two.pem(t))
	if got := brief(admit(a, withToken(of(t, two)))); got != "2" {
		t.Errorf("PEM: %s", got)
	}
	write(t, keys, []byte("nonsense"))
	if got := brief(admit(a, withToken(of(t, one)))); got != CodeInvalid && got != CodeKeysUnavailable {
		t.Errorf("the old one: %s", got)
	}
	if got := brief(admit(a, withToken(of(t, two)))); got != "2" {
		t.Errorf("while the file is broken: %s", got)
	}
	other := &signer{"HS384", "", []byte("another secret of more than thirty-two bytes"), nil}
	write(t, secrets, other.private.([]byte))
	if got := admit(a, withToken(other.sign(t, gojwt.MapClaims{"sub": "x", "exp": in(time.Hour)}))); got.User != "x" {
		t.Errorf("the secret: %s", brief(got))
	}
}

// Keys are rotated again and again while clients connect: nobody with a token of a key that is there as it connects is refused.
func TestRotationUnderLoad(t *testing.T) {
	signers := []*signer{pair("EdDSA", "1"), pair("ES256", "2"), pair("ES384", "3")}
	keys := write(t, "", setOf(t, signers[0]))
	a := started(t, Config{KeysFile: keys, UserClaim: "sub"}, nobody)
	// The newest is published before anything is signed with it, and the one before stays, as issuers do.
	var newest atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var admitted atomic.Int64
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				s := signers[newest.Load()%3]
				if got := brief(admit(a, withToken(of(t, s)))); got != s.id {
					t.Errorf("key %s: %s", s.id, got)
					return
				}
				admitted.Add(1)
			}
		})
	}
	for i := int64(1); i < 8 && !t.Failed(); i++ {
		write(t, keys, setOf(t, signers[i%3], signers[(i-1)%3]))
		newest.Store(i)
		for before := admitted.Load(); admitted.Load() < before+200 && !t.Failed(); {
			runtime.Gosched()
		}
	}
	cancel()
	clients.Wait()
	if n := a.Stats().Loads["changed"]; n < 4 {
		t.Errorf("keys changed %d times", n)
	}
}

// A set has keys for other things, which are no reason to refuse it, and secrets, which are none.
func TestParseSet(t *testing.T) {
	good := string(setOf(t, pair("ES256", "1")))
	with := func(more string) string { return strings.Replace(good, `{"keys":[`, `{"keys":[`+more+",", 1) }
	for name, tt := range map[string]struct {
		text string
		keys int
		err  string
	}{
		"good":              {good, 1, ""},
		"for encryption":    {with(`{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}`), 1, ""},
		"of a new kind":     {with(`{"kty":"PQC"}`), 1, ""},
		"a secret":          {with(`{"kty":"oct","k":"c2VjcmV0LXRoYXQtZXZlcnlib2R5LWNhbi1yZWFk"}`), 1, ""},
		"a short RSA key":   {`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, 0, "no key in it can be used"},
		"nothing":           {`{"keys":[]}`, 0, "it holds no keys"},
		"one key by itself": {strings.TrimSuffix(strings.TrimPrefix(good, `{"keys":[`), `]}`), 1, ""},
		"no JSON":           {`{`, 0, "it is no JSON Web Key Set"},
	} {
		keys, err := parseKeys([]byte(tt.text))
		if len(keys) != tt.keys || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
}
