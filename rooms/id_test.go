package rooms

import (
	"errors"
	"strings"
	"testing"
)

func TestNewSocketID(t *testing.T) {
	seen := map[SocketID]bool{}
	for range 1000 {
		id := NewSocketID()
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
		back, err := ParseSocketID(id.String())
		if err != nil || back != id {
			t.Fatalf("ParseSocketID(%q) = %s, %v", id, back, err)
		}
	}
}

func TestParseSocketID(t *testing.T) {
	good := "AZaz09-_AZaz09-_AZaz"
	if id, err := ParseSocketID(good); err != nil || id.String() != good {
		t.Errorf("ParseSocketID(%q) = %q, %v", good, id, err)
	}
	for i := range good {
		if _, err := ParseSocketID(good[:i]); !errors.Is(err, ErrSocketID) {
			t.Errorf("prefix of %d characters: %v", i, err)
		}
	}
	if _, err := ParseSocketID(good + "A"); !errors.Is(err, ErrSocketID) {
		t.Errorf("21 characters: %v", err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for c := range 256 {
		s := good[:7] + string([]byte{byte(c)}) + good[8:]
		_, err := ParseSocketID(s)
		if ok := err == nil; ok != strings.Contains(alphabet, string([]byte{byte(c)})) {
			t.Errorf("ParseSocketID(%q): %v", s, err)
		}
	}
}
