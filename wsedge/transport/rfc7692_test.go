package transport

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

// rfc7692Sections are the sections that say what a client may send once permessage-deflate is agreed on. Each must have
// a case; those of section 7.1, the negotiation, are in negotiate_test.go.
var rfc7692Sections = []string{
	"6", "6.1", "6.2", "7.2.1", "7.2.2", "7.2.3.1", "7.2.3.2", "7.2.3.3", "7.2.3.4", "7.2.3.5", "7.2.3.6", "8",
}

// The payloads of section 7.2.3. All but that of 7.2.3.2 are "Hello".
const (
	helloOneBlock  = "\xf2\x48\xcd\xc9\xc9\x07\x00"
	helloShared    = "\xf2\x00\x11\x00\x00" // "Hello" again, by reference to the message before it
	helloStored    = "\x00\x05\x00\xfa\xffHello\x00"
	helloFinal     = "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"
	helloTwoBlocks = "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"
)

var hello = heard{`message false "Hello"`}

var rfc7692Cases = []streamCase{
	{"RFC7692 6 RSV1 on a text", frame(0xc1, helloOneBlock), hello, nil},
	{"RFC7692 6 RSV1 on a binary", frame(0xc2, helloOneBlock), heard{`message true "Hello"`}, nil},
	{"RFC7692 6 RSV1 on a ping", frame(0xc9, ""), nil, errReserved},
	{"RFC7692 6 RSV1 on a pong", frame(0xca, ""), nil, errReserved},
	{"RFC7692 6 RSV1 on a close", frame(0xc8, ""), nil, errReserved},
	{"RFC7692 6 RSV2", frame(0xa1, "a"), nil, errReserved},
	{"RFC7692 6 RSV3", frame(0x91, "a"), nil, errReserved},
	{"RFC7692 6 RSV1 and RSV2", frame(0xe1, helloOneBlock), nil, errReserved},
	{"RFC7692 6 RSV1 and RSV3", frame(0xd1, helloOneBlock), nil, errReserved},
	{"RFC7692 6 RSV1 on a reserved opcode", frame(0xc3, helloOneBlock), nil, errReserved},
	{"RFC7692 6 RSV1 on a frame that is not masked", []byte{0xc1, 0x01, 0x00}, nil, errUnmasked},
	{"RFC7692 6 a message that is not compressed", frame(0x81, "Hello"), hello, nil},
	{"RFC7692 6 compressed and not, in turn", join(frame(0xc1, helloOneBlock), frame(0x81, "Hello"), frame(0xc1, helloStored), frame(0x82, "\x00")),
		slices.Concat(hello, hello, hello, heard{`message true "\x00"`}), nil},
	{"RFC7692 6.1 RSV1 on the last fragment", join(frame(0x41, helloOneBlock[:3]), frame(0xc0, helloOneBlock[3:])), nil, errReserved},
	{"RFC7692 6.1 RSV1 on a fragment in the middle", join(frame(0x41, helloOneBlock[:3]), frame(0x40, "")), nil, errReserved},
	{"RFC7692 6.1 RSV1 on a continuation of what is not compressed", join(frame(0x01, "a"), frame(0xc0, "b")), nil, errReserved},
	{"RFC7692 6.1 RSV1 on a continuation of nothing", frame(0xc0, helloOneBlock), nil, errReserved},
	{"RFC7692 6.2 fragments", join(frame(0x41, helloOneBlock[:3]), frame(0x80, helloOneBlock[3:])), hello, nil},
	{"RFC7692 6.2 fragments of one byte", join(frame(0x41, "\xf2"), frame(0x00, "\x48"), frame(0x00, "\xcd"), frame(0x00, "\xc9"), frame(0x00, "\xc9"),
		frame(0x00, "\x07"), frame(0x80, "\x00")), hello, nil},
	{"RFC7692 6.2 ping between fragments", join(frame(0x41, helloOneBlock[:3]), frame(0x89, "p"), frame(0x80, helloOneBlock[3:])),
		slices.Concat(heard{`control 9 "p"`}, hello), nil},
	{"RFC7692 6.2 fragments that are not compressed after some that are", join(frame(0x41, helloOneBlock[:3]), frame(0x80, helloOneBlock[3:]),
		frame(0x01, "He"), frame(0x80, "llo")), slices.Concat(hello, hello), nil},
	{"RFC7692 6.2 fragments that are UTF-8 by chance", join(frame(0x42, "\x00\x05"), frame(0x80, helloStored[2:])), heard{`message true "Hello"`}, nil},
	{"RFC7692 7.2.1 empty message", frame(0xc1, "\x00"), heard{`message false ""`}, nil},
	{"RFC7692 7.2.2 a tail that was left on makes two", frame(0xc1, helloOneBlock+"\x00\x00\xff\xff"), nil, errDeflate},
	{"RFC7692 7.2.2 no payload at all, which zlib takes for empty", frame(0xc2, ""), heard{`message true ""`}, nil},
	{"RFC7692 7.2.2 no payload at all in fragments", join(frame(0x41, ""), frame(0x80, "")), heard{`message false ""`}, nil},
	{"RFC7692 7.2.2 garbage", frame(0xc1, "\xff\xff\xff\xff"), nil, errDeflate},
	{"RFC7692 7.2.2 plain text", frame(0xc1, "Hello, world"), nil, errDeflate},
	{"RFC7692 7.2.2 reserved block type", frame(0xc2, "\x06"), nil, errDeflate},
	{"RFC7692 7.2.2 a block that breaks off", frame(0xc1, helloOneBlock[:3]), nil, errDeflate},
	{"RFC7692 7.2.2 a stored block that breaks off", frame(0xc2, "\x00\xff\xff\x00\x00abc"), nil, errDeflate},
	{"RFC7692 7.2.2 a stored length that does not match", frame(0xc2, "\x00\x05\x00\xfa\xfeHello\x00"), nil, errDeflate},
	{"RFC7692 7.2.2 garbage in fragments", join(frame(0x42, "\xff"), frame(0x80, "\xff")), nil, errDeflate},
	{"RFC7692 7.2.2 what was heard before garbage", join(frame(0xc1, helloOneBlock), frame(0xc1, "\xff")), hello, errDeflate},
	{"RFC7692 7.2.2 text that is not UTF-8", frame(0xc1, "\x00\x02\x00\xfd\xff\xc0\xaf\x00"), nil, errUTF8},
	{"RFC7692 7.2.2 text that is not UTF-8 in fragments", join(frame(0x41, "\x00\x02\x00\xfd\xff"), frame(0x80, "\xc0\xaf\x00")), nil, errUTF8},
	{"RFC7692 7.2.2 binary that is not UTF-8", frame(0xc2, "\x00\x02\x00\xfd\xff\xc0\xaf\x00"), heard{`message true "\xc0\xaf"`}, nil},
	{"RFC7692 7.2.3.1 one block", frame(0xc1, helloOneBlock), hello, nil},
	{"RFC7692 7.2.3.1 one block in fragments", join(frame(0x41, "\xf2\x48\xcd"), frame(0x80, "\xc9\xc9\x07\x00")), hello, nil},
	{"RFC7692 7.2.3.2 a window is not shared", join(frame(0xc1, helloOneBlock), frame(0xc1, helloOneBlock)), slices.Concat(hello, hello), nil},
	{"RFC7692 7.2.3.2 a reference to the message before breaks the agreement", join(frame(0xc1, helloOneBlock), frame(0xc1, helloShared)), hello, errDeflate},
	{"RFC7692 7.2.3.3 a block that is not compressed", frame(0xc1, helloStored), hello, nil},
	{"RFC7692 7.2.3.4 a final block", frame(0xc1, helloFinal), hello, nil},
	{"RFC7692 7.2.3.4 a final block without the byte behind it", frame(0xc1, helloFinal[:7]), hello, nil},
	{"RFC7692 7.2.3.4 blocks after a final one", frame(0xc1, helloFinal[:7]+helloOneBlock), heard{`message false "HelloHello"`}, nil},
	{"RFC7692 7.2.3.4 a block that refers to what was before a final one", frame(0xc1, helloFinal[:7]+helloShared), heard{`message false "HelloHello"`}, nil},
	{"RFC7692 7.2.3.4 two final blocks", frame(0xc1, helloFinal[:7]+helloFinal), heard{`message false "HelloHello"`}, nil},
	{"RFC7692 7.2.3.4 the next message after a final block", join(frame(0xc1, helloFinal), frame(0xc1, helloOneBlock)), slices.Concat(hello, hello), nil},
	{"RFC7692 7.2.3.4 garbage after a final block", frame(0xc1, helloFinal[:7]+"\xff\xff\xff"), nil, errDeflate},
	{"RFC7692 7.2.3.4 no end of final blocks", frame(0xc2, strings.Repeat("\x03\x00", maxFinalBlocks+1)), nil, errDeflate},
	{"RFC7692 7.2.3.5 two blocks", frame(0xc1, helloTwoBlocks), hello, nil},
	{"RFC7692 7.2.3.5 two blocks in fragments between them", join(frame(0x41, helloTwoBlocks[:8]), frame(0x80, helloTwoBlocks[8:])), hello, nil},
	{"RFC7692 7.2.3.6 an empty block", frame(0xc1, "\x02\x00"), heard{`message false ""`}, nil},
	{"RFC7692 7.2.3.6 an empty last fragment", join(frame(0x41, helloOneBlock), frame(0x80, "")), hello, nil},
	{"RFC7692 7.2.3.6 an empty first fragment", join(frame(0x41, ""), frame(0x80, helloOneBlock)), hello, nil},
	{"RFC7692 8 exactly the limit", frame(0xc2, deflated(limit)), heard{binaryOf(limit)}, nil},
	{"RFC7692 8 one byte over the limit", frame(0xc2, deflated(limit+1)), nil, errTooBig},
	{"RFC7692 8 a bomb", frame(0xc2, deflated(100*limit)), nil, errTooBig},
	{"RFC7692 8 a bomb of text", frame(0xc1, deflated(2*limit)), nil, errTooBig},
	{"RFC7692 8 a bomb in fragments", join(frame(0x42, deflated(100*limit)), frame(0x80, "")), nil, errTooBig},
	{"RFC7692 8 a bomb made of final blocks", frame(0xc2, strings.Repeat(finally(limit/2), 3)), nil, errTooBig},
	{"RFC7692 8 more than the limit before it is inflated", join(frame(0x42, strings.Repeat("\x00", limit)), frame(0x80, "\x00")), nil, errTooBig},
	{"RFC7692 8 CVE-2026-48779 empty fragments", join(frame(0x42, ""), bytes.Repeat(frame(0x00, ""), maxFragments)), nil, errTooBig},
}

func TestRFC7692(t *testing.T) {
	for _, c := range rfc7692Cases {
		t.Run(c.name, func(t *testing.T) { runStream(t, c, frameRules{limit: limit, deflate: true}) })
	}
}

// RFC6455 9: with the extension agreed on, everything that does not use it is as it was.
func TestRFC6455WithDeflate(t *testing.T) {
	for _, c := range rfc6455Cases {
		if c.err == errReserved {
			continue // what RSV1 may mean now is above
		}
		t.Run(c.name, func(t *testing.T) {
			feedPieces(t, c, frameRules{limit: limit, deflate: true}, len(c.in))
			feedPieces(t, c, frameRules{limit: limit, deflate: true}, 7)
		})
	}
}

func TestRFC7692SectionsHaveCases(t *testing.T) {
	checkSections(t, "RFC7692", rfc7692Sections, rfc7692Cases)
}

// deflated is the payload of a message of n times "x". Its blocks are made by the standard library once for each megabyte
// and stand one after the other as often as it takes.
func deflated(n int) string {
	const much = 1 << 20
	var payload string
	if n >= much {
		payload = strings.Repeat(byStandard(bytes.Repeat([]byte("x"), much), stdflate.BestCompression)+deflateTail, n/much)
	}
	return payload + byStandard(bytes.Repeat([]byte("x"), n%much), stdflate.BestCompression)
}

// finally is the same in blocks of which the last is a final one.
func finally(n int) string {
	var b bytes.Buffer
	w, _ := stdflate.NewWriter(&b, stdflate.BestCompression)
	_, _ = w.Write(bytes.Repeat([]byte("x"), n))
	_ = w.Close()
	return b.String()
}

// Whatever a compressor does with whatever data, cut into any frames, the message comes out as it was. The two libraries
// and all their levels write different blocks.
func TestRFC7692Clients(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 100, 1024, 70_000} {
		for kind, message := range map[string][]byte{"json": jsonOf(n), "random": randomOf(r, n)} {
			for level := -2; level <= 9; level++ {
				for name, payload := range map[string]string{"klauspost": byKlauspost(message, level), "standard": byStandard(message, level)} {
					want := heard{fmt.Sprintf("message true %q", message)}
					var in []byte
					bits := byte(0x42)
					for len(payload) > 0 && r.IntN(4) > 0 {
						cut := r.IntN(len(payload) + 1)
						in = append(in, frame(bits, payload[:cut])...)
						payload, bits = payload[cut:], 0x00
					}
					in = append(in, frame(0x80|bits, payload)...)
					c := streamCase{fmt.Sprint(kind, n, name, level), in, want, nil}
					feedPieces(t, c, frameRules{limit: limit, deflate: true}, 1+r.IntN(len(in)))
				}
			}
		}
	}
}

func byKlauspost(message []byte, level int) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(message)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), deflateTail)
}

func byStandard(message []byte, level int) string {
	var b bytes.Buffer
	w, err := stdflate.NewWriter(&b, level)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(message)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), deflateTail)
}

// jsonOf is about what an application sends, n bytes of it.
func jsonOf(n int) []byte {
	b := []byte(`2["update",[`)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, `{"id":%d,"name":"user %d","score":%d,"online":%t},`, i*7919, i, i*i%1000, i%3 == 0)
	}
	return b[:n]
}

func randomOf(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
