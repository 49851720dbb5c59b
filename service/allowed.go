package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Observer hears what sockets do: it is wsedge.Observer.
type Observer interface {
	Observe(e *rooms.Event) rooms.Flow
}

// everyNamespace stands for the namespaces without entries of their own.
const everyNamespace = "*"

// AllowedEvents stands before an Observer and keeps away from it the events that clients may not send. It is safe for
// use by many goroutines, and allocates nothing for an event.
type AllowedEvents struct {
	// Fixed at construction.
	next   Observer
	log    *slog.Logger
	lists  map[string]*allowList // by namespace
	others *allowList            // of the namespaces that lists does not have; nil: they allow everything
}

// allowList is what clients may send in one namespace.
type allowList struct {
	label    string // of the log: the namespace as it is configured
	names    map[string]struct{}
	prefixes []string // none begins with another
}

// NewAllowedEvents makes one in front of next. Each entry has the form NAMESPACE=NAME and allows one event; without any,
// everything is allowed.
//
// NAMESPACE is a namespace's full name, or "*" for all that have no entries of their own; a namespace that neither is
// about allows every event. NAME is an event's full name, or one that ends in "*", which stands for every name that begins
// with what is before it; no NAME at all allows nothing, so that such an entry alone lets clients only listen. An event
// whose name is a number goes by the number's text. The first "=" divides the two: a namespace with one in its name cannot
// have entries.
//
// logger is told of what is refused, a line each: bound them. Nil discards them. The error names every entry that has
// another form.
func NewAllowedEvents(entries []string, next Observer, logger *slog.Logger) (*AllowedEvents, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	a := &AllowedEvents{next: next, log: logger, lists: make(map[string]*allowList)}
	var errs []error
	for _, entry := range entries {
		namespace, name, ok := strings.Cut(entry, "=")
		if !ok || namespace != everyNamespace && !strings.HasPrefix(namespace, "/") {
			errs = append(errs, fmt.Errorf("%q does not have the form NAMESPACE=NAME with a namespace that begins with a slash, or *", entry))
			continue
		}
		list := a.lists[namespace]
		if list == nil {
			list = &allowList{label: namespace, names: make(map[string]struct{})}
			a.lists[namespace] = list
		}
		list.add(name)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	a.others = a.lists[everyNamespace] // "*" is no namespace's name
	return a, nil
}

// Namespaces returns the namespaces that have entries of their own, sorted.
func (a *AllowedEvents) Namespaces() []string {
	var names []string
	for name := range a.lists {
		if name != everyNamespace {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (l *allowList) add(name string) {
	prefix, ok := strings.CutSuffix(name, "*")
	switch {
	case name == "":
	case !ok:
		l.names[name] = struct{}{}
	case !slices.ContainsFunc(l.prefixes, func(other string) bool { return strings.HasPrefix(prefix, other) }):
		l.prefixes = slices.DeleteFunc(l.prefixes, func(other string) bool { return strings.HasPrefix(other, prefix) })
		l.prefixes = append(l.prefixes, prefix)
	}
}

func (l *allowList) allows(name string) bool {
	if _, ok := l.names[name]; ok {
		return true
	}
	for _, prefix := range l.prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Observe passes e on, unless it is an event that its namespace does not allow: that one is refused, and nobody hears
// of it. It implements wsedge.Observer.
func (a *AllowedEvents) Observe(e *rooms.Event) rooms.Flow {
	if e.Kind != rooms.KindEvent {
		return a.next.Observe(e)
	}
	list := a.lists[e.Namespace]
	if list == nil {
		list = a.others
	}
	if list == nil || list.allows(e.Name) {
		return a.next.Observe(e)
	}
	// Not the event's name, which a client chose, nor the namespace's, which may be a dynamic one.
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "event refused",
		slog.String("reason", string(rooms.RefusedNotAllowed)), slog.String("namespace", list.label))
	return rooms.Flow{Refused: rooms.RefusedNotAllowed}
}
