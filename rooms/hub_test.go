package rooms

import (
	"errors"
	"strings"
	"testing"
)

func TestNewHub(t *testing.T) {
	for _, tc := range []struct {
		names string // separated by blanks
		want  string // sorted; empty: ErrNamespaceName
	}{
		{"/", "/"},
		{"/chat / /admin", "/ /admin /chat"},
		{"/a?b=c", "/a?b=c"},
		{"chat", ""},
		{"/ chat", ""},
		{"/chat,x", ""},
		{"/ /chat /", ""},
	} {
		h, err := NewHub(HubConfig{Namespaces: strings.Fields(tc.names)})
		if tc.want == "" {
			if !errors.Is(err, ErrNamespaceName) || h != nil {
				t.Errorf("NewHub(%s) = %v, %v", tc.names, h, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("NewHub(%s): %v", tc.names, err)
			continue
		}
		var got []string
		for _, n := range h.Namespaces() {
			got = append(got, n.Name())
			if same, ok := h.Namespace(n.Name()); !ok || same != n {
				t.Errorf("Namespace(%q) = %p, %v, not %p", n.Name(), same, ok, n)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("NewHub(%s).Namespaces() = %s", tc.names, got)
		}
	}
	if _, err := NewHub(HubConfig{Namespaces: []string{""}}); !errors.Is(err, ErrNamespaceName) {
		t.Errorf("empty name: %v", err)
	}
}

func TestHubKnowsOnlyWhatIsConfigured(t *testing.T) {
	h, err := NewHub(HubConfig{Namespaces: []string{"/chat"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/", "", "chat", "/chat/", "/CHAT"} {
		if n, ok := h.Namespace(name); ok || n != nil {
			t.Errorf("Namespace(%q) = %v, %v", name, n, ok)
		}
	}
	h.Namespaces()[0] = nil
	if h.Namespaces()[0] == nil {
		t.Error("the list is shared with the caller")
	}
}

func TestNamespacesAreApart(t *testing.T) {
	h, err := NewHub(HubConfig{Namespaces: []string{"/", "/chat"}})
	if err != nil {
		t.Fatal(err)
	}
	root, _ := h.Namespace("/")
	chat, _ := h.Namespace("/chat")
	f := add(t, root, 1, "ann", "lobby")
	everyone := []Target{{}, {Rooms: []string{"lobby"}}, {Users: []string{"ann"}}, {Sockets: []SocketID{f.ID()}}}
	for _, target := range everyone {
		if in, out := root.Count(target), chat.Count(target); in != 1 || out != 0 {
			t.Errorf("%+v: %d in its namespace, %d in the other", target, in, out)
		}
	}
}
