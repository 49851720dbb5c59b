package transport

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// The suite walks RFC 6455: each case is named by the section that it proves. The cases run on the decoder in every way
// in which the network may cut them, and those that end a connection run again on a server (rfc6455_server_test.go).

// rfc6455Sections are the sections that say what a client may put into a stream of frames. Each must have a case, and
// each case must name one of them.
var rfc6455Sections = []string{
	"5.1", "5.2", "5.3", "5.4", "5.5", "5.5.1", "5.5.2", "5.5.3", "5.6", "5.7", "5.8", "7.1.5", "7.1.6", "7.4.1", "7.4.2", "8.1", "10.4",
}

// streamCase is what one client sends and what comes of it.
type streamCase struct {
	name string
	in   []byte
	want heard
	err  error // nil when the stream may go on
}

var rfc6455Cases = slices.Concat(framingCases, lengthCases, fragmentCases, controlCases, closeCases(), textCases, sizeCases)

// peer hears like a wire: a close frame is the end of what it hears.
type peer struct{ heard }

func (p *peer) control(op ws.OpCode, payload []byte) error {
	if op != ws.OpClose {
		return p.heard.control(op, payload)
	}
	code, err := parseClose(payload)
	if err != nil {
		return err
	}
	p.heard = append(p.heard, fmt.Sprintf("close %d %q", code, payload[min(2, len(payload)):]))
	return errDone
}

// framingCases: sections 5.1 to 5.3, 5.6 to 5.8.
var framingCases = []streamCase{
	{"RFC6455 5.1 text that is not masked", []byte{0x81, 0x01, 'a'}, nil, errUnmasked},
	{"RFC6455 5.1 empty frame that is not masked", []byte{0x82, 0x00}, nil, errUnmasked},
	{"RFC6455 5.1 ping that is not masked", []byte{0x89, 0x00}, nil, errUnmasked},
	{"RFC6455 5.1 close that is not masked", []byte{0x88, 0x02, 0x03, 0xe8}, nil, errUnmasked},
	{"RFC6455 5.1 continuation that is not masked", join(frame(0x01, "a"), []byte{0x80, 0x01, 'b'}), nil, errUnmasked},
	{"RFC6455 5.1 long frame that is not masked", []byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}, nil, errUnmasked},
	{"RFC6455 5.2 RSV1", frame(0xc1, "a"), nil, errReserved},
	{"RFC6455 5.2 RSV2", frame(0xa1, "a"), nil, errReserved},
	{"RFC6455 5.2 RSV3", frame(0x91, "a"), nil, errReserved},
	{"RFC6455 5.2 RSV1 and RSV2", frame(0xe2, "a"), nil, errReserved},
	{"RFC6455 5.2 all reserved bits", frame(0xf2, ""), nil, errReserved},
	{"RFC6455 5.2 RSV1 on a ping", frame(0xc9, ""), nil, errReserved},
	{"RFC6455 5.2 RSV2 on a close", frame(0xa8, ""), nil, errReserved},
	{"RFC6455 5.2 RSV3 on a pong", frame(0x9a, ""), nil, errReserved},
	{"RFC6455 5.2 RSV1 on a continuation", join(frame(0x01, "a"), frame(0xc0, "b")), nil, errReserved},
	{"RFC6455 5.2 opcode 3", frame(0x83, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 4", frame(0x84, ""), nil, errOpcode},
	{"RFC6455 5.2 opcode 5", frame(0x85, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 6", frame(0x86, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 7", frame(0x87, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 11", frame(0x8b, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 12", frame(0x8c, ""), nil, errOpcode},
	{"RFC6455 5.2 opcode 13", frame(0x8d, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 14", frame(0x8e, "a"), nil, errOpcode},
	{"RFC6455 5.2 opcode 15", frame(0x8f, "a"), nil, errOpcode},
	{"RFC6455 5.2 reserved opcode without FIN", frame(0x03, "a"), nil, errOpcode},
	{"RFC6455 5.2 reserved opcode between fragments", join(frame(0x01, "a"), frame(0x83, "b")), nil, errOpcode},
	{"RFC6455 5.2 what came before an error counts", join(frame(0x81, "a"), frame(0x83, "b"), frame(0x81, "c")), heard{`message false "a"`}, errOpcode},
	{"RFC6455 5.2 several in one read", join(frame(0x81, "a"), frame(0x82, "b"), frame(0x81, "c")),
		heard{`message false "a"`, `message true "b"`, `message false "c"`}, nil},
	{"RFC6455 5.3 a mask of zeros", []byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'}, heard{`message false "hi"`}, nil},
	{"RFC6455 5.3 a mask of ones", []byte{0x82, 0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0xfe}, heard{`message true "\x00\xff\x01"`}, nil},
	{"RFC6455 5.3 a new mask for each frame", []byte{0x81, 0x81, 1, 0, 0, 0, 'a' ^ 1, 0x81, 0x81, 2, 0, 0, 0, 'b' ^ 2},
		heard{`message false "a"`, `message false "b"`}, nil},
	{"RFC6455 5.3 the mask begins anew with each fragment", []byte{0x01, 0x81, 1, 2, 3, 4, 'a' ^ 1, 0x80, 0x82, 5, 6, 7, 8, 'b' ^ 5, 'c' ^ 6},
		heard{`message false "abc"`}, nil},
	{"RFC6455 5.3 a mask and nothing to mask", frame(0x82, ""), heard{`message true ""`}, nil},
	{"RFC6455 5.6 text", frame(0x81, "4hello"), heard{`message false "4hello"`}, nil},
	{"RFC6455 5.6 binary", frame(0x82, "\x00\xff"), heard{`message true "\x00\xff"`}, nil},
	{"RFC6455 5.6 empty text", frame(0x81, ""), heard{`message false ""`}, nil},
	{"RFC6455 5.6 binary need not be UTF-8", frame(0x82, "\xc0\xaf\xed\xa0\x80"), heard{`message true "\xc0\xaf\xed\xa0\x80"`}, nil},
	{"RFC6455 5.7 the masked example", []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, heard{`message false "Hello"`}, nil},
	{"RFC6455 5.7 the masked pong example", []byte{0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, heard{`control 10 "Hello"`}, nil},
	{"RFC6455 5.8 no extension gives meaning to RSV1 or an opcode", join(frame(0x82, "ok"), frame(0xc3, "a")), heard{`message true "ok"`}, errReserved},
}

// lengthCases: the three forms of a length, section 5.2.
var lengthCases = []streamCase{
	{"RFC6455 5.2 length 1", frame(0x82, "x"), heard{binaryOf(1)}, nil},
	{"RFC6455 5.2 length 125", frame(0x82, strings.Repeat("x", 125)), heard{binaryOf(125)}, nil},
	{"RFC6455 5.2 length 126", frame(0x82, strings.Repeat("x", 126)), heard{binaryOf(126)}, nil},
	{"RFC6455 5.2 length 127", frame(0x82, strings.Repeat("x", 127)), heard{binaryOf(127)}, nil},
	{"RFC6455 5.2 length 65535", frame(0x82, strings.Repeat("x", 65535)), heard{binaryOf(65535)}, nil},
	{"RFC6455 5.2 length 65536", frame(0x82, strings.Repeat("x", 65536)), heard{binaryOf(65536)}, nil},
	{"RFC6455 5.2 length 0 in 16 bits", []byte{0x81, 0xfe, 0, 0, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 5 in 16 bits", []byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 125 in 16 bits", []byte{0x81, 0xfe, 0, 125, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 0 in 64 bits", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 5 in 64 bits", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 126 in 64 bits", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 126, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 65535 in 64 bits", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, nil, errLength},
	{"RFC6455 5.2 length 2^31", []byte{0x81, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.2 length 2^32 + 1", []byte{0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.2 length 2^62 - 1", []byte{0x81, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.2 length 2^62", []byte{0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.2 length 2^63 - 1", []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.2 length 2^63, the bit that must be 0", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.2 length 2^64 - 1", []byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.5 control frame of 2^62", []byte{0x89, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 5.5 control frame with a short length in 16 bits", []byte{0x89, 0xfe, 0, 5, 0, 0, 0, 0}, nil, errLength},
}

func binaryOf(n int) string { return fmt.Sprintf("message true %q", strings.Repeat("x", n)) }

// fragmentCases: section 5.4.
var fragmentCases = []streamCase{
	{"RFC6455 5.4 two fragments", join(frame(0x01, "he"), frame(0x80, "llo")), heard{`message false "hello"`}, nil},
	{"RFC6455 5.4 many fragments", join(frame(0x02, "h"), frame(0x00, "e"), frame(0x00, "l"), frame(0x00, "l"), frame(0x80, "o")), heard{`message true "hello"`}, nil},
	{"RFC6455 5.4 empty fragments", join(frame(0x02, ""), frame(0x00, ""), frame(0x80, "")), heard{`message true ""`}, nil},
	{"RFC6455 5.4 empty first and last fragment", join(frame(0x01, ""), frame(0x00, "a"), frame(0x80, "")), heard{`message false "a"`}, nil},
	{"RFC6455 5.4 two fragmented messages", join(frame(0x01, "a"), frame(0x80, "b"), frame(0x02, "c"), frame(0x80, "d")),
		heard{`message false "ab"`, `message true "cd"`}, nil},
	{"RFC6455 5.4 a whole message after fragments", join(frame(0x01, "a"), frame(0x80, "b"), frame(0x82, "c")), heard{`message false "ab"`, `message true "c"`}, nil},
	{"RFC6455 5.4 interleaved ping", join(frame(0x01, "he"), frame(0x89, "p"), frame(0x80, "llo"), frame(0x81, "next")),
		heard{`control 9 "p"`, `message false "hello"`, `message false "next"`}, nil},
	{"RFC6455 5.4 interleaved pong and ping", join(frame(0x02, "a"), frame(0x8a, ""), frame(0x00, "b"), frame(0x89, "x"), frame(0x80, "c")),
		heard{`control 10 ""`, `control 9 "x"`, `message true "abc"`}, nil},
	{"RFC6455 5.4 interleaved close", join(frame(0x01, "a"), frame(0x88, "\x03\xe8"), frame(0x80, "b")), heard{`close 1000 ""`}, errDone},
	{"RFC6455 5.4 continuation without beginning", frame(0x80, "a"), nil, errContinuation},
	{"RFC6455 5.4 unfinished continuation without beginning", frame(0x00, "a"), nil, errContinuation},
	{"RFC6455 5.4 continuation after the last fragment", join(frame(0x01, "a"), frame(0x80, "b"), frame(0x80, "c")), heard{`message false "ab"`}, errContinuation},
	{"RFC6455 5.4 continuation after a whole message", join(frame(0x81, "a"), frame(0x80, "b")), heard{`message false "a"`}, errContinuation},
	{"RFC6455 5.4 continuation after a ping", join(frame(0x89, ""), frame(0x80, "b")), heard{`control 9 ""`}, errContinuation},
	{"RFC6455 5.4 whole message between fragments", join(frame(0x01, "a"), frame(0x81, "b")), nil, errContinuation},
	{"RFC6455 5.4 binary between the fragments of a text", join(frame(0x01, "a"), frame(0x82, "b")), nil, errContinuation},
	{"RFC6455 5.4 new fragments between fragments", join(frame(0x02, "a"), frame(0x02, "b")), nil, errContinuation},
}

// controlCases: section 5.5 without the close frame.
var controlCases = []streamCase{
	{"RFC6455 5.5 fragmented ping", join(frame(0x09, "a"), frame(0x80, "b")), nil, errControl},
	{"RFC6455 5.5 fragmented pong", frame(0x0a, ""), nil, errControl},
	{"RFC6455 5.5 fragmented close", frame(0x08, "\x03\xe8"), nil, errControl},
	{"RFC6455 5.5 ping of 126 bytes", frame(0x89, strings.Repeat("p", 126)), nil, errControl},
	{"RFC6455 5.5 pong of 126 bytes", frame(0x8a, strings.Repeat("p", 126)), nil, errControl},
	{"RFC6455 5.5 close of 126 bytes", frame(0x88, "\x03\xe8"+strings.Repeat("p", 124)), nil, errControl},
	{"RFC6455 5.5 ping of 65536 bytes", frame(0x89, strings.Repeat("p", 65536)), nil, errControl},
	{"RFC6455 5.5.2 empty ping", frame(0x89, ""), heard{`control 9 ""`}, nil},
	{"RFC6455 5.5.2 ping of 125 bytes", frame(0x89, strings.Repeat("p", 125)), heard{fmt.Sprintf("control 9 %q", strings.Repeat("p", 125))}, nil},
	{"RFC6455 5.5.2 ping that is not UTF-8", frame(0x89, "\x00\xff\xfe"), heard{`control 9 "\x00\xff\xfe"`}, nil},
	{"RFC6455 5.5.2 ten pings", bytes.Repeat(frame(0x89, "p"), 10), slices.Repeat(heard{`control 9 "p"`}, 10), nil},
	{"RFC6455 5.5.3 unsolicited pong", frame(0x8a, "x"), heard{`control 10 "x"`}, nil},
	{"RFC6455 5.5.3 pong of 125 bytes", frame(0x8a, strings.Repeat("p", 125)), heard{fmt.Sprintf("control 10 %q", strings.Repeat("p", 125))}, nil},
}

// sizeCases: section 10.4, what one message may cost.
var sizeCases = []streamCase{
	{"RFC6455 10.4 exactly the limit", frame(0x82, strings.Repeat("x", limit)), heard{binaryOf(limit)}, nil},
	{"RFC6455 10.4 one over the limit", frame(0x82, strings.Repeat("x", limit+1)), nil, errTooBig},
	{"RFC6455 10.4 exactly the limit in fragments", join(frame(0x02, strings.Repeat("x", limit-1)), frame(0x80, "x")), heard{binaryOf(limit)}, nil},
	{"RFC6455 10.4 one over the limit in fragments", join(frame(0x02, strings.Repeat("x", limit)), frame(0x80, "x")), nil, errTooBig},
	{"RFC6455 10.4 an empty fragment at the limit", join(frame(0x02, strings.Repeat("x", limit)), frame(0x80, "")), heard{binaryOf(limit)}, nil},
	{"RFC6455 10.4 a ping at the limit", join(frame(0x02, strings.Repeat("x", limit)), frame(0x89, "p"), frame(0x80, "")),
		heard{`control 9 "p"`, binaryOf(limit)}, nil},
	{"RFC6455 10.4 the most fragments", join(frame(0x02, ""), bytes.Repeat(frame(0x00, ""), maxFragments-2), frame(0x80, "x")), heard{binaryOf(1)}, nil},
	{"RFC6455 10.4 CVE-2026-48779 empty fragments", join(frame(0x02, ""), bytes.Repeat(frame(0x00, ""), maxFragments)), nil, errTooBig},
	{"RFC6455 10.4 CVE-2026-48779 fragments of one byte", join(frame(0x02, "x"), bytes.Repeat(frame(0x00, "x"), maxFragments)), nil, errTooBig},
	{"RFC6455 10.4 CVE-2026-48779 pings do not start the count anew",
		join(frame(0x02, ""), bytes.Repeat(join(frame(0x00, ""), frame(0x8a, "")), maxFragments)), slices.Repeat(heard{`control 10 ""`}, maxFragments-1), errTooBig},
	{"RFC6455 10.4 CVE-2016-10542 a length far over the limit", []byte{0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nil, errTooBig},
	{"RFC6455 10.4 CVE-2016-10542 the second fragment is too long", join(frame(0x02, "x"), []byte{0x80, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0}), nil, errTooBig},
}

func TestRFC6455(t *testing.T) {
	for _, c := range rfc6455Cases {
		t.Run(c.name, func(t *testing.T) { runStream(t, c, frameRules{limit: limit}) })
	}
}

// A section without a case would be a promise that nothing keeps, and a case outside the list one that nobody counts.
func TestRFC6455SectionsHaveCases(t *testing.T) {
	checkSections(t, "RFC6455", rfc6455Sections, rfc6455Cases)
}

func checkSections(t *testing.T, rfc string, sections []string, cases []streamCase) {
	t.Helper()
	names := map[string]bool{}
	for _, section := range sections {
		prefix := rfc + " " + section + " "
		if !slices.ContainsFunc(cases, func(c streamCase) bool { return strings.HasPrefix(c.name, prefix) }) {
			t.Errorf("%s has no case", prefix)
		}
	}
	for _, c := range cases {
		words := strings.SplitN(c.name, " ", 3)
		if len(words) < 3 || words[0] != rfc || !slices.Contains(sections, words[1]) {
			t.Errorf("%q names no section of the list", c.name)
		}
		if names[c.name] {
			t.Errorf("%q stands twice", c.name)
		}
		names[c.name] = true
	}
}

// runStream feeds the case whole, and cut as the network may cut it: in pieces of equal size, and, if it is short, at
// every byte and at every two bytes.
func runStream(t *testing.T, c streamCase, rules frameRules) {
	t.Helper()
	n := len(c.in)
	feedPieces(t, c, rules, n)
	for _, size := range []int{1, 2, 3, 13, 14, 15, 1000, 4096, 65536} {
		if size < n && n/size < 70_000 {
			feedPieces(t, c, rules, size)
		}
	}
	if n > 80 {
		return
	}
	for a := 1; a < n; a++ {
		for b := a; b < n; b++ {
			feedAll(t, c, rules, [][]byte{c.in[:a], c.in[a:b], c.in[b:]})
		}
	}
}

func feedPieces(t *testing.T, c streamCase, rules frameRules, size int) {
	t.Helper()
	feedAll(t, c, rules, slices.Collect(slices.Chunk(c.in, max(size, 1))))
}

func feedAll(t *testing.T, c streamCase, rules frameRules, pieces [][]byte) {
	t.Helper()
	var d decoder
	var got peer
	var err error
	for _, piece := range pieces {
		// Clipped to its own memory: whoever writes beyond a read is found out.
		if _, err = d.feed(slices.Clip(bytes.Clone(piece)), rules, &got); err != nil {
			break
		}
	}
	if !errors.Is(err, c.err) {
		t.Fatalf("first pieces %d, %d: error %v, want %v", len(pieces[0]), len(pieces[min(1, len(pieces)-1)]), err, c.err)
	}
	if !slices.Equal(got.heard, c.want) {
		t.Fatalf("first piece %d: got %.200q, want %.200q", len(pieces[0]), got.heard, c.want)
	}
	if err == nil && d.held != nil {
		t.Fatalf("the decoder keeps %+v though nothing is unfinished", d.held)
	}
}
