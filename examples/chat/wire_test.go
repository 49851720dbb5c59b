package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFirstArgument(t *testing.T) {
	for _, tt := range []struct {
		args string
		want posting
		err  error
	}{
		{`[{"id":"1","room":"lobby","text":"hi"}]`, posting{address: address{Room: "lobby"}, ID: "1", Text: "hi"}, nil},
		{`[{"id":"1","to":"s"},"more",2]`, posting{address: address{To: "s"}, ID: "1"}, nil},
		{
			`[{"picture":{"name":"a.png","data":{"_placeholder":true,"num":1}}}]`,
			posting{Picture: &postedPicture{Name: "a.png", Data: placeholder{Placeholder: true, Num: 1}}}, nil,
		},
		{`[null]`, posting{}, nil},
		{`[]`, posting{}, errMalformed},
		{`[7]`, posting{}, errMalformed},
		{`[{"id":7}]`, posting{}, errMalformed},
		{`{}`, posting{}, errMalformed},
		{``, posting{}, errMalformed},
	} {
		var got posting
		err := firstArgument(tt.args, &got)
		if !errors.Is(err, tt.err) {
			t.Errorf("firstArgument(%s): %v, want %v", tt.args, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(posting{}, address{})); err == nil && diff != "" {
			t.Errorf("firstArgument(%s):\n%s", tt.args, diff)
		}
	}
}

func TestPlaceholder(t *testing.T) {
	attachments := [][]byte{[]byte("a"), []byte("b")}
	for _, tt := range []struct {
		p    placeholder
		want string
		ok   bool
	}{
		{placeholder{true, 0}, "a", true},
		{placeholder{true, 1}, "b", true},
		{placeholder{true, 2}, "", false},
		{placeholder{true, -1}, "", false},
		{placeholder{false, 0}, "", false},
	} {
		if got, ok := tt.p.of(attachments); string(got) != tt.want || ok != tt.ok {
			t.Errorf("%v is %q, %v, want %q, %v", tt.p, got, ok, tt.want, tt.ok)
		}
	}
}

func TestArguments(t *testing.T) {
	picture := message{
		ID: "1", At: 2, Room: "lobby", From: sender{ID: "s", Nickname: "Ada"},
		Picture: &shownPicture{ID: "p", Name: "a.png", Type: "image/png", Data: firstAttachment},
	}
	for _, tt := range []struct {
		args []any
		want string
	}{
		{nil, `[]`},
		{[]any{}, `[]`},
		{[]any{struct{}{}}, `[{}]`},
		{[]any{"a", 1}, `["a",1]`},
		{[]any{sent{At: 5, Of: 0}}, `[{"at":5,"of":0}]`},
		{
			[]any{message{ID: "1", At: 2, From: sender{ID: "s", Nickname: "Ada"}, Text: "hi"}},
			`[{"id":"1","at":2,"from":{"id":"s","nickname":"Ada"},"text":"hi"}]`,
		},
		{
			[]any{picture},
			`[{"id":"1","at":2,"room":"lobby","from":{"id":"s","nickname":"Ada"},` +
				`"picture":{"id":"p","name":"a.png","type":"image/png","data":{"_placeholder":true,"num":0}}}]`,
		},
	} {
		if got := arguments(tt.args...); got != tt.want {
			t.Errorf("arguments(%v) = %s, want %s", tt.args, got, tt.want)
		}
	}
}

func TestJSONText(t *testing.T) {
	if got, want := jsonText(refused{Refused: "nickname", Reason: "taken"}), `{"refused":"nickname","reason":"taken"}`; got != want {
		t.Errorf("jsonText = %s, want %s", got, want)
	}
}

func TestAnswerTo(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want any
	}{
		{refusal("no"), map[string]string{"error": "no"}},
		{fmt.Errorf("join: %w", refusal("no")), map[string]string{"error": "no"}},
		{errUnavailable, nil},
	} {
		got, told := answerTo(tt.err)
		if diff := cmp.Diff(tt.want, got); diff != "" || told != (tt.want != nil) {
			t.Errorf("answerTo(%v) = %v, %v", tt.err, got, told)
		}
	}
}
