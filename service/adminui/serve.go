package adminui

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// run does the jobs, and tells the figures while somebody looks, until Stop.
func (u *UI) run() {
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	defer u.unfollow()
	for {
		select {
		case <-u.ended:
			return
		case job := <-u.jobs:
			job()
		case <-tick.C:
			if len(u.people) > 0 {
				u.tell(rooms.Target{}, "server_stats", u.stats())
			}
		}
	}
}

// arrived greets a person, and begins to follow the feed with the first one.
func (u *UI) arrived(e *rooms.Event) {
	u.people[e.Socket] = struct{}{}
	to := rooms.Target{Sockets: []rooms.SocketID{e.Socket}}
	if id, ok := e.Info.Grant.(login); ok {
		u.tell(to, "session", string(id))
	}
	features := []string{"AGGREGATED_EVENTS"}
	if !u.cfg.ReadOnly {
		features = append(features, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	if u.cfg.Development {
		features = append(features, "ALL_EVENTS")
	}
	u.tell(to, "config", map[string]any{"supportedFeatures": features})
	if len(u.people) == 1 {
		u.before = u.cfg.Stats()
	}
	u.tell(to, "server_stats", u.stats())
	if u.cfg.Development {
		u.follow()
		u.tell(to, "all_sockets", u.sockets())
	}
}

func (u *UI) left(id rooms.SocketID) {
	if delete(u.people, id); len(u.people) == 0 {
		u.unfollow()
	}
}

// follow begins to tell of each event, unless that has begun.
func (u *UI) follow() {
	if u.follows != nil {
		return
	}
	watcher, err := u.cfg.Feed.Watch(feed.Filter{Kinds: []rooms.EventKind{
		rooms.KindConnected, rooms.KindEvent, rooms.KindDisconnected, rooms.KindJoined, rooms.KindLeft,
	}})
	if err != nil {
		return // the process ends
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.follows = cancel
	u.running.Go(func() {
		defer watcher.Close()
		for {
			batch, err := watcher.Next(ctx)
			if err != nil {
				return
			}
			if batch.Missed > 0 {
				u.tell(rooms.Target{}, "all_sockets", u.sockets())
			}
			for _, e := range batch.Events {
				u.show(e)
			}
		}
	})
}

func (u *UI) unfollow() {
	if u.follows != nil {
		u.follows()
		u.follows = nil
	}
}

// show tells the people of an event.
func (u *UI) show(e *rooms.Event) {
	at := e.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	switch id := e.Socket.String(); e.Kind {
	case rooms.KindConnected:
		u.tell(rooms.Target{}, "socket_connected", serialized(e.Info), at)
	case rooms.KindDisconnected:
		u.tell(rooms.Target{}, "socket_disconnected", e.Namespace, id, string(e.Reason), at)
	case rooms.KindJoined:
		u.tell(rooms.Target{}, "room_joined", e.Namespace, e.Room, id, at)
	case rooms.KindLeft:
		u.tell(rooms.Target{}, "room_left", e.Namespace, e.Room, id, at)
	case rooms.KindEvent:
		name, _ := json.Marshal(e.Name)
		args := append([]byte{'['}, name...)
		if len(e.Args) > 0 {
			args = append(append(args, ','), e.Args...)
		}
		u.tell(rooms.Target{}, "event_received", e.Namespace, id, json.RawMessage(append(args, ']')), at)
	}
}

// tell emits to people of the UI.
func (u *UI) tell(to rooms.Target, event string, args ...any) {
	text, err := json.Marshal(args)
	ns, ok := u.cfg.Hub.Namespace(u.cfg.Namespace)
	if err != nil || !ok {
		u.cfg.Logger.Error("the Admin UI cannot be told", "event", event, "error", err)
		return
	}
	ns.Emit(to, &rooms.Message{Event: event, Args: text[1 : len(text)-1]})
}

// command does what a person wants, if it is one of the commands.
func (u *UI) command(e *rooms.Event) {
	var args []json.RawMessage
	if u.cfg.ReadOnly || json.Unmarshal(append(append([]byte{'['}, e.Args...), ']'), &args) != nil || len(args) < 2 {
		return
	}
	ns, ok := u.cfg.Hub.Namespace(word(args[0]))
	if !ok || ns.Name() == u.cfg.Namespace {
		return
	}
	filter := func(i int) rooms.Target {
		if len(args) <= i {
			return rooms.Target{}
		}
		return rooms.Target{Rooms: words(args[i])}
	}
	done := 0
	switch e.Name {
	case "emit":
		if len(args) < 3 || word(args[2]) == "" || slices.Contains(reserved, word(args[2])) {
			return
		}
		var list []string
		for _, arg := range args[3:] {
			list = append(list, string(arg))
		}
		done, _ = ns.Emit(filter(1), &rooms.Message{Event: word(args[2]), Args: []byte(strings.Join(list, ",")), Attachments: e.Attachments})
	case "join":
		done = ns.Join(filter(2), words(args[1])...)
	case "leave":
		done = ns.Leave(filter(2), words(args[1])...)
	case "_disconnect":
		for _, m := range ns.Select(nil, filter(2)) {
			m.Disconnect(string(args[1]) == "true")
			done++
		}
	default:
		return
	}
	u.cfg.Logger.Info("done for the Admin UI", "command", e.Name, "namespace", ns.Name(), "sockets", done, "by", e.Socket.String())
}

// reserved are the names of events that clients make themselves.
var reserved = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// word is a JSON string, empty if it is none.
func word(text json.RawMessage) (s string) {
	_ = json.Unmarshal(text, &s)
	return s
}

// words is a JSON string or a list of some.
func words(text json.RawMessage) (list []string) {
	if one := word(text); one != "" {
		return []string{one}
	}
	_ = json.Unmarshal(text, &list)
	return list
}

// sockets is what the UI is told of each, up to MaxSockets.
func (u *UI) sockets() []map[string]any {
	list := []map[string]any{}
	for _, ns := range u.cfg.Hub.Namespaces() {
		if ns.Name() == u.cfg.Namespace {
			continue // they are not told of one another
		}
		for _, m := range ns.Select(nil, rooms.Target{}) {
			if len(list) == MaxSockets {
				return list
			}
			info := m.Info()
			list = append(list, serialized(&info))
		}
	}
	return list
}

// serialized is a socket as the UI wants it.
func serialized(i *rooms.Info) map[string]any {
	id := i.ID.String()
	headers := map[string]string{}
	for _, h := range i.Handshake.Headers {
		headers[h.Name] = h.Value
	}
	data := map[string]any{}
	if len(i.Data) > 0 && json.Unmarshal(i.Data, &data) != nil {
		data = map[string]any{"data": json.RawMessage(i.Data)}
	}
	if i.User != "" {
		data["user"] = i.User
	}
	return map[string]any{
		"id": id, "clientId": id[:12], "transport": i.Transport, "nsp": i.Namespace, "data": data,
		"rooms": append([]string{id}, i.Rooms...),
		"handshake": map[string]any{
			"address": i.Handshake.Address, "headers": headers, "query": queryOf(i.Handshake.Query), "issued": i.Handshake.Issued.UnixMilli(),
			"secure": i.Handshake.Secure, "time": i.Handshake.Issued.UTC().Format(time.RFC1123), "url": i.Handshake.URL, "xdomain": i.Handshake.XDomain,
		},
	}
}

// stats is a turn's figures: what there is, and what has happened since the turn before.
func (u *UI) stats() map[string]any {
	now, before := u.cfg.Stats(), u.before
	u.before = now
	at := time.Now().Truncate(time.Second).UnixMilli()
	happened := []map[string]any{}
	count := func(kind, sub string, n uint64) {
		if n > 0 {
			happened = append(happened, map[string]any{"timestamp": at, "type": kind, "subType": sub, "count": n})
		}
	}
	count("rawConnection", "", now.Opened-before.Opened)
	for reason, n := range now.Closed {
		count("rawDisconnection", reason, n-before.Closed[reason])
	}
	count("packetsIn", "", now.Received-before.Received)
	namespaces := []map[string]any{}
	for _, ns := range u.cfg.Hub.Namespaces() {
		namespaces = append(namespaces, map[string]any{"name": ns.Name(), "socketsCount": ns.Count(rooms.Target{})})
	}
	return map[string]any{
		"serverId": u.cfg.Node, "hostname": u.cfg.Node, "pid": os.Getpid(), "uptime": time.Since(u.begun).Seconds(),
		"clientsCount": now.Sessions, "pollingClientsCount": now.Polling, "aggregatedEvents": happened, "namespaces": namespaces,
	}
}
