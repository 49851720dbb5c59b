package service

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/realtime-svc/realtime-svc/rooms"
)

var ackTokens = []ackToken{
	{node: "n1", namespace: "/", socket: rooms.NewSocketID(), ack: 0},
	{node: strings.Repeat("n", maxNodeIDBytes), namespace: "/chat", socket: rooms.NewSocketID(), ack: math.MaxUint64},
	{node: "", namespace: "/" + strings.Repeat("ä", 100), socket: rooms.NewSocketID(), ack: 1 << 53},
}

var pageTokens = []pageToken{
	{node: "n1", namespace: "/", after: "room"},
	{node: "", namespace: "", after: ""},
	{node: "n2", namespace: "/chat", after: strings.Repeat("\xff", 300)},
}

func TestTokensRoundTrip(t *testing.T) {
	for _, want := range ackTokens {
		if got, err := parseAckToken(want.String()); err != nil || got != want {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
		if _, err := parsePageToken(want.String()); !errors.Is(err, errToken) {
			t.Errorf("%+v is a page token, too: %v", want, err)
		}
	}
	for _, want := range pageTokens {
		if got, err := parsePageToken(want.String()); err != nil || got != want {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
		if _, err := parseAckToken(want.String()); !errors.Is(err, errToken) {
			t.Errorf("%+v is an ack token, too: %v", want, err)
		}
	}
}

// Every prefix of a token, and every token with something behind it, is refused.
func TestTokensCutShort(t *testing.T) {
	parse := map[string]func(string) error{}
	for _, token := range ackTokens {
		parse[token.String()] = func(s string) error { _, err := parseAckToken(s); return err }
	}
	for _, token := range pageTokens {
		parse[token.String()] = func(s string) error { _, err := parsePageToken(s); return err }
	}
	for token, parse := range parse {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		for n := range raw {
			if err := parse(base64.RawURLEncoding.EncodeToString(raw[:n])); !errors.Is(err, errToken) {
				t.Errorf("%d of %d bytes: %v", n, len(raw), err)
			}
		}
		for _, s := range []string{token + "AAAA", token + "=", "!" + token, base64.RawURLEncoding.EncodeToString(append(raw, 0))} {
			if err := parse(s); !errors.Is(err, errToken) {
				t.Errorf("%q: %v", s, err)
			}
		}
		raw[0] = 99 // a version that is not known
		if err := parse(base64.RawURLEncoding.EncodeToString(raw)); !errors.Is(err, errToken) {
			t.Errorf("kind 99: %v", err)
		}
	}
}

func TestTokenOfABadSocketID(t *testing.T) {
	token := ackToken{node: "n1", namespace: "/", socket: rooms.SocketID{}}
	if _, err := parseAckToken(token.String()); !errors.Is(err, errToken) {
		t.Errorf("error %v", err)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("")
	f.Add(ackTokens[0].String())
	f.Add(pageTokens[0].String())
	f.Add(base64.RawURLEncoding.EncodeToString([]byte{ackTokenV1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}))
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := parseAckToken(s); err == nil {
			if again, err := parseAckToken(token.String()); err != nil || again != token {
				t.Errorf("%+v became %+v, %v", token, again, err)
			}
		}
		if token, err := parsePageToken(s); err == nil {
			if again, err := parsePageToken(token.String()); err != nil || again != token {
				t.Errorf("%+v became %+v, %v", token, again, err)
			}
		}
	})
}
