package jwt

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Expiry says what becomes of a socket when its token expires.
type Expiry string

// The values of Expiry.
const (
	ExpiryDisconnect Expiry = "disconnect" // it is disconnected
	ExpiryAsk        Expiry = "ask"        // it is asked for another token before, and disconnected if it brings none
	ExpiryIgnore     Expiry = "ignore"     // nothing
)

// Config configures an Admitter. Hub and one of KeysFile, JWKSURL and SecretFile are required; for the rest the zero value
// means the documented default.
type Config struct {
	// Hub holds the sockets that are let in.
	Hub *rooms.Hub

	// KeysFile holds public keys: PEM blocks of the types PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE, or a JSON Web Key
	// (Set) (RFC 7517). RSA keys have at least 2048 bits.
	KeysFile string
	// JWKSURL answers with a JSON Web Key Set.
	JWKSURL string
	// JWKSRefresh is how often it is fetched. 0 means 5 minutes.
	JWKSRefresh time.Duration
	// SecretFile holds the secret of the algorithms HS256, HS384 and HS512: its content without one line break at the end,
	// at least 32 bytes.
	SecretFile string

	// Algorithms are those that tokens may be signed with. Empty means all that the keys are for.
	Algorithms []string
	// Issuer is what the claim iss must be. Empty: anything.
	Issuer string
	// Audience names what the claim aud must have one of. Empty: anything.
	Audience []string
	// Leeway is how far the clocks of issuers may be off, for exp, nbf and iat. 0 means none.
	Leeway time.Duration
	// NoExpiry lets tokens without the claim exp in. They never expire.
	NoExpiry bool
	// MaxBytes bounds the length of a token. 0 means 8 KiB.
	MaxBytes int

	// Sources says where a token may be, in the order of precedence: "auth.token", "authorization", "cookie:NAME" and
	// "query:NAME". Empty means the first.
	Sources []string
	// Optional passes clients without a token on to the next admitter. Otherwise they are refused.
	Optional bool
	// ThenAsk asks the next admitter about clients with a good token, too. What it says wins over what the token says,
	// where it says anything.
	ThenAsk bool

	// UserClaim names the claim that is the user. Empty: there is none.
	UserClaim string
	// RoomsClaim names the claim that has the rooms a socket begins in: a string, or a list of them. Empty: there is none.
	RoomsClaim string
	// NamespacesClaim names the claim that has the namespaces a token is good for, in the same way. A token without it is
	// good for none. Empty: every token is good for all.
	NamespacesClaim string
	// DataClaim names the claim that becomes the socket's data. Empty: there is none.
	DataClaim string

	// Expiry says what becomes of a socket when its token expires. Empty means ExpiryDisconnect.
	Expiry Expiry
	// RefreshEvent is what a client is asked with. Empty means "token_expiring".
	RefreshEvent string
	// RefreshBefore is how long before the expiry it is asked. 0 means 30 s.
	RefreshBefore time.Duration

	// HideHeaders names the headers (lower case) that the next admitter is not shown.
	HideHeaders []string
	// Client fetches JWKSURL. Nil means one with a timeout of 10 s.
	Client *http.Client
	// Logger gets what nobody else hears of. Nil discards it.
	Logger *slog.Logger
}

// SettingError is what is wrong with one setting.
type SettingError struct {
	// Setting is what the setting is called: "keys", "jwks-url", "hmac-secret-file", "algorithms", "sources",
	// "refresh-event" and so on.
	Setting string
	Err     error
}

func (e *SettingError) Error() string { return "jwt: " + e.Setting + ": " + e.Err.Error() }
func (e *SettingError) Unwrap() error { return e.Err }

func settingError(setting, format string, args ...any) error {
	return &SettingError{setting, fmt.Errorf(format, args...)}
}

// Enabled reports whether there are keys to check tokens with.
func (c *Config) Enabled() bool { return c.KeysFile != "" || c.JWKSURL != "" || c.SecretFile != "" }

// Validate reports everything that is wrong, the files included, which it reads: each is a *SettingError. Hub is not looked
// at.
func (c *Config) Validate() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !c.Enabled() {
		add(settingError("keys", "there are no keys to check tokens with"))
	}
	add(checkFile("keys", c.KeysFile, parseKeys))
	add(checkFile("hmac-secret-file", c.SecretFile, parseSecret))
	add(checkURL(c.JWKSURL))
	errs = append(errs, c.checkAlgorithms()...)
	if _, err := parsePlaces(c.Sources); err != nil {
		add(&SettingError{"sources", err})
	}
	switch c.Expiry {
	case "", ExpiryDisconnect, ExpiryAsk, ExpiryIgnore:
	default:
		add(settingError("expiry", "%q is not one of disconnect, ask, ignore", c.Expiry))
	}
	if slices.Contains(reservedEvents, c.RefreshEvent) || len(c.RefreshEvent) > maxNameBytes {
		add(settingError("refresh-event", "%.40q cannot be an event's name", c.RefreshEvent))
	}
	return errors.Join(append(errs, c.checkBounds()...)...)
}

// reservedEvents cannot be emitted (PROTOCOL 4.3).
var reservedEvents = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

func (c *Config) checkBounds() (errs []error) {
	for _, bound := range []struct {
		setting string
		value   int64
	}{
		{"jwks-refresh", int64(c.JWKSRefresh)},
		{"leeway", int64(c.Leeway)},
		{"refresh-before", int64(c.RefreshBefore)},
		{"max-bytes", int64(c.MaxBytes)},
	} {
		if bound.value < 0 {
			errs = append(errs, settingError(bound.setting, "must not be negative"))
		}
	}
	return errs
}

func (c *Config) checkAlgorithms() (errs []error) {
	for _, name := range c.Algorithms {
		switch {
		case !slices.Contains(allAlgorithms, name):
			errs = append(errs, settingError("algorithms", "%q is not one of %s", name, strings.Join(allAlgorithms, ", ")))
		case slices.Contains(secretAlgorithms, name) && c.SecretFile == "":
			errs = append(errs, settingError("algorithms", "%s needs a secret", name))
		case !slices.Contains(secretAlgorithms, name) && c.KeysFile == "" && c.JWKSURL == "":
			errs = append(errs, settingError("algorithms", "%s needs public keys", name))
		}
	}
	return errs
}

func checkFile(setting, path string, parse func([]byte) ([]key, error)) error {
	if path == "" {
		return nil
	}
	text, err := readFile(path)
	if err == nil {
		_, err = parse(text)
	}
	if err != nil {
		return &SettingError{setting, err}
	}
	return nil
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return settingError("jwks-url", "%q is not a URL", text)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return settingError("jwks-url", "%q does not begin with https:// or http:// and a host", u.Redacted())
	}
	return nil
}

// maxFileBytes bounds a file with keys, and what a URL answers.
const maxFileBytes = 1 << 20

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFileBytes)
	}
	return os.ReadFile(path)
}

func (c Config) withDefaults() Config {
	c.JWKSRefresh = cmp.Or(c.JWKSRefresh, 5*time.Minute)
	c.MaxBytes = cmp.Or(c.MaxBytes, 8<<10)
	c.Expiry = cmp.Or(c.Expiry, ExpiryDisconnect)
	c.RefreshEvent = cmp.Or(c.RefreshEvent, "token_expiring")
	c.RefreshBefore = cmp.Or(c.RefreshBefore, 30*time.Second)
	if len(c.Algorithms) == 0 {
		c.Algorithms = allAlgorithms
	}
	if len(c.Sources) == 0 {
		c.Sources = []string{"auth.token"}
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: fetchTimeout, CheckRedirect: stayEncrypted}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// stayEncrypted lets an http.Client follow redirects, but not from https to http.
func stayEncrypted(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= 5:
		return errors.New("stopped after 5 redirects")
	case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
		return errors.New("redirected from https to " + r.URL.Scheme)
	}
	return nil
}
