package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
)

// claims are those of one token: each value's JSON text by its exact name, which the fields of a struct would not do.
type claims map[string]json.RawMessage

var errNoObject = errors.New("the claims are not an object")

// maxSeconds is the last second of the year 9999.
const maxSeconds = 253_402_300_799

func (c claims) date(name string) (*gojwt.NumericDate, error) {
	text, ok := c[name]
	if !ok {
		return nil, nil //nolint:nilnil // the library's way to say that there is none
	}
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(seconds >= 0 && seconds <= maxSeconds) {
		return nil, fmt.Errorf("%w: %s is no time", gojwt.ErrInvalidType, name)
	}
	return &gojwt.NumericDate{Time: time.Unix(int64(seconds), 0)}, nil
}

func (c claims) text(name string) (string, error) {
	raw, ok := c[name]
	if !ok {
		return "", nil
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%w: %s is no string", gojwt.ErrInvalidType, name)
	}
	return s, nil
}

// texts reads a string or a list of strings; nil: there is no such claim.
func (c claims) texts(name string) ([]string, error) {
	raw, ok := c[name]
	if !ok {
		return nil, nil
	}
	if raw[0] == '"' {
		s, err := c.text(name)
		return []string{s}, err
	}
	var list []*string // nil: null, which a string would take for empty
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("%w: %s is neither a string nor a list of strings", gojwt.ErrInvalidType, name)
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, fmt.Errorf("%w: %s has a null", gojwt.ErrInvalidType, name)
		}
		out[i] = *s
	}
	return out, nil
}

// GetExpirationTime and the following implement gojwt.Claims.
func (c claims) GetExpirationTime() (*gojwt.NumericDate, error) { return c.date("exp") }

// GetIssuedAt implements gojwt.Claims.
func (c claims) GetIssuedAt() (*gojwt.NumericDate, error) { return c.date("iat") }

// GetNotBefore implements gojwt.Claims.
func (c claims) GetNotBefore() (*gojwt.NumericDate, error) { return c.date("nbf") }

// GetIssuer implements gojwt.Claims.
func (c claims) GetIssuer() (string, error) { return c.text("iss") }

// GetSubject implements gojwt.Claims.
func (c claims) GetSubject() (string, error) { return c.text("sub") }

// GetAudience implements gojwt.Claims.
func (c claims) GetAudience() (gojwt.ClaimStrings, error) {
	list, err := c.texts("aud")
	return list, err
}

// The bounds of what a token may say, which are those of what services may say.
const (
	maxNameBytes = 256 // of a user, and of a room
	maxRooms     = 1000
	maxDepth     = 64 // of data, as JSON
)

// user returns the claim that names the user: a string, or a number's text.
func (c claims) user(name string) (string, error) {
	raw := c[name]
	if len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9') {
		if len(raw) > maxNameBytes {
			return "", fmt.Errorf("%s is too long", name)
		}
		return string(raw), nil
	}
	user, err := c.text(name)
	switch {
	case err != nil:
		return "", err
	case user == "":
		return "", fmt.Errorf("%s, the user, is missing", name)
	case len(user) > maxNameBytes:
		return "", fmt.Errorf("%s has more than %d bytes", name, maxNameBytes)
	}
	return user, nil
}

// rooms returns the claim that names rooms.
func (c claims) rooms(name string) ([]string, error) {
	list, err := c.texts(name)
	if err != nil {
		return nil, err
	}
	if len(list) > maxRooms {
		return nil, fmt.Errorf("%s has more than %d rooms", name, maxRooms)
	}
	for _, room := range list {
		if room == "" || len(room) > maxNameBytes {
			return nil, fmt.Errorf("%s has a room whose name is empty or has more than %d bytes", name, maxNameBytes)
		}
	}
	return list, nil
}

// data returns the claim that becomes a socket's data: valid JSON; nil: there is none.
func (c claims) data(name string) ([]byte, error) {
	raw := c[name]
	if depthOf(raw) > maxDepth {
		return nil, fmt.Errorf("%s is nested more than %d deep", name, maxDepth)
	}
	return raw, nil
}

// depthOf is how deep b, valid JSON, is nested.
func depthOf(b []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
