package rooms

import (
	"errors"
	"strings"
	"testing"
)

func newHub(t testing.TB, cfg HubConfig) *Hub {
	t.Helper()
	h, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// namesOf returns the names of the namespaces that exist, in one line.
func namesOf(h *Hub) string {
	var names []string
	for _, n := range h.Namespaces() {
		names = append(names, n.Name())
	}
	return strings.Join(names, " ")
}

func TestNewHub(t *testing.T) {
	longest := "/" + strings.Repeat("x", MaxNamespaceName-1)
	for _, tc := range []struct {
		names []string
		want  string // sorted; empty: ErrNamespaceName
	}{
		{[]string{"/"}, "/"},
		{[]string{"/chat", "/", "/admin"}, "/ /admin /chat"},
		{[]string{"/a?b=c"}, "/a?b=c"},
		{[]string{"/ü"}, "/ü"},
		{[]string{longest}, longest},
		{[]string{longest + "x"}, ""},
		{[]string{""}, ""},
		{[]string{"chat"}, ""},
		{[]string{"/", "chat"}, ""},
		{[]string{"/chat,x"}, ""},
		{[]string{"/\xff"}, ""},
		{[]string{"/", "/chat", "/"}, ""},
	} {
		h, err := NewHub(HubConfig{Namespaces: tc.names})
		if tc.want == "" {
			if !errors.Is(err, ErrNamespaceName) || h != nil {
				t.Errorf("NewHub(%q) = %v, %v", tc.names, h, err)
			}
			continue
		}
		if err != nil || namesOf(h) != tc.want {
			t.Errorf("NewHub(%q): %v, want %q", tc.names, err, tc.want)
			continue
		}
		for _, n := range h.Namespaces() {
			if same, ok := h.Namespace(n.Name()); !ok || same != n || n.Dynamic() || n.Pattern() != "" {
				t.Errorf("Namespace(%q) = %p, %v, not %p", n.Name(), same, ok, n)
			}
		}
	}
}

func TestNewHubReportsEveryProblem(t *testing.T) {
	h, err := NewHub(HubConfig{
		Namespaces: []string{"x", "/a,b", "/", "/"},
		Patterns:   []string{"/a", "/(", "", "/a", `/a)|(/b`, `/\p{nothing}`},
		MaxDynamic: -1,
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if h != nil || !ok {
		t.Fatalf("%v, %v", h, err)
	}
	count := map[error]int{}
	for _, problem := range joined.Unwrap() {
		for _, sentinel := range []error{ErrNamespaceName, ErrNamespacePattern, ErrMaxDynamic} {
			if errors.Is(problem, sentinel) {
				count[sentinel]++
			}
		}
	}
	if count[ErrNamespaceName] != 3 || count[ErrNamespacePattern] != 5 || count[ErrMaxDynamic] != 1 || len(joined.Unwrap()) != 9 {
		t.Error(err)
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
