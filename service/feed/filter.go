package feed

import "github.com/realtime-svc/realtime-svc/rooms"

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
}

// compiled is a Filter that is quick to match. Immutable.
type compiled struct {
	namespaces, names map[string]struct{} // nil: all
	kinds             uint32              // bit 1<<kind
}

const defaultKinds = 1<<rooms.KindConnected | 1<<rooms.KindEvent | 1<<rooms.KindDisconnected

func (f Filter) compile() compiled {
	c := compiled{namespaces: set(f.Namespaces), names: set(f.Names)}
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

func (c *compiled) match(e *rooms.Event) bool {
	if c.kinds&(1<<e.Kind) == 0 {
		return false
	}
	if c.namespaces != nil {
		if _, ok := c.namespaces[e.Namespace]; !ok {
			return false
		}
	}
	if c.names != nil && e.Kind == rooms.KindEvent {
		_, ok := c.names[e.Name]
		return ok
	}
	return true
}

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
