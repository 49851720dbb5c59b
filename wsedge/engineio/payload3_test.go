package engineio

import (
	"bytes"
	"iter"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// payloads3 holds bodies in both forms (PROTOCOL 2.2, 2.3). Packets are written as text frames are.
var payloads3 = []struct {
	text    string
	binary  string
	packets []string
}{
	{"1:4", "\x00\x01\xff4", []string{"4"}},
	{"1:6", "\x00\x01\xff6", []string{"6"}},
	{"6:4hello1:2", "\x00\x06\xff4hello\x00\x01\xff2", []string{"4hello", "2"}},
	{"2:4é3:4😀", "\x00\x03\xff4é\x00\x05\xff4😀", []string{"4é", "4😀"}},
	{"10:b4AQIDBA==", "\x01\x05\xff\x04\x01\x02\x03\x04", []string{"b4AQIDBA=="}},
	{"2:b43:4\u2028b6:b4/x8=", "\x01\x01\xff\x04\x00\x05\xff4\u2028b\x01\x03\xff\x04\xff\x1f", []string{"b4", "4\u2028b", "b4/x8="}},
	{"11:4:1:2:3:4:5", "\x00\x01\x01\xff4:1:2:3:4:5", []string{"4:1:2:3:4:5"}},
	{"12:4ASCII😀 é😀", "\x00\x01\x07\xff4ASCII😀 é😀", []string{"4ASCII😀 é😀"}},
}

func collect3(packets iter.Seq2[Packet, error]) []string {
	got := []string{}
	for p, err := range packets {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, string(AppendText3(nil, p)))
		}
	}
	return got
}

func TestPayload3(t *testing.T) {
	for _, c := range payloads3 {
		if d := cmp.Diff(c.packets, collect3(Payload3([]byte(c.text)))); d != "" {
			t.Errorf("%q: (-want +got)\n%s", c.text, d)
		}
		if d := cmp.Diff(c.packets, collect3(BinaryPayload3([]byte(c.binary)))); d != "" {
			t.Errorf("%q: (-want +got)\n%s", c.binary, d)
		}
		text, binary := []byte("x"), []byte("x")
		for _, frame := range c.packets {
			p, err := ParseText3([]byte(frame))
			if err != nil {
				t.Fatal(err)
			}
			text, binary = AppendPayload3(text, p), AppendBinaryPayload3(binary, p)
		}
		if string(text) != "x"+c.text || string(binary) != "x"+c.binary {
			t.Errorf("encoded %q and %q, want %q and %q", text, binary, c.text, c.binary)
		}
	}
}

// The handshake's answer, as PROTOCOL 2.2 has it.
func TestPayload3OfTheOpenPacket(t *testing.T) {
	id, _ := ParseID("lv_VI97HAXpY6yYWAAAC")
	set := DefaultSettings()
	open := AppendOpen(nil, id, []string{"websocket"}, &set)
	got := string(AppendPayload3(nil, Packet{Type: PacketOpen, Data: open[1:]}))
	if want := "118:" + string(open); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What comes before a bad packet or length counts; nothing comes after it.
func TestPayload3Errors(t *testing.T) {
	bad := ErrParse.Error()
	for body, want := range map[string][]string{
		"":                       {bad},
		"0:":                     {},
		"0:0:":                   {},
		"0:1:4":                  {"4"},
		"00:01:4":                {"4"},
		"4":                      {bad},
		":4":                     {bad},
		"1:":                     {bad},
		"2:4":                    {bad},
		"1:41":                   {"4", bad},
		"1:41:":                  {"4", bad},
		"1:41:71:4":              {"4", bad},
		"1:4 1:4":                {"4", bad},
		"1:41:4:":                {"4", "4", bad},
		"1:40:0":                 {"4", bad},
		"2:4😀":                   {bad}, // ends in the middle of a character
		"2:b4AA==":               {"b4", bad},
		"3:b4A":                  {bad},
		"-1:4":                   {bad},
		"1.0:4":                  {bad},
		"0x1:4":                  {bad},
		"1e0:4":                  {bad},
		"١:4":                    {bad},
		"2:41:2":                 {"41", bad},
		"1:1" + "1:4x":           {"1", "4", bad},
		"18446744073709551617:4": {bad}, // 1 in 64 bits
		strings.Repeat("0", maxLengthDigits-1) + "1:4": {"4"},
		strings.Repeat("0", maxLengthDigits) + "1:4":   {bad},
	} {
		if d := cmp.Diff(want, collect3(Payload3([]byte(body)))); d != "" {
			t.Errorf("%q: (-want +got)\n%s", body, d)
		}
	}
}

func TestBinaryPayload3Errors(t *testing.T) {
	bad := ErrParse.Error()
	for body, want := range map[string][]string{
		"":                              {},
		"\x00":                          {bad},
		"\x01":                          {bad},
		"\x00\xff":                      {bad},
		"\x00\xff4":                     {bad},
		"\x00\x00\xff":                  {bad},
		"\x01\x00\xff":                  {bad},
		"\x00\x01":                      {bad},
		"\x00\x01\xff":                  {bad},
		"\x00\x02\xff4":                 {bad}, // the reference server takes what is there
		"\x01\x09\xff\x04":              {bad},
		"\x02\x01\xff\x04":              {bad},
		"\x00\x0a\xff4":                 {bad},
		"\x00\xfe\xff4":                 {bad},
		"\x001\xff4":                    {bad},
		"\x00\x01\xff4\x00\x01\xff7":    {"4", bad},
		"\x00\x01\xff4\x01\x01\xff\x07": {"4", bad},
		"\x00\x01\xff4\x05":             {"4", bad},
		"\x00\x01\xff7\x00\x01\xff4":    {bad},
		"\x00\x02\xff4\xff":             {bad},
		"\x00\x03\xff4\xc3(":            {bad},
		"\x00\x03\xff4\xed\xa0":         {bad},
		"\x00\x04\xff4\xed\xa0(":        {bad},
		"\x00\x04\xff4\xed\xc3\xa9":     {bad},
		"\x00\x02\xffb4":                {"b4"},
		"\x00\x06\xffb4AQ==":            {"b4AQ=="},
		"\x00\x04\xffb4A*":              {bad},
		"\x00" + strings.Repeat("\x00", maxLengthDigits-1) + "\x01\xff4": {"4"},
		"\x00" + strings.Repeat("\x00", maxLengthDigits) + "\x01\xff4":   {bad},
		"\x00" + strings.Repeat("\x09", maxLengthDigits) + "\xff4":       {bad},
	} {
		if d := cmp.Diff(want, collect3(BinaryPayload3([]byte(body)))); d != "" {
			t.Errorf("%q: (-want +got)\n%s", body, d)
		}
	}
}

// Clients of Socket.IO 1.7 encode halves of surrogate pairs as if they were characters; the reference server reads U+FFFD.
// The body stays as it is.
func TestBinaryPayload3HalfSurrogates(t *testing.T) {
	for text, want := range map[string]string{
		"4a\xed\xa0\x80b":           "4a\uFFFDb",
		"4\xed\xbf\xbf":             "4\uFFFD",
		"4\xed\xa0\x80\xed\xb0\x80": "4\uFFFD\uFFFD",
		"4\ud7ff\xed\xa0\x80\ue000": "4\ud7ff\uFFFD\ue000",
	} {
		body := "\x00" + string(rune(len(text)/10)) + string(rune(len(text)%10)) + "\xff" + text
		in := []byte(body)
		if got := collect3(BinaryPayload3(in)); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if string(in) != body {
			t.Errorf("%q became %q", body, in)
		}
	}
}

// Every prefix of a body yields what the body yields, up to a last packet that is cut or bad, and is read without a look
// beyond its end.
func TestPayload3EveryPrefix(t *testing.T) {
	for _, c := range payloads3 {
		for form, f := range map[string]func([]byte) iter.Seq2[Packet, error]{c.text: Payload3, c.binary: BinaryPayload3} {
			for n := range len(form) {
				got := collect3(f([]byte(form)[:n:n]))
				if form == c.text && !utf8.ValidString(form[:n]) {
					continue // the caller has checked
				}
				whole := min(len(got), len(c.packets))
				if whole > 0 && got[whole-1] != c.packets[whole-1] {
					whole--
				}
				if !cmp.Equal(got[:whole], c.packets[:whole]) || len(got) > whole+1 {
					t.Errorf("%q: %q", form[:n], got)
				}
				if len(got) > whole && got[whole] != ErrParse.Error() {
					t.Errorf("%q: %q", form[:n], got)
				}
			}
		}
	}
}

// The consumer may stop: a close packet in the middle ends the session.
func TestPayload3Stops(t *testing.T) {
	for name, packets := range map[string]iter.Seq2[Packet, error]{
		"text":   Payload3([]byte("1:41:11:41:4")),
		"binary": BinaryPayload3([]byte("\x00\x01\xff4\x00\x01\xff1\x00\x01\xff4")),
	} {
		n := 0
		for _, err := range packets {
			if n++; n == 2 || err != nil {
				break
			}
		}
		if n != 2 {
			t.Errorf("%s: %d packets", name, n)
		}
	}
}

// strict holds the bodies that the reference server's parser reads and we refuse, with what we yield: it takes lengths in
// any notation of a JavaScript number, half a character, and binary packets of the wrong length or kind. None of it
// comes from a client.
var strict = map[string][]string{
	" 1:4":   {ErrParse.Error()},
	"1 :4":   {ErrParse.Error()},
	"1.0:4":  {ErrParse.Error()},
	"0x1:4":  {ErrParse.Error()},
	"1e0:4":  {ErrParse.Error()},
	"+1:4":   {ErrParse.Error()},
	"2:4😀":   {ErrParse.Error()},
	"1:b":    {ErrParse.Error()},
	"4:b7AQ": {ErrParse.Error()},

	"\x01\x01\xff":     {ErrParse.Error()},
	"\x01\x00\xff":     {ErrParse.Error()},
	"\x00\x02\xff4":    {ErrParse.Error()},
	"\x01\x09\xff\x04": {ErrParse.Error()},
	"\x02\x01\xff\x04": {ErrParse.Error()},
	"\x34\x01\xff\x04": {ErrParse.Error()},
	"\x01\x01\xff\x07": {ErrParse.Error()},
	"\x00\x01\xff4\x00\x01\xff7\x00\x01\xff4": {"4", ErrParse.Error()},
}

func TestPayloadVectors3(t *testing.T) {
	v := loadVectors3(t)
	used := 0
	check := func(body string, got []string, packets []*vectorPacket) {
		want := []string{}
		for _, p := range packets {
			switch {
			case p == nil:
				want = append(want, ErrParse.Error())
			case p.Type == "":
				want = append(want, "dropped")
			default:
				want = append(want, string(AppendText3(nil, p.packet())))
			}
		}
		if ours, ok := strict[body]; ok {
			used++
			if cmp.Equal(want, ours) {
				t.Errorf("%q: no stricter than the reference", body)
			}
			want = ours
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: (-want +got)\n%s", body, d)
		}
	}
	for _, c := range v.DecodePayload {
		check(c.Body, collect3(Payload3([]byte(c.Body))), c.Packets)
	}
	for _, c := range v.DecodeBinaryPayload {
		check(string(c.Body), collect3(BinaryPayload3(c.Body)), c.Packets)
	}
	if used != len(strict) {
		t.Errorf("%d of %d strict bodies are vectors", used, len(strict))
	}
}

func TestPayloadVectors3Encoded(t *testing.T) {
	v := loadVectors3(t)
	for _, c := range v.EncodePayload {
		var got []byte
		for _, p := range c.Packets {
			got = AppendPayload3(got, p.packet())
		}
		if string(got) != c.Body {
			t.Errorf("encoded %q, want %q", got, c.Body)
		}
	}
	for _, c := range v.EncodeBinaryPayload {
		var got []byte
		for _, p := range c.Packets {
			got = AppendBinaryPayload3(got, p.packet())
		}
		if !bytes.Equal(got, c.Body) {
			t.Errorf("encoded %q, want %q", got, c.Body)
		}
	}
}

// Lengths are what JavaScript's String.length says, wherever in a run of eight bytes the characters lie.
func TestUTF16Len(t *testing.T) {
	for _, c := range []string{"", "é", "€", "😀", "\uFFFD", "\uFFFF", "\U00010000", "\U0010FFFF", "é😀", "😀é€"} {
		for before := range 18 {
			for after := range 18 {
				text := strings.Repeat("a", before) + c + strings.Repeat("z", after)
				want := len(utf16.Encode([]rune(text)))
				if got := utf16Len([]byte(text)); got != want {
					t.Errorf("%q: %d, want %d", text, got, want)
				}
				if size, ok := utf16Prefix([]byte(text+c+"after"), want); size != len(text) || !ok {
					t.Errorf("%q: %d bytes, %v", text, size, ok)
				}
				if _, ok := utf16Prefix([]byte(text), want+1); ok {
					t.Errorf("%q: one more was found", text)
				}
			}
		}
	}
}

// fuzzPayload3 checks that what parse yields of body is the same after append wrote it.
func fuzzPayload3(
	t *testing.T, body []byte, parse func([]byte) iter.Seq2[Packet, error], write func([]byte, Packet) []byte,
) {
	var again []byte
	var packets []Packet
	failed := false
	for p, err := range parse(body) {
		if failed {
			t.Fatal("something came after the error")
		}
		if failed = err != nil; !failed {
			packets = append(packets, p)
			again = write(again, p)
		}
	}
	if len(packets) > len(body)/3 {
		t.Fatalf("%d packets in %q", len(packets), body)
	}
	if len(packets) == 0 {
		return
	}
	i := 0
	for p, err := range parse(again) {
		if err != nil || i >= len(packets) || !equal(p, packets[i]) {
			t.Fatalf("%q became %q: packet %d is %+v, %v", body, again, i, p, err)
		}
		i++
	}
	if i != len(packets) {
		t.Fatalf("%q became %q", body, again)
	}
}

func FuzzPayload3(f *testing.F) {
	for _, c := range loadVectors3(f).DecodePayload {
		f.Add([]byte(c.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if utf8.Valid(body) {
			fuzzPayload3(t, body, Payload3, AppendPayload3)
			return
		}
		for range Payload3(body) { // the caller should have checked; it must do no harm
		}
	})
}

func FuzzBinaryPayload3(f *testing.F) {
	for _, c := range loadVectors3(f).DecodeBinaryPayload {
		f.Add(c.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzPayload3(t, body, BinaryPayload3, AppendBinaryPayload3) })
}
