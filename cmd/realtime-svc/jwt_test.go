package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/jwt"
)

func TestTokenSettingsReachTheVerifier(t *testing.T) {
	cfg, _, err := read(t, []string{
		"--jwt-keys=/k", "--jwt-jwks-url=https://a/b", "--jwt-hmac-secret-file=/s", "--jwt-jwks-refresh=30s", "--jwt-algorithms=RS256,ES256",
		"--jwt-issuer=i", "--jwt-audience=a,b", "--jwt-leeway=31s", "--jwt-no-expiry", "--jwt-max-bytes=3KiB",
		"--jwt-sources=authorization,cookie:c", "--jwt-optional", "--jwt-then-ask", "--jwt-user-claim=u", "--jwt-rooms-claim=r",
		"--jwt-namespaces-claim=n", "--jwt-data-claim=d", "--jwt-expiry=ask", "--jwt-refresh-event=e", "--jwt-refresh-before=32s",
		"--keep-headers=cookie",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := jwt.Config{
		KeysFile: "/k", JWKSURL: "https://a/b", SecretFile: "/s", JWKSRefresh: 30e9, Algorithms: []string{"RS256", "ES256"}, Issuer: "i",
		Audience: []string{"a", "b"}, Leeway: 31e9, NoExpiry: true, MaxBytes: 3 << 10, Sources: []string{"authorization", "cookie:c"},
		Optional: true, ThenAsk: true, UserClaim: "u", RoomsClaim: "r", NamespacesClaim: "n", DataClaim: "d", Expiry: jwt.ExpiryAsk,
		RefreshEvent: "e", RefreshBefore: 32e9, HideHeaders: []string{"authorization"},
	}
	if diff := cmp.Diff(want, cfg.jwtConfig(), cmpopts.IgnoreFields(jwt.Config{}, "Hub")); diff != "" {
		t.Error(diff)
	}
}

// What is wrong is told with its flag: shapes before anything is opened, files when the Process is made.
func TestTokenSettingsThatAreWrong(t *testing.T) {
	for want, args := range map[string][]string{
		"--jwt-optional:":     {"--jwt-optional"},
		"--jwt-jwks-url:":     {"--jwt-jwks-url=ftp://x"},
		"--jwt-sources:":      {"--jwt-jwks-url=https://x", "--jwt-sources=header"},
		"--jwt-algorithms:":   {"--jwt-jwks-url=https://x", "--jwt-algorithms=HS256"},
		"--jwt-refresh-event": {"--jwt-jwks-url=https://x", "--jwt-refresh-event=connect"},
	} {
		if _, _, err := read(t, args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, edit := range map[string]func(*Config){
		"--jwt-keys: ":             func(c *Config) { c.JWTKeys = "/does/not/exist" },
		"--jwt-hmac-secret-file: ": func(c *Config) { c.JWTSecret = "/does/not/exist" },
	} {
		cfg := defaultConfig()
		edit(&cfg)
		if _, err := NewProcess(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// With keys the verifier stands before services and observer, and the edge keeps what it needs for it alone.
func TestTokensStandBeforeServices(t *testing.T) {
	p := start(t, func(c *Config) {
		c.JWTSecret, c.JWTSources, c.KeepHeaders = secretFile(t), []string{"cookie:c", "authorization"}, []string{"origin"}
	})
	defer stopped(t, p)
	edge := p.edgeConfig(nil)
	if edge.Admitter != p.jwt || edge.Observer != p.jwt || !cmp.Equal(edge.CredentialHeaders, []string{"cookie", "authorization"}) {
		t.Errorf("%T, %T, %v", edge.Admitter, edge.Observer, edge.CredentialHeaders)
	}
	v, ok := p.jwt.Admit(&rooms.Question{Namespace: "/", Handshake: &rooms.Handshake{}}, nil)
	if !ok || !v.Refused || string(v.ErrorData) != `{"code":"TOKEN_MISSING"}` {
		t.Errorf("%+v, %v", v, ok)
	}
}
