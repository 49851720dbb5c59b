package main

import (
	"fmt"
	"net"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"
)

// listenerNames are what FileDescriptorName= may be in a systemd socket unit.
var listenerNames = []string{"edge", "grpc", "admin", "http"}

// inherited returns the listening sockets that the process was started with, as systemd's socket activation does it, by name. A
// single one without one of the names is the edge's.
func inherited() (map[string]net.Listener, error) {
	groups, err := activation.ListenersWithNames()
	if err != nil {
		return nil, err
	}
	return named(groups)
}

func named(groups map[string][]net.Listener) (map[string]net.Listener, error) {
	found := map[string]net.Listener{}
	for name, listeners := range groups {
		if len(groups) == 1 && len(listeners) == 1 && !slices.Contains(listenerNames, name) {
			name = listenerNames[0]
		}
		switch {
		case !slices.Contains(listenerNames, name):
			return nil, fmt.Errorf("a socket was handed over under the name %q: FileDescriptorName= must be edge, grpc, admin or http", name)
		case len(listeners) != 1 || listeners[0] == nil:
			return nil, fmt.Errorf("%d sockets were handed over under the name %q: it must be one TCP socket that listens", len(listeners), name)
		}
		found[name] = listeners[0]
	}
	return found, nil
}
