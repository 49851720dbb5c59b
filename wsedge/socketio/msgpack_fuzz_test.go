package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecodeMsgpack: whatever decodes is what Decode could have returned, within the limits and the promised size, and is
// written and decoded again to the same.
func FuzzDecodeMsgpack(f *testing.F) {
	v := loadMsgpackVectors(f)
	for _, c := range v.Decode {
		f.Add(c.Message)
	}
	for _, message := range append(v.Invalid, v.Stricter...) {
		f.Add(unhex(f, message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		before := bytes.Clone(message)
		p, attachments, err := DecodeMsgpack(message, nil)
		if !bytes.Equal(before, message) {
			t.Fatal("the message was changed")
		}
		var perr *ParseError
		if err != nil {
			if !errors.As(err, &perr) || perr.Offset < 0 || perr.Offset > len(message) {
				t.Fatalf("%v", err)
			}
			return
		}
		checkMsgpackDecoded(t, &p, attachments, len(message))
		if p.Type != Event && p.Type != Ack || p.NameIsNumber || p.Type == Ack && !p.HasID {
			return
		}
		out := &OutEvent{
			Namespace: string(p.Namespace), Name: string(p.Name), Args: p.Args, Attachments: attachments, ID: p.ID, HasID: p.HasID,
		}
		encode := AppendMsgpackEvent
		if p.Type == Ack {
			encode = AppendMsgpackAck
		}
		again, more, err := DecodeMsgpack(encode(nil, out), nil)
		if err != nil || cmp.Diff(attachments, more) != "" || !sameJSON(arrayOf(p.Args), arrayOf(again.Args)) {
			t.Errorf("%s: then %s %v", p.Args, again.Args, err)
		}
	})
}

func arrayOf(args []byte) []byte { return concat("[", string(args), "]") }

func checkMsgpackDecoded(t *testing.T, p *Packet, attachments [][]byte, size int) {
	t.Helper()
	n := len(attachments)
	if n == 0 {
		n = noPlaceholders
	}
	s := scanner{text: arrayOf(p.Args), depth: defaultDepth, attachments: n}
	data := scanner{text: p.Data, depth: defaultDepth, attachments: noPlaceholders}
	switch {
	case s.only(true) != nil, p.Data != nil && data.only(true) != nil:
		t.Errorf("arguments %q, data %q", p.Args, p.Data)
	case len(p.Args)+len(p.Data) > 6*size+48*len(attachments):
		t.Errorf("%d bytes became %d", size, len(p.Args)+len(p.Data))
	case !utf8.Valid(p.Args), !utf8.Valid(p.Name), !utf8.Valid(p.Namespace), !utf8.Valid(p.Data):
		t.Errorf("not UTF-8: %+v", p)
	case p.ID > MaxID, p.ID != 0 && !p.HasID, p.binary(), p.Empty, p.Attachments != len(attachments):
		t.Errorf("%+v", p)
	case len(p.Namespace) > defaultNamespaceBytes, p.Namespace[0] != '/', bytes.ContainsRune(p.Namespace, ','):
		t.Errorf("namespace %q", p.Namespace)
	case (p.Type == Event || p.Type == Ack) != (p.Data == nil) && p.Type != Connect && p.Type != Disconnect:
		t.Errorf("data %q", p.Data)
	}
}

// sameJSON compares two JSON texts by their values, numbers as JavaScript has them.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// FuzzMsgpackRoundTrip: arguments of a valid event mean the same after a way through MessagePack. What is not valid does not
// make the encoder fail.
func FuzzMsgpackRoundTrip(f *testing.F) {
	for _, text := range append(validJSON, invalidJSON...) {
		f.Add([]byte(text), uint8(0))
	}
	for _, c := range loadVectors(f).Decode {
		if _, data, ok := strings.Cut(c.Text, "["); ok {
			f.Add([]byte(strings.TrimSuffix(data, "]")), uint8(2))
		}
	}
	f.Add([]byte(strings.Repeat(`[`, 20)+strings.Repeat(`"\n",`, 40)+`0`+strings.Repeat(`]`, 20)), uint8(0))
	f.Fuzz(func(t *testing.T, args []byte, n uint8) {
		attachments := make([][]byte, n%4)
		for i := range attachments {
			attachments[i] = []byte{byte(i), 0xff}
		}
		out := &OutEvent{Namespace: "/", Name: "a", Args: args, Attachments: attachments}
		message := AppendMsgpackEvent(nil, out)
		text := AppendEvent(nil, out)
		p, err := Decode(text, &Limits{Depth: 32})
		var values []any
		if err != nil || !utf8.Valid(text) || json.Unmarshal(arrayOf(args), &values) != nil {
			return // no JSON, or numbers that only JavaScript reads
		}
		got, gotAttachments, err := DecodeMsgpack(message, nil)
		if errors.Is(err, ErrPlaceholder) || errors.Is(err, ErrAttachments) {
			return // the first: data beside an attachment that looks like one
		}
		var back []any
		if err != nil || json.Unmarshal(arrayOf(got.Args), &back) != nil {
			t.Fatalf("%s: %s %v", args, got.Args, err)
		}
		want, have := any(values), any(back)
		if p.Attachments > 0 {
			want, have = attach(want, attachments), attach(have, gotAttachments)
		}
		if !reflect.DeepEqual(want, have) {
			t.Errorf("%s: %v, want %v", args, have, want)
		}
	})
}
