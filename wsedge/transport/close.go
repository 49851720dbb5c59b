package transport

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// parseClose checks the payload of a close frame and returns its status code,
// 1005 when it has none (section 7.1.5).
func parseClose(payload []byte) (ws.StatusCode, error) {
	if len(payload) == 0 {
		return ws.StatusNoStatusRcvd, nil
	}
	if len(payload) == 1 {
		return 0, errCloseFrame
	}
	code := ws.StatusCode(binary.BigEndian.Uint16(payload))
	switch {
	case !utf8.Valid(payload[2:]):
		return 0, errUTF8
	case code < 1000, code > 4999, code >= 1015 && code < 3000,
		code == 1004, code == ws.StatusNoStatusRcvd, code == ws.StatusAbnormalClosure:
		return 0, errCloseFrame
	}
	return code, nil
}
