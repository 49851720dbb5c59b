package feed

import "github.com/realtime-svc/realtime-svc/rooms"

// Filter says which events a watcher wants: those that match all of its fields. The zero value matches everything.
type Filter struct {
	// Namespaces are the names of the namespaces. Empty means all.
	Namespaces []string
	// Kinds are the kinds of events. Empty means all.
	Kinds []rooms.EventKind
	// Names are the names of the events of rooms.KindEvent; numbers are compared by their text. Empty means all. Other
	// kinds are not filtered by it.
	Names []string
}

// compiled is a Filter that is quick to match. Immutable.
type compiled struct {
	namespaces, names map[string]struct{} // nil: all
	kinds             uint32              // bit 1<<kind; 0: all
}

func (f Filter) compile() compiled {
	c := compiled{namespaces: set(f.Namespaces), names: set(f.Names)}
	for _, kind := range f.Kinds {
		c.kinds |= 1 << kind
	}
	return c
}

func (c *compiled) match(e *rooms.Event) bool {
	if c.kinds != 0 && c.kinds&(1<<e.Kind) == 0 {
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
