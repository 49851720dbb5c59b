package rooms

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

var (
	// ErrNamespaceName reports a namespace name that cannot be configured.
	ErrNamespaceName = errors.New("rooms: bad namespace name")
	// ErrNamespacePattern reports a pattern that cannot be configured.
	ErrNamespacePattern = errors.New("rooms: bad namespace pattern")
	// ErrMaxDynamic reports a negative HubConfig.MaxDynamic.
	ErrMaxDynamic = errors.New("rooms: the number of dynamic namespaces must not be negative")
	// ErrNoNamespace is Enter's: the name is not configured and no pattern matches it.
	ErrNoNamespace = errors.New("rooms: no such namespace")
	// ErrTooManyNamespaces is Enter's: a pattern matches the name, but HubConfig.MaxDynamic others exist.
	ErrTooManyNamespaces = errors.New("rooms: too many dynamic namespaces")
)

const (
	// MaxNamespaceName is how many bytes the name of a namespace may have.
	MaxNamespaceName = 256
	// DefaultMaxDynamic is what HubConfig.MaxDynamic means when it is zero.
	DefaultMaxDynamic = 10_000
)

// HubConfig says which namespaces there are. The zero value has none.
type HubConfig struct {
	// Namespaces are the names of those that always exist. A name has 1 to MaxNamespaceName bytes of UTF-8, begins with
	// "/", holds no comma (which ends a name on the wire) and occurs once.
	Namespaces []string
	// Patterns are regular expressions (RE2), each of which matches a whole name: "/room-[0-9]+" admits /room-7, but
	// not /room-7/x. A name that is not configured and that one of them matches is a dynamic namespace: it exists while
	// somebody is in it. Each pattern occurs once and is not empty. A name that several match belongs to the first.
	Patterns []string
	// MaxDynamic bounds how many dynamic namespaces exist at once. Zero means DefaultMaxDynamic.
	MaxDynamic int
	// Recorder returns what writes down a namespace's messages, nil: nothing does. It is called once for each namespace,
	// before anybody else has it, and must not ask the hub for it. Nil: there are no recorders.
	Recorder func(n *Namespace) Recorder
	// RoomEvents hears of rooms while somebody wants to (WantRoomEvents): the kinds KindJoined, KindLeft, KindRoomCreated
	// and KindRoomDeleted, those of one namespace one at a time, in the order in which they happened. The method that
	// changed the rooms returns when all of it has been told. RoomEvents must not block and must not call a namespace
	// back: see "Locks" in the package's documentation. Nil: nobody ever hears of them.
	RoomEvents func(e *Event)
}

// Hub holds the namespaces of one process. A namespace that is not named by its configuration, and that no pattern of it
// matches, does not exist, not even "/". Safe for concurrent use.
type Hub struct {
	// Fixed at construction.
	byName     map[string]*Namespace // the configured ones: read without a lock
	sorted     []*Namespace          // the same
	patterns   []pattern
	maxDynamic int
	recorder   func(n *Namespace) Recorder
	events     roomEvents

	mu      sync.RWMutex // guards the following, and Namespace.entries of every dynamic namespace
	dynamic table[string, *Namespace]
}

// NewHub returns a hub with the configured namespaces, all empty. The error holds every problem: each is an
// ErrNamespaceName, an ErrNamespacePattern or ErrMaxDynamic.
func NewHub(cfg HubConfig) (*Hub, error) {
	h := &Hub{
		byName:     make(map[string]*Namespace, len(cfg.Namespaces)),
		maxDynamic: cmp.Or(cfg.MaxDynamic, DefaultMaxDynamic),
		recorder:   cfg.Recorder,
	}
	h.events.tell = cfg.RoomEvents
	var errs []error
	for _, name := range cfg.Namespaces {
		if err := h.addConfigured(name); err != nil {
			errs = append(errs, err)
		}
	}
	var problems []error
	h.patterns, problems = compilePatterns(cfg.Patterns)
	errs = append(errs, problems...)
	if cfg.MaxDynamic < 0 {
		errs = append(errs, fmt.Errorf("%w: %d", ErrMaxDynamic, cfg.MaxDynamic))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(h.sorted, byName)
	for _, n := range h.sorted {
		n.open()
	}
	return h, nil
}

func byName(a, b *Namespace) int { return strings.Compare(a.name, b.name) }

// addConfigured makes a namespace that always exists. The error is an ErrNamespaceName.
func (h *Hub) addConfigured(name string) error {
	switch {
	case len(name) > MaxNamespaceName:
		return fmt.Errorf("%w: %.20q… is longer than %d bytes", ErrNamespaceName, name, MaxNamespaceName)
	case !validName(name):
		return fmt.Errorf("%w: %q must begin with \"/\", hold no comma and be UTF-8", ErrNamespaceName, name)
	case h.byName[name] != nil:
		return fmt.Errorf("%w: %q is named twice", ErrNamespaceName, name)
	}
	n := h.newNamespace(name, "")
	h.byName[name] = n
	h.sorted = append(h.sorted, n)
	return nil
}

// validName reports whether name can be a namespace's. UTF-8 is asked for since services get the name as text.
func validName(name string) bool {
	return strings.HasPrefix(name, "/") && len(name) <= MaxNamespaceName && !strings.Contains(name, ",") && utf8.ValidString(name)
}

func (h *Hub) newNamespace(name, pattern string) *Namespace {
	n := newNamespace(strings.Clone(name)) // a copy, as it may be a piece of something large
	n.hub, n.pattern, n.events = h, pattern, &h.events
	return n
}

// Enter returns the namespace of that name for a client that is about to connect to it. A dynamic one comes into being
// with the first that enters, and whoever enters it calls [Namespace.Exit] once when it is done with it; those who enter
// at the same moment get the same one. Errors: ErrNoNamespace, ErrTooManyNamespaces.
//
// Who keeps a disconnected socket that may be recovered has not left the namespace: it calls Exit when the socket has
// expired.
func (h *Hub) Enter(name string) (*Namespace, error) {
	if n := h.byName[name]; n != nil {
		return n, nil
	}
	h.mu.Lock()
	n := h.enter(name)
	h.mu.Unlock()
	if n == nil {
		// Without the lock, as an expression takes its time.
		p := h.match(name)
		if p == nil {
			return nil, ErrNoNamespace
		}
		var err error
		if n, err = h.create(name, p); err != nil {
			return nil, err
		}
	}
	n.open()
	return n, nil
}

// enter counts one more user of a dynamic namespace and returns it; nil if it does not exist. The lock is held.
func (h *Hub) enter(name string) *Namespace {
	n := h.dynamic.m[name]
	if n != nil {
		n.entries++
	}
	return n
}

// create is enter that makes the namespace if it does not exist.
func (h *Hub) create(name string, p *pattern) (*Namespace, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.enter(name); n != nil {
		return n, nil
	}
	if len(h.dynamic.m) >= h.maxDynamic {
		return nil, ErrTooManyNamespaces
	}
	n := h.newNamespace(name, p.text)
	n.entries = 1
	h.dynamic.put(n.name, n)
	return n, nil
}

// exit undoes one enter; a namespace that nobody uses goes.
func (h *Hub) exit(n *Namespace) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.entries == 0 {
		return
	}
	if n.entries--; n.entries == 0 {
		h.dynamic.delete(n.name)
	}
}

// Namespace returns the namespace of that name for whoever addresses its sockets. If it does not exist but could, as a
// pattern matches the name, that is an empty one that nobody enters: what is sent there reaches nobody. ok is false if
// there can be no such namespace.
func (h *Hub) Namespace(name string) (n *Namespace, ok bool) {
	if n, ok = h.byName[name]; ok {
		return n, true
	}
	if len(h.patterns) == 0 {
		return nil, false
	}
	h.mu.RLock()
	n = h.dynamic.m[name]
	h.mu.RUnlock()
	if n != nil {
		n.open()
		return n, true
	}
	p := h.match(name)
	if p == nil {
		return nil, false
	}
	n = newNamespace(name)
	n.pattern = p.text
	return n, true
}

// Namespaces returns the namespaces that exist, sorted by name (bytewise). The slice is the caller's.
func (h *Hub) Namespaces() []*Namespace {
	h.mu.RLock()
	all := make([]*Namespace, 0, len(h.sorted)+len(h.dynamic.m))
	all = append(all, h.sorted...)
	for _, n := range h.dynamic.m {
		all = append(all, n)
	}
	h.mu.RUnlock()
	for _, n := range all[len(h.sorted):] {
		n.open()
	}
	slices.SortFunc(all, byName)
	return all
}

// Patterns returns HubConfig.Patterns. The slice is the caller's.
func (h *Hub) Patterns() []string {
	texts := make([]string, len(h.patterns))
	for i, p := range h.patterns {
		texts[i] = p.text
	}
	return texts
}

// WantRoomEvents says that delta more listeners want HubConfig.RoomEvents to be called, or fewer if it is negative. While
// the sum is 0, as it is at first, nothing is told and nothing is kept for telling. What changes after the return of
// a call that made it more than 0 is told.
func (h *Hub) WantRoomEvents(delta int) { h.events.wanted.Add(int64(delta)) }
