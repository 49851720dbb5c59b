package access

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMayMethod(t *testing.T) {
	const (
		emit       = "/realtime.v1.EmitService/Emit"
		stream     = "/realtime.v1.EmitService/EmitStream"
		watch      = "/realtime.v1.EventService/Watch"
		reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	)
	for _, tt := range []struct {
		rights  string
		allowed []string
	}{
		{"", nil},
		{"*", []string{emit, stream, watch, reflection}},
		{"Emit", []string{emit}},
		{"EmitService", []string{emit, stream}},
		{"EmitService/*", []string{emit, stream}},
		{"EmitService/Emit", []string{emit}},
		{"EventService/Emit", nil},
		{"Emit Watch", []string{emit, watch}},
		{"emit", nil},
		{"Service", nil},
		{"ServerReflection", nil},
		{"realtime.v1.EmitService", nil},
		{"Reflection", []string{reflection}},
	} {
		c := &Caller{methods: strings.Fields(tt.rights)}
		for _, method := range []string{emit, stream, watch, reflection} {
			want := strings.Contains(strings.Join(tt.allowed, " ")+" ", method+" ")
			if got := c.MayMethod(method); got != want {
				t.Errorf("with %q, %s: %v", tt.rights, method, got)
			}
		}
	}
}

func TestMayNamespace(t *testing.T) {
	for _, tt := range []struct {
		patterns       string
		allowed, other string // separated by blanks
		all            bool
	}{
		{"", "", "/ /chat", false},
		{"*", "/ /chat /x/y", "", true},
		{"/*", "/ /chat /x/y", "", true},
		{"/", "/", "/chat", false},
		{"/chat", "/chat", "/ /chats /cha", false},
		{"/room-*", "/room- /room-1 /room-1/x", "/room /x/room-1", false},
		{"/chat /room-*", "/chat /room-7", "/ /other", false},
		{"/chat *", "/ /chat", "", true},
	} {
		c := &Caller{namespaces: strings.Fields(tt.patterns)}
		for _, name := range strings.Fields(tt.allowed) {
			if !c.MayNamespace(name) {
				t.Errorf("%q does not give %q", tt.patterns, name)
			}
		}
		for _, name := range strings.Fields(tt.other) {
			if c.MayNamespace(name) {
				t.Errorf("%q gives %q", tt.patterns, name)
			}
		}
		if c.MayAllNamespaces() != tt.all {
			t.Errorf("%q gives all: %v", tt.patterns, !tt.all)
		}
	}
}

func TestNobodyMayEverything(t *testing.T) {
	c := FromContext(t.Context())
	if c != nil || c.Name() != "" || !c.MayMethod("/a.B/C") || !c.MayNamespace("/x") || !c.MayAllNamespaces() {
		t.Errorf("%+v is bound", c)
	}
	if err := errors.Join(CheckNamespace(t.Context(), "/x"), CheckAll(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestCheckNamespace(t *testing.T) {
	c := &Caller{name: "chat", namespaces: []string{"/chat"}}
	ctx := NewContext(context.Background(), c)
	if got := FromContext(ctx); got != c || got.Name() != "chat" {
		t.Errorf("%+v", got)
	}
	if err := CheckNamespace(ctx, "/chat"); err != nil {
		t.Error(err)
	}
	for want, err := range map[string]error{
		"/x":                           CheckNamespace(ctx, "/x"),
		"*":                            CheckAll(ctx),
		"/" + strings.Repeat("x", 255): CheckNamespace(ctx, "/"+strings.Repeat("x", 1<<20)),
		"/" + strings.Repeat("ä", 127): CheckNamespace(ctx, "/"+strings.Repeat("ä", 1000)), // not half of one
	} {
		refused, ok := errors.AsType[*NamespaceError](err)
		if !ok || refused.Namespace != want || len(err.Error()) > 400 {
			t.Errorf("%.300v, want %q", err, want)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		pattern, other string
		want           bool
	}{
		{"*", "*", true},
		{"*", "/chat", true},
		{"/a*", "/ab*", true},
		{"/ab*", "/a*", false},
		{"/a*", "/a", true},
		{"/a", "/a", true},
		{"/a", "/a*", false},
		{"/a", "/b", false},
		{"/a*", "*", false},
	} {
		if got := covers(tt.pattern, tt.other); got != tt.want {
			t.Errorf("%q covers %q: %v", tt.pattern, tt.other, got)
		}
	}
}
