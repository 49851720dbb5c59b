package rooms

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func enter(t testing.TB, h *Hub, name string) *Namespace {
	t.Helper()
	n, err := h.Enter(name)
	if err != nil {
		t.Fatalf("Enter(%q): %v", name, err)
	}
	return n
}

// PROTOCOL 4.5: a pattern admits whole names, and nothing that can be no name.
func TestPatternsMatchWholeNames(t *testing.T) {
	h := newHub(t, HubConfig{
		Namespaces: []string{"/", "/room-0"},
		Patterns:   []string{"/room-[0-9]+", "/a|/bb", "(?i)/case", "/.*x", "/room-1.*"},
	})
	for name, pattern := range map[string]string{
		"/room-7":                      "/room-[0-9]+",
		"/room-77":                     "/room-[0-9]+",
		"/room-1":                      "/room-[0-9]+", // the first that matches
		"/room-1b":                     "/room-1.*",
		"/a":                           "/a|/bb",
		"/bb":                          "/a|/bb",
		"/CASE":                        "(?i)/case",
		"/üx":                          "/.*x",
		"/" + strings.Repeat("x", 255): "/.*x",
		"/room-":                       "",
		"/room-7/":                     "",
		"/room-7\n":                    "",
		"/ab":                          "",
		"/b":                           "",
		"room-7":                       "",
		"/,x":                          "",
		"/\xffx":                       "",
		"/" + strings.Repeat("x", 256): "",
		"":                             "",
	} {
		n, err := h.Enter(name)
		if pattern == "" {
			if !errors.Is(err, ErrNoNamespace) || n != nil {
				t.Errorf("Enter(%q) = %v, %v", name, n, err)
			}
			if _, ok := h.Namespace(name); ok {
				t.Errorf("Namespace(%q) says that it could exist", name)
			}
			continue
		}
		if err != nil || n.Name() != name || !n.Dynamic() || n.Pattern() != pattern {
			t.Errorf("Enter(%q) = %+v, %v, want one of %s", name, n, err, pattern)
		}
	}
	if got := h.Patterns(); len(got) != 5 || got[1] != "/a|/bb" {
		t.Errorf("Patterns() = %q", got)
	}
	if n := enter(t, h, "/room-0"); n.Dynamic() {
		t.Error("what is configured by name is a pattern's")
	}
}

// PROTOCOL 4.5: it exists while somebody is in it, and goes without a trace.
func TestDynamicNamespaceComesAndGoes(t *testing.T) {
	h := newHub(t, HubConfig{Namespaces: []string{"/"}, Patterns: []string{"/r[0-9]"}})
	before, ok := h.Namespace("/r1")
	if !ok || before.Name() != "/r1" || !before.Dynamic() || namesOf(h) != "/" {
		t.Fatalf("before anybody is there: %+v, %v, %s", before, ok, namesOf(h))
	}
	if matched, _ := before.Emit(Target{}, new(Message)); matched != 0 {
		t.Errorf("an Emit to nobody matches %d", matched)
	}
	before.Exit() // it is in no hub: nothing happens

	first := enter(t, h, "/r1")
	if second := enter(t, h, "/r1"); second != first || namesOf(h) != "/ /r1" {
		t.Errorf("the second came to %p, not %p; %s", second, first, namesOf(h))
	}
	f := add(t, first, 1, "", "a")
	if n, _ := h.Namespace("/r1"); n != first || n == before {
		t.Error("services find another one")
	}
	first.Exit()
	if namesOf(h) != "/ /r1" {
		t.Error("it went with the first of two")
	}
	first.Remove(f)
	first.Exit()
	if namesOf(h) != "/" || len(h.dynamic.m) != 0 {
		t.Errorf("it stays: %s", namesOf(h))
	}
	again := enter(t, h, "/r1")
	first.Exit() // one too many, of one that has gone
	if n, _ := h.Namespace("/r1"); n != again || again == first {
		t.Error("the one that came after was hit by a late Exit")
	}
}

func TestConfiguredNamespaceStays(t *testing.T) {
	h := newHub(t, HubConfig{Namespaces: []string{"/"}})
	n := enter(t, h, "/")
	n.Exit()
	n.Exit()
	if got, ok := h.Namespace("/"); !ok || got != n {
		t.Error("it is gone")
	}
	newNamespace("/x").Exit()
}

func TestMaxDynamic(t *testing.T) {
	h := newHub(t, HubConfig{Namespaces: []string{"/", "/c"}, Patterns: []string{"/r[0-9]"}, MaxDynamic: 2})
	a := enter(t, h, "/r1")
	enter(t, h, "/r2")
	if n, err := h.Enter("/r3"); !errors.Is(err, ErrTooManyNamespaces) || n != nil {
		t.Errorf("a third: %v, %v", n, err)
	}
	enter(t, h, "/r2")
	enter(t, h, "/c")
	if _, err := h.Enter("/x"); !errors.Is(err, ErrNoNamespace) {
		t.Errorf("what cannot be is called too many: %v", err)
	}
	if _, ok := h.Namespace("/r3"); !ok {
		t.Error("services cannot address what has no room now")
	}
	a.Exit()
	enter(t, h, "/r3")

	if h := newHub(t, HubConfig{Patterns: []string{"/.+"}}); h.maxDynamic != DefaultMaxDynamic {
		t.Errorf("zero means %d", h.maxDynamic)
	}
}

// PROTOCOL 4.5: simultaneous first connects make one.
func TestFirstConnectsAtOnceMakeOne(t *testing.T) {
	h := newHub(t, HubConfig{Patterns: []string{"/r[0-9]+"}, MaxDynamic: 1})
	for round := range 50 {
		const clients = 8
		var got [clients]*Namespace
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() { got[i] = enter(t, h, fmt.Sprint("/r", round)) })
		}
		wg.Wait()
		for _, n := range got {
			if n != got[0] {
				t.Fatal("two came into being")
			}
			defer n.Exit()
		}
		for _, n := range got {
			n.Exit()
		}
		if len(h.dynamic.m) != 0 {
			t.Fatal("it stays")
		}
	}
}

// Many go through a few dynamic namespaces at once. Whoever has entered one is found there, and the bound holds.
func TestDynamicNamespacesConcurrently(t *testing.T) {
	const workers, rounds, bound = 6, 150, 3
	h := newHub(t, HubConfig{Namespaces: []string{"/"}, Patterns: []string{"/r[0-9]"}, MaxDynamic: bound})
	var refused atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprint("/r", (w+i)%5)
				n, err := h.Enter(name)
				if errors.Is(err, ErrTooManyNamespaces) {
					refused.Add(1)
					continue
				}
				if err != nil {
					t.Errorf("Enter: %v", err)
					return
				}
				f := newFake(w*rounds + i)
				if err := n.Add(f, "", []string{"a"}); err != nil {
					t.Errorf("Add: %v", err)
				}
				m := new(Message)
				if found, ok := h.Namespace(name); !ok || found != n {
					t.Error("services find another namespace than the client is in")
				} else if found.Emit(Target{Sockets: []SocketID{f.ID()}}, m); len(f.got) != 1 || f.got[0] != m {
					t.Error("the client was not reached")
				}
				if all := h.Namespaces(); len(all) > bound+1 || !slices.IsSortedFunc(all, byName) {
					t.Errorf("%d namespaces", len(all))
				}
				n.Remove(f)
				n.Exit()
			}
		})
	}
	wg.Wait()
	if got := namesOf(h); got != "/" {
		t.Errorf("left: %s", got)
	}
	t.Logf("%d were refused", refused.Load())
}

// The hub against a map of counters.
func TestDynamicNamespacesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bound = 3
		h, err := NewHub(HubConfig{Namespaces: []string{"/", "/r0"}, Patterns: []string{"/r[0-9]"}, MaxDynamic: bound})
		if err != nil {
			t.Fatal(err)
		}
		users, now := map[string]int{}, map[string]*Namespace{}
		name := rapid.SampledFrom([]string{"/", "/r0", "/r1", "/r2", "/r3", "/r4", "/x", ""})
		dynamic := func(name string) bool { return len(name) == 3 && name != "/r0" }
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				name := name.Draw(t, "name")
				n, err := h.Enter(name)
				switch {
				case name == "" || name == "/x":
					if !errors.Is(err, ErrNoNamespace) {
						t.Fatalf("Enter(%q): %v", name, err)
					}
				case dynamic(name) && users[name] == 0 && len(users) == bound:
					if !errors.Is(err, ErrTooManyNamespaces) {
						t.Fatalf("Enter(%q): %v", name, err)
					}
				case err != nil || n.Name() != name || n.Dynamic() != dynamic(name):
					t.Fatalf("Enter(%q): %v, %v", name, n, err)
				case dynamic(name):
					if users[name]++; users[name] > 1 && n != now[name] {
						t.Fatal("another one")
					}
					now[name] = n
				}
			},
			"exit": func(t *rapid.T) {
				name := name.Draw(t, "name")
				if users[name] == 0 {
					return
				}
				now[name].Exit()
				if users[name]--; users[name] == 0 {
					delete(users, name)
				}
			},
			"": func(t *rapid.T) {
				want := []string{"/", "/r0"}
				for name := range users {
					want = append(want, name)
					if n, ok := h.Namespace(name); !ok || n != now[name] {
						t.Fatalf("%s is another one", name)
					}
				}
				slices.Sort(want)
				if got := namesOf(h); got != strings.Join(want, " ") {
					t.Fatalf("%s, want %s", got, want)
				}
			},
		})
	})
}
