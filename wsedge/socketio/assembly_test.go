package socketio

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAssembly(t *testing.T) {
	text := []byte(`52-/chat,7["pic\u0021",{"_placeholder":true,"num":1}]`)
	p, err := Decode(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAssembly(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(text) // the assembly keeps nothing of the text …
	buffer := []byte{1, 2}
	if a.Add(buffer) {
		t.Error("done after one of two")
	}
	clear(buffer) // … nor of the attachments
	if !a.Add([]byte{}) {
		t.Error("not done after two")
	}
	got, attachments := a.Packet()
	want := Packet{
		Type: Event, Namespace: []byte("/chat"), ID: 7, HasID: true, Attachments: 2,
		Name: []byte("pic!"), Args: []byte(`{"_placeholder":true,"num":1}`),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("packet: (-want +got)\n%s", d)
	}
	if d := cmp.Diff([][]byte{{1, 2}, {}}, attachments); d != "" {
		t.Errorf("attachments: (-want +got)\n%s", d)
	}
}

// A header without payload takes its attachments too; an ack stays an ack.
func TestAssemblyForms(t *testing.T) {
	for text, want := range map[string]Packet{
		`51-`:       {Type: Event, Namespace: []byte("/"), Attachments: 1, Empty: true},
		`61-3`:      {Type: Ack, Namespace: []byte("/"), Attachments: 1, ID: 3, HasID: true, Empty: true},
		`61-0["x"]`: {Type: Ack, Namespace: []byte("/"), Attachments: 1, HasID: true, Args: []byte(`"x"`)},
		`51-[4]`:    {Type: Event, Namespace: []byte("/"), Attachments: 1, Name: []byte("4"), NameIsNumber: true},
	} {
		p, err := Decode([]byte(text), nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		a, err := NewAssembly(p, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !a.Add(nil) {
			t.Errorf("%s: not done", text)
		}
		if got, _ := a.Packet(); cmp.Diff(want, got) != "" {
			t.Errorf("%s: (-want +got)\n%s", text, cmp.Diff(want, got))
		}
	}
}

func TestNewAssemblyRefuses(t *testing.T) {
	for _, p := range []Packet{
		{},
		{Type: Event, Attachments: 1},
		{Type: BinaryEvent},
		{Type: BinaryAck, Attachments: -1},
		{Type: BinaryAck, Attachments: 11},
	} {
		if _, err := NewAssembly(p, nil); !errors.Is(err, ErrAttachments) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := NewAssembly(Packet{Type: BinaryAck, Attachments: 11}, &Limits{Attachments: 11}); err != nil {
		t.Error(err)
	}
}
