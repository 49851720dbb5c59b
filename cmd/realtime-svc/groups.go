package main

import (
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// feedConfig is what the feed is told of the configuration. The hub is there by the time that anything happens.
func (p *Process) feedConfig(hub func() *rooms.Hub) feed.Config {
	cfg := &p.cfg
	return feed.Config{
		QueueBytes:     int(cfg.WatchBuffer),
		WantRoomEvents: func(delta int) { hub().WantRoomEvents(delta) },
		Groups: feed.GroupConfig{
			MaxGroups:   cfg.MaxGroups,
			MaxMembers:  cfg.MaxGroupMembers,
			Retention:   cfg.GroupRetention,
			Bytes:       int(cfg.GroupBuffer),
			SocketBytes: int(cfg.GroupSocketBuffer),
			MaxAge:      cfg.GroupMaxAge,
			Overflow:    feed.Overflow(cfg.GroupOverflow),
			MaxFailures: cfg.GroupMaxFailures,
			DeadLetter:  feed.DeadLetter(cfg.GroupDeadLetter),
			Resume:      func(namespace string, id rooms.SocketID) { p.edge.Resume(namespace, id) },
			Disconnect: func(namespace string, id rooms.SocketID) {
				if m, ok := findMember(hub(), namespace, id); ok {
					m.Disconnect(false)
				}
			},
			Logger: p.logger,
		},
	}
}

// findMember finds a socket.
func findMember(hub *rooms.Hub, namespace string, id rooms.SocketID) (rooms.Member, bool) {
	ns, ok := hub.Namespace(namespace)
	if !ok {
		return nil, false
	}
	return ns.Member(id)
}
