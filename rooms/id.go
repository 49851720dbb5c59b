package rooms

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// ErrSocketID reports text that cannot be a SocketID.
var ErrSocketID = errors.New("rooms: a socket id is 20 characters of A-Z, a-z, 0-9, - and _")

// SocketID names one socket, that is one client in one namespace: 20 characters of base64url (120 random bits). It is
// public: whoever is in the same room may learn it. It is never the Engine.IO session id, which is a secret; but for
// clients of Engine.IO v3, whose protocol knows one id only (PROTOCOL 2.7).
type SocketID [20]byte

// NewSocketID returns an id that nobody can guess and that collides with no other.
func NewSocketID() SocketID {
	var raw [15]byte
	_, _ = rand.Read(raw[:]) // never fails: the runtime ends the process instead
	var id SocketID
	base64.RawURLEncoding.Encode(id[:], raw[:])
	return id
}

// ParseSocketID reads what String wrote. Anything but exactly 20 characters of the alphabet is ErrSocketID.
func ParseSocketID(s string) (SocketID, error) {
	var id SocketID
	if len(s) != len(id) {
		return SocketID{}, ErrSocketID
	}
	for i := range len(s) {
		if !base64url(s[i]) {
			return SocketID{}, ErrSocketID
		}
	}
	copy(id[:], s)
	return id, nil
}

// ParseSocketIDIn is ParseSocketID for whoever may have the id from a client of Engine.IO v3: in the namespace /chat such
// a client believes that its id is "/chat#" and the 20 characters (PROTOCOL 2.7). Either form names the socket. The name
// of another namespace in front of it is ErrSocketID.
func ParseSocketIDIn(namespace, s string) (SocketID, error) {
	return ParseSocketID(untagged(namespace, s))
}

// untagged returns what follows <namespace># in s if that has the length of an id, otherwise s.
func untagged(namespace, s string) string {
	if tag := len(s) - len(SocketID{}) - 1; tag == len(namespace) && s[tag] == '#' && s[:tag] == namespace {
		return s[tag+1:]
	}
	return s
}

// String returns the 20 characters.
func (id SocketID) String() string { return string(id[:]) }

func base64url(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
