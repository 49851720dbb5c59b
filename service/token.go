package service

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// errToken reports text that is no token of the wanted kind.
var errToken = errors.New("service: not a token of this kind")

// The first byte of a token: its version and kind in one. Tokens of a later version get numbers of their own.
const (
	ackTokenV1  = 1
	pageTokenV1 = 2
)

// ackToken names the acknowledgement that a client waits for. On the wire: kind, node, namespace, socket id (20 bytes),
// ack id; texts are preceded by their length, numbers are uvarints, all of it in base64url. Nothing is secret or
// signed: whoever may reply may emit.
type ackToken struct {
	node, namespace string
	socket          rooms.SocketID
	ack             uint64
}

func (t *ackToken) String() string {
	b := make([]byte, 0, 128)
	b = append(b, ackTokenV1)
	b = appendText(b, t.node)
	b = appendText(b, t.namespace)
	b = append(b, t.socket[:]...)
	b = binary.AppendUvarint(b, t.ack)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseAckToken(s string) (t ackToken, err error) {
	r := tokenReader{rest: decodeToken(s, ackTokenV1)}
	t.node = r.text()
	t.namespace = r.text()
	socket, err := rooms.ParseSocketID(string(r.bytes(len(t.socket))))
	t.socket = socket
	t.ack = r.number()
	if err != nil || !r.done() {
		return ackToken{}, errToken
	}
	return t, nil
}

// pageToken says where a list of rooms goes on. On the wire: kind, node, namespace, name of the last room, as in
// ackToken.
type pageToken struct {
	node, namespace, after string
}

func (t *pageToken) String() string {
	b := make([]byte, 0, 128)
	b = append(b, pageTokenV1)
	b = appendText(b, t.node)
	b = appendText(b, t.namespace)
	b = appendText(b, t.after)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePageToken(s string) (t pageToken, err error) {
	r := tokenReader{rest: decodeToken(s, pageTokenV1)}
	t.node = r.text()
	t.namespace = r.text()
	t.after = r.text()
	if !r.done() {
		return pageToken{}, errToken
	}
	return t, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeToken returns what follows the kind, nil if it is not that kind.
func decodeToken(s string, kind byte) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != kind {
		return nil
	}
	return b[1:]
}

// tokenReader reads a token's fields. After one that is cut short, it is not done and every further one is empty.
type tokenReader struct {
	rest  []byte
	short bool
}

func (r *tokenReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.rest, r.short = nil, true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *tokenReader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.short = nil, true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *tokenReader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.short = nil, true
		return ""
	}
	return string(r.bytes(int(n)))
}

// done reports whether everything was there and nothing more.
func (r *tokenReader) done() bool { return !r.short && len(r.rest) == 0 }
