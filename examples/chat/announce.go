package main

import (
	"context"
	"maps"
	"slices"
	"time"
)

// announceEvery is the least time between two announcements, so that a crowd that arrives at once is one announcement and not hundreds.
const announceEvery = 100 * time.Millisecond

// presenceEvent is what the pages draw their rooms and people from. It is the whole of it each time: an announcement that is lost is made up
// for by the next. A chat for many thousands would send differences, and only to the rooms concerned.
type presenceEvent struct {
	Rooms  []roomEntry   `json:"rooms"` // the fixed ones in their order, then those that people have made
	People []personEntry `json:"people"`
}

type roomEntry struct {
	Name    string `json:"name"`
	Topic   string `json:"topic,omitempty"`
	Members int    `json:"members"`
}

type personEntry struct {
	ID       string   `json:"id"`
	Nickname string   `json:"nickname"`
	Rooms    []string `json:"rooms"`
}

// announce tells everyone who is here, after every change, until ctx is done.
func (s *session) announce(ctx context.Context) {
	for {
		select {
		case <-s.presence.changed:
		case <-ctx.Done():
			return
		}
		if err := s.send(ctx, everyone(), eventPresence, presenceOf(s.presence.everyone())); err != nil {
			s.logger.Warn("presence not announced", "error", err)
			s.presence.touch()
		}
		select {
		case <-time.After(announceEvery):
		case <-ctx.Done():
			return
		}
	}
}

func presenceOf(people []person) presenceEvent {
	members := make(map[string]int)
	event := presenceEvent{People: make([]personEntry, 0, len(people))}
	for _, p := range people {
		for _, room := range p.rooms {
			members[room]++
		}
		event.People = append(event.People, personEntry{ID: p.id, Nickname: p.nickname, Rooms: append([]string{}, p.rooms...)})
	}
	for _, fixed := range fixedRooms {
		event.Rooms = append(event.Rooms, roomEntry{Name: fixed.name, Topic: fixed.topic, Members: members[fixed.name]})
		delete(members, fixed.name)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		event.Rooms = append(event.Rooms, roomEntry{Name: name, Members: members[name]})
	}
	return event
}
