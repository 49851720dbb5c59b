package transport

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

// The cases of the decoder against a server that has agreed on compression: each ends with the very code, and a
// bystander notices nothing.
func TestRFC7692Server(t *testing.T) {
	overLoopback(t, rfc7692Cases, DeflateConfig{Enabled: true}, offer)
}

// What is offered is answered the same on both ways in, and never refuses the handshake (PROTOCOL 1.5).
func TestRFC7692Handshake(t *testing.T) {
	const slow = "Content-Length: 0\r\n" // not clean enough for the fast way in
	_, address := echoing(t, DeflateConfig{Enabled: true})
	for _, c := range negotiations {
		if strings.ContainsFunc(c.offers, func(r rune) bool { return r == 0 || r == utf8.RuneError }) {
			continue // no header may have it: HTTP's matter
		}
		for way, more := range map[string]string{"fast": "", "slow": slow} {
			client := dialRaw(t, address, "Sec-WebSocket-Extensions: "+c.offers+"\r\n"+more)
			if got := client.answer.Get("Sec-WebSocket-Extensions"); got != c.answer {
				t.Errorf("%s, %s: %q is answered with %q, want %q", c.name, way, c.offers, got, c.answer)
			}
			checkCompresses(t, client, c.answer != "")
			client.Close()
		}
	}
	for way, more := range map[string]string{"fast": "", "slow": slow} {
		client := dialRaw(t, address, "Sec-WebSocket-Extensions: permessage-deflate; bogus\r\n"+offer+more)
		if got := client.answer.Get("Sec-WebSocket-Extensions"); got != deflateAnswer {
			t.Errorf("two headers, %s: %q", way, got)
		}
	}
}

// checkCompresses shows whether a client may send compressed messages and gets them.
func checkCompresses(t *testing.T, client *rawClient, agreed bool) {
	t.Helper()
	message := append([]byte("4"), jsonOf(3000)...)
	if !agreed {
		client.say(t, frame(0x81, string(message)))
		if f := client.hear(t); f.Header.Rsv != 0 || !bytes.Equal(f.Payload, message) {
			t.Errorf("%+v", f.Header)
		}
		client.say(t, frame(0xc1, byStandard(message, 6)))
		client.ends(t, ws.StatusProtocolError)
		return
	}
	for range 2 { // the second does not refer to the first
		client.say(t, frame(0xc1, byStandard(message, 6)))
		f := client.hear(t)
		if f.Header.Rsv != deflatedRsv || f.Header.Length > 1500 || !bytes.Equal(inflateStandard(t, f.Payload), message) {
			t.Errorf("%+v", f.Header)
		}
	}
	client.alive(t)
}

// PROTOCOL 1.5: only messages from the threshold on are compressed, binary ones too, and none where nothing was agreed.
func TestDeflateThreshold(t *testing.T) {
	_, address := echoing(t, DeflateConfig{Enabled: true, Threshold: 100})
	for name, c := range map[string]struct {
		bits       byte
		length     int
		headers    string
		compressed bool
	}{
		"one under":              {0x81, 99, offer, false},
		"exactly":                {0x81, 100, offer, true},
		"binary, one under":      {0x82, 99, offer, false},
		"binary, exactly":        {0x82, 100, offer, true},
		"nothing was offered":    {0x81, 1000, "", false},
		"another was offered":    {0x81, 1000, "Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n", false},
		"long, in one message":   {0x82, 1 << 20, offer, true},
		"binary without offer":   {0x82, 1000, "", false},
		"one that cannot be met": {0x82, 1000, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n", false},
	} {
		client := dialRaw(t, address, c.headers)
		message := "4" + strings.Repeat("x", c.length-1)
		client.say(t, frame(c.bits, message))
		f := client.hear(t)
		payload := f.Payload
		if f.Header.Rsv == deflatedRsv {
			payload = inflateStandard(t, payload)
		}
		if (f.Header.Rsv == deflatedRsv) != c.compressed || f.Header.Rsv&^deflatedRsv != 0 || string(payload) != message {
			t.Errorf("%s: %+v, %d bytes", name, f.Header, len(payload))
		}
	}
}

// Off is the default: an offer is passed over, and RSV1 is a violation.
func TestDeflateIsOffByDefault(t *testing.T) {
	_, address := echoing(t, DeflateConfig{})
	client := dialRaw(t, address, offer)
	if got, ok := client.answer["Sec-Websocket-Extensions"]; ok {
		t.Errorf("%q", got)
	}
	checkCompresses(t, client, false)
}

// A broadcast is compressed once: who has agreed gets the very bytes that everybody else with compression gets, and what
// is too short is not even copied.
func TestDeflatedFormIsShared(t *testing.T) {
	l := layout{form: formFramesDeflate, deflate: deflaterAt(t, 0)}
	long := message(string(jsonOf(2000)))
	first := long.bytes(l)
	if &first[0] != &long.bytes(l)[0] || first[0] != 0xc1 || len(first) > 1000 || cap(first) > 2*len(first) {
		t.Errorf("%d bytes in %d, %x", len(first), cap(first), first[0])
	}
	for name, p := range map[string]*Prepared{"short": message("a"), "not to be compressed": message(string(jsonOf(2000))).Uncompressed()} {
		if &p.bytes(l)[0] != &p.bytes(frames)[0] {
			t.Errorf("%s: made anew", name)
		}
	}
}
