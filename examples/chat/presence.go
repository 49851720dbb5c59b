package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// claimLasts is how long an accepted nickname is kept for a client that has not turned up.
const claimLasts = 10 * time.Second

// person is a socket that is in the chat.
type person struct {
	id       string // of the socket
	nickname string
	key      string   // of the tab, see auth
	rooms    []string // as the chat calls them, sorted
	since    time.Time
}

// personOf reads a person off a socket; ok is false if admission did not let it in.
func personOf(socket *realtimev1.Socket) (p person, ok bool) {
	if socket.GetUser() == "" {
		return person{}, false
	}
	p = person{id: socket.GetId(), nickname: socket.GetUser()}
	if at := socket.GetConnectedAt(); at != nil {
		p.since = at.AsTime()
	}
	var data socketData
	if json.Unmarshal([]byte(socket.GetData()), &data) == nil {
		p.key = data.Key
	}
	for _, name := range socket.GetRooms() {
		if room, ok := chatRoom(name); ok {
			p.rooms = append(p.rooms, room)
		}
	}
	slices.Sort(p.rooms)
	return p, true
}

func (p person) in(room string) bool { return slices.Contains(p.rooms, room) }

// claim is a nickname that was accepted for somebody who has not connected yet.
type claim struct {
	key   string
	until time.Time
}

// presence knows who is here, in which rooms, and which nicknames are taken (C1). Safe for concurrent use.
type presence struct {
	// changed has a value in it when somebody came, went or moved since it was last emptied.
	changed chan struct{}

	mu         sync.Mutex // guards the following
	people     map[string]person
	byNickname map[string]string // folded nickname to socket id
	claims     map[string]claim  // by folded nickname
}

func newPresence() *presence {
	return &presence{
		changed:    make(chan struct{}, 1),
		people:     make(map[string]person),
		byNickname: make(map[string]string),
		claims:     make(map[string]claim),
	}
}

// touch is called when something has changed.
func (ps *presence) touch() {
	select {
	case ps.changed <- struct{}{}:
	default:
	}
}

// claim reserves a nickname for a client that is about to connect; false if somebody else has it. The same tab, known by its key, may have
// it again: its old socket may be one that the service has not missed yet.
func (ps *presence) claim(nickname, key string, now time.Time) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	maps.DeleteFunc(ps.claims, func(_ string, c claim) bool { return now.After(c.until) })
	folded := foldNickname(nickname)
	if id, held := ps.byNickname[folded]; held && !sameTab(ps.people[id].key, key) {
		return false
	}
	if c, claimed := ps.claims[folded]; claimed && !sameTab(c.key, key) {
		return false
	}
	ps.claims[folded] = claim{key: key, until: now.Add(claimLasts)}
	return true
}

func sameTab(a, b string) bool { return a != "" && a == b }

// add notes that somebody has connected. replaced is the socket that had the nickname before, or empty: it is not here any more. Events of
// two sockets may come in any order: p is the one that is replaced if the other is the younger.
func (ps *presence) add(p person) (replaced string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	defer ps.touch()
	folded := foldNickname(p.nickname)
	delete(ps.claims, folded)
	if before := ps.byNickname[folded]; before != p.id {
		if p.since.Before(ps.people[before].since) {
			return p.id
		}
		replaced = before
		delete(ps.people, before)
	}
	ps.people[p.id] = p
	ps.byNickname[folded] = p.id
	return replaced
}

// remove notes that a socket is gone.
func (ps *presence) remove(id string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, here := ps.people[id]
	if !here {
		return
	}
	delete(ps.people, id)
	if folded := foldNickname(p.nickname); ps.byNickname[folded] == id {
		delete(ps.byNickname, folded)
	}
	ps.touch()
}

// replace makes people all who are here.
func (ps *presence) replace(people []person) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.people = make(map[string]person, len(people))
	ps.byNickname = make(map[string]string, len(people))
	for _, p := range people {
		ps.people[p.id] = p
		ps.byNickname[foldNickname(p.nickname)] = p.id
	}
	ps.touch()
}

// join and leave note that somebody has entered or left a room.
func (ps *presence) join(id, room string) {
	ps.move(id, func(rooms []string) []string {
		at, found := slices.BinarySearch(rooms, room)
		if found {
			return rooms
		}
		return slices.Insert(rooms, at, room)
	})
}

func (ps *presence) leave(id, room string) {
	ps.move(id, func(rooms []string) []string {
		return slices.DeleteFunc(rooms, func(r string) bool { return r == room })
	})
}

func (ps *presence) move(id string, change func(rooms []string) []string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, here := ps.people[id]
	if !here {
		return
	}
	// The slice may be in the hands of somebody who asked for this person.
	p.rooms = change(slices.Clone(p.rooms))
	ps.people[id] = p
	ps.touch()
}

// person returns who a socket is.
func (ps *presence) person(id string) (person, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, here := ps.people[id]
	return p, here
}

// inRoom counts who is in a room.
func (ps *presence) inRoom(room string) int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	n := 0
	for _, p := range ps.people {
		if p.in(room) {
			n++
		}
	}
	return n
}

// everyone returns all who are here, sorted by nickname.
func (ps *presence) everyone() []person {
	ps.mu.Lock()
	all := slices.Collect(maps.Values(ps.people))
	ps.mu.Unlock()
	slices.SortFunc(all, func(a, b person) int { return cmp.Compare(a.nickname, b.nickname) })
	return all
}
