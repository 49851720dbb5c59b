package engineio

import (
	"crypto/rand"
	"encoding/base64"
)

// ID is a session id: 20 characters of base64url, 15 random bytes (PROTOCOL 1.3). Whoever knows it can speak for the
// client: it is a secret, never logged and never shown to another client.
type ID [20]byte

// NewID returns an unpredictable id.
func NewID() ID {
	var random [15]byte
	_, _ = rand.Read(random[:]) // crypto/rand never fails; it ends the process instead
	var id ID
	base64.RawURLEncoding.Encode(id[:], random[:])
	return id
}

// ParseID reports whether s has the shape of an id: exactly 20 characters of A-Z, a-z, 0-9, "-" and "_".
func ParseID(s string) (ID, bool) {
	var id ID
	if len(s) != len(id) {
		return ID{}, false
	}
	for i := range len(s) {
		if !base64url(s[i]) {
			return ID{}, false
		}
	}
	copy(id[:], s)
	return id, true
}

func base64url(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// String returns the 20 characters.
func (id ID) String() string { return string(id[:]) }
