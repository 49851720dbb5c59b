package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// closeCodes are the borders of every class of section 7.4: what a client may send, and what it must not.
var closeCodes = []struct {
	code    uint16
	section string
	good    bool
}{
	{0, "7.4.2", false}, {1, "7.4.2", false}, {999, "7.4.2", false},
	{1000, "7.4.1", true}, {1001, "7.4.1", true}, {1002, "7.4.1", true}, {1003, "7.4.1", true},
	{1004, "7.4.1", false}, {1005, "7.4.1", false}, {1006, "7.4.1", false},
	{1007, "7.4.1", true}, {1008, "7.4.1", true}, {1009, "7.4.1", true}, {1010, "7.4.1", true}, {1011, "7.4.1", true},
	{1012, "7.4.2", true}, {1013, "7.4.2", true}, {1014, "7.4.2", true}, // registered with IANA since
	{1015, "7.4.1", false}, {1016, "7.4.2", false}, {1100, "7.4.2", false}, {1999, "7.4.2", false},
	{2000, "7.4.2", false}, {2999, "7.4.2", false},
	{3000, "7.4.2", true}, {3999, "7.4.2", true}, {4000, "7.4.2", true}, {4999, "7.4.2", true},
	{5000, "7.4.2", false}, {65535, "7.4.2", false},
}

// closeCases: the close frame, sections 5.5.1, 7.1 and 7.4.
func closeCases() []streamCase {
	cases := []streamCase{
		{"RFC6455 5.5.1 no body", frame(0x88, ""), heard{`close 1005 ""`}, errDone},
		{"RFC6455 5.5.1 a code alone", frame(0x88, "\x03\xe8"), heard{`close 1000 ""`}, errDone},
		{"RFC6455 5.5.1 a body of one byte", frame(0x88, "\x03"), nil, errCloseFrame},
		{"RFC6455 5.5.1 data after it is not heard", join(frame(0x88, "\x03\xe8"), frame(0x81, "late")), heard{`close 1000 ""`}, errDone},
		{"RFC6455 5.5.1 a ping after it is not heard", join(frame(0x88, ""), frame(0x89, "p")), heard{`close 1005 ""`}, errDone},
		{"RFC6455 5.5.1 a second close is not heard", join(frame(0x88, "\x03\xe8"), frame(0x88, "\x03\xe9")), heard{`close 1000 ""`}, errDone},
		{"RFC6455 5.5.1 garbage after it is not heard", join(frame(0x88, "\x03\xe8"), []byte{0xff, 0xff, 0xff}), heard{`close 1000 ""`}, errDone},
		{"RFC6455 5.5.1 data before it is heard", join(frame(0x81, "a"), frame(0x88, "")), heard{`message false "a"`, `close 1005 ""`}, errDone},
		{"RFC6455 7.1.5 no body means 1005", join(frame(0x8a, ""), frame(0x88, "")), heard{`control 10 ""`, `close 1005 ""`}, errDone},
		{"RFC6455 7.1.6 a reason", frame(0x88, "\x03\xe8bye"), heard{`close 1000 "bye"`}, errDone},
		{"RFC6455 7.1.6 the longest reason", frame(0x88, "\x03\xe8"+strings.Repeat("r", 123)),
			heard{fmt.Sprintf("close 1000 %q", strings.Repeat("r", 123))}, errDone},
		{"RFC6455 7.1.6 a reason of UTF-8", frame(0x88, "\x0f\xa0aß€😀"), heard{`close 4000 "aß€😀"`}, errDone},
		{"RFC6455 8.1 a reason that is not UTF-8", frame(0x88, "\x03\xe8\xff"), nil, errUTF8},
		{"RFC6455 8.1 a reason that breaks off", frame(0x88, "\x03\xe8\xe2\x82"), nil, errUTF8},
	}
	for _, c := range closeCodes {
		one := streamCase{in: frame(0x88, string(binary.BigEndian.AppendUint16(nil, c.code)))}
		if c.good {
			one.name = fmt.Sprintf("RFC6455 %s a client may send %d", c.section, c.code)
			one.want, one.err = heard{fmt.Sprintf(`close %d ""`, c.code)}, errDone
		} else {
			one.name = fmt.Sprintf("RFC6455 %s nobody may send %d", c.section, c.code)
			one.err = errCloseFrame
		}
		cases = append(cases, one)
	}
	return cases
}

// RFC6455 7.4: every code there is falls into one class, as the borders have it.
func TestRFC6455EveryCloseCode(t *testing.T) {
	for code := range 1 << 16 {
		good := code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 || code >= 3000 && code <= 4999
		got, err := parseClose(binary.BigEndian.AppendUint16(nil, uint16(code)))
		if good != (err == nil) || good && got != ws.StatusCode(code) {
			t.Errorf("%d: %d, %v", code, got, err)
		}
		if !good && !errors.Is(err, errCloseFrame) {
			t.Errorf("%d: %v", code, err)
		}
	}
}
