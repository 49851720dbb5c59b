package feed

import (
	"cmp"
	"slices"
	"strings"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Filter says which events a watcher wants: those that match all of its fields. The zero value matches everything that
// clients do, but not what becomes of rooms and of sockets that are gone.
type Filter struct {
	// Namespaces are the names of the namespaces. Empty means all.
	Namespaces []string
	// Kinds are the kinds of events. Empty means rooms.KindConnected, rooms.KindEvent and rooms.KindDisconnected.
	Kinds []rooms.EventKind
	// Names are the names of the events of rooms.KindEvent; numbers are compared by their text. Empty means all. Other
	// kinds are not filtered by it.
	Names []string
	// Prefixes are what such names begin with; a name must match either Names or Prefixes, unless both are empty.
	Prefixes []string
}

// compiled is a Filter that is quick to match. Immutable.
type compiled struct {
	namespaces, names map[string]struct{} // nil: all
	prefixes          []string
	kinds             uint32 // bit 1<<kind
}

const defaultKinds = 1<<rooms.KindConnected | 1<<rooms.KindEvent | 1<<rooms.KindDisconnected

func (f Filter) compile() compiled {
	c := compiled{namespaces: set(f.Namespaces), names: set(f.Names), prefixes: slices.Clone(f.Prefixes)}
	for _, kind := range f.Kinds {
		c.kinds |= 1 << kind
	}
	if c.kinds == 0 {
		c.kinds = defaultKinds
	}
	return c
}

// ofRooms reports whether the filter has a kind that rooms.Hub tells only when it is wanted.
func (c *compiled) ofRooms() bool {
	for kind := rooms.KindConnected; kind <= rooms.KindRoomDeleted; kind++ {
		if kind.OfRooms() && c.kinds&(1<<kind) != 0 {
			return true
		}
	}
	return false
}

// has reports whether anything of the namespace is wanted.
func (c *compiled) has(namespace string) bool {
	if c.namespaces == nil {
		return true
	}
	_, ok := c.namespaces[namespace]
	return ok
}

func (c *compiled) match(e *rooms.Event) bool {
	if c.kinds&(1<<e.Kind) == 0 {
		return false
	}
	if !c.has(e.Namespace) {
		return false
	}
	return e.Kind != rooms.KindEvent || c.named(e.Name)
}

// named reports whether an event of that name is wanted.
func (c *compiled) named(name string) bool {
	if c.names == nil && c.prefixes == nil {
		return true
	}
	if _, ok := c.names[name]; ok {
		return true
	}
	return slices.ContainsFunc(c.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// sorted is the filter in one form for all that say the same.
func (f Filter) sorted() Filter {
	c := Filter{Namespaces: distinct(f.Namespaces), Kinds: distinct(f.Kinds), Names: distinct(f.Names), Prefixes: distinct(f.Prefixes)}
	if len(c.Kinds) == 0 {
		c.Kinds = []rooms.EventKind{rooms.KindConnected, rooms.KindEvent, rooms.KindDisconnected}
	}
	return c
}

// equal compares sorted filters.
func (f Filter) equal(other Filter) bool {
	return slices.Equal(f.Namespaces, other.Namespaces) && slices.Equal(f.Kinds, other.Kinds) &&
		slices.Equal(f.Names, other.Names) && slices.Equal(f.Prefixes, other.Prefixes)
}

func distinct[T cmp.Ordered](list []T) []T { return slices.Compact(slices.Sorted(slices.Values(list))) }

func set(list []string) map[string]struct{} {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]struct{}, len(list))
	for _, s := range list {
		m[s] = struct{}{}
	}
	return m
}
