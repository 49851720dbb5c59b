package rooms

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNamespaceName reports a namespace name that cannot be configured.
var ErrNamespaceName = errors.New("rooms: bad namespace name")

// Hub holds the namespaces of one process. The list is configuration and fixed at construction: a namespace that is
// not named does not exist, not even "/". Safe for concurrent use.
type Hub struct {
	// Fixed at construction.
	byName map[string]*Namespace
	sorted []*Namespace
}

// NewHub returns a hub with these namespaces, all empty. A name begins with "/", holds no comma (which ends a name on
// the wire) and occurs once; otherwise the error wraps ErrNamespaceName.
func NewHub(namespaces ...string) (*Hub, error) {
	h := &Hub{byName: make(map[string]*Namespace, len(namespaces))}
	for _, name := range namespaces {
		if !strings.HasPrefix(name, "/") || strings.Contains(name, ",") {
			return nil, fmt.Errorf("%w: %q must begin with \"/\" and hold no comma", ErrNamespaceName, name)
		}
		if h.byName[name] != nil {
			return nil, fmt.Errorf("%w: %q is named twice", ErrNamespaceName, name)
		}
		n := newNamespace(name)
		h.byName[name] = n
		h.sorted = append(h.sorted, n)
	}
	slices.SortFunc(h.sorted, func(a, b *Namespace) int { return strings.Compare(a.name, b.name) })
	return h, nil
}

// Namespace returns the namespace of that name, false if it is not configured.
func (h *Hub) Namespace(name string) (*Namespace, bool) {
	n, ok := h.byName[name]
	return n, ok
}

// Namespaces returns all namespaces, sorted by name (bytewise). The slice is the caller's.
func (h *Hub) Namespaces() []*Namespace { return slices.Clone(h.sorted) }
