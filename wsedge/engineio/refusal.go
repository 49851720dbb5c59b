package engineio

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Refusal is why a request is not served (PROTOCOL 1.2). On polling it is answered as JSON with Status; on an upgrade
// request always with 400 and Message as plain text.
type Refusal struct { //nolint:errname // the protocol refuses requests; SessionUnknownError would be our word, not its
	Code    int
	Message string
}

// The refusals. Their codes and texts are the protocol's; a check that refuses in its own words answers
// &Refusal{ErrForbidden.Code, words}.
var (
	ErrTransportUnknown    = &Refusal{0, "Transport unknown"}
	ErrSessionUnknown      = &Refusal{1, "Session ID unknown"}
	ErrBadHandshakeMethod  = &Refusal{2, "Bad handshake method"}
	ErrBadRequest          = &Refusal{3, "Bad request"}
	ErrForbidden           = &Refusal{4, "Forbidden"}
	ErrUnsupportedProtocol = &Refusal{5, "Unsupported protocol version"}
)

// Error makes a *Refusal an error.
func (r *Refusal) Error() string { return "engineio: " + r.Message }

// Status is the HTTP status of the answer: 403 for code 4 on polling, otherwise 400.
func (r *Refusal) Status(polling bool) int {
	if polling && r.Code == ErrForbidden.Code {
		return 403
	}
	return 400
}

// AppendJSON appends {"code":N,"message":"…"}, the body of the answer to a polling request.
func (r *Refusal) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(r.Code), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, r.Message)
	return append(dst, '}')
}

// appendString appends s as a JSON string with <, > and & as they are.
func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
