package main

import (
	"slices"
	"sync"
)

const (
	keepMessages  = 50  // of each room; with the bound on a text they fit into one event
	keepHistories = 500 // rooms that have one
	keepSeenBy    = 50  // nicknames of each message
)

// history keeps the latest messages of each room, in memory. Safe for concurrent use.
type history struct {
	mu    sync.Mutex           // guards the following
	rooms map[string][]message // oldest first, never empty
}

func newHistory() *history { return &history{rooms: make(map[string][]message)} }

// add appends a message to its room's history, without the picture's data. When there are too many rooms, the one that has been silent the
// longest is forgotten.
func (h *history) add(m message) {
	if m.Picture != nil {
		picture := *m.Picture
		picture.Data = nil
		m.Picture = &picture
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	kept, known := h.rooms[m.Room]
	if !known && len(h.rooms) >= keepHistories {
		delete(h.rooms, h.mostSilent())
	}
	if len(kept) >= keepMessages {
		kept = slices.Delete(kept, 0, len(kept)-keepMessages+1)
	}
	h.rooms[m.Room] = append(kept, m)
}

func (h *history) mostSilent() (room string) {
	var since int64
	for name, messages := range h.rooms {
		if last := messages[len(messages)-1].At; room == "" || last < since {
			room, since = name, last
		}
	}
	return room
}

// of returns the messages of a room, oldest first.
func (h *history) of(room string) []message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.rooms[room])
}

// find returns the message that somebody has sent to a room under an id.
func (h *history) find(room, nickname, id string) (message, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.lookUp(room, nickname, id); m != nil {
		return *m, true
	}
	return message{}, false
}

// forget takes back a message that was not passed on.
func (h *history) forget(m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(h.rooms[m.Room]), func(other message) bool {
		return other.ID == m.ID && other.From.Nickname == m.From.Nickname
	})
	if h.rooms[m.Room] = kept; len(kept) == 0 {
		delete(h.rooms, m.Room)
	}
}

// seen notes who has seen a message, if it is still kept.
func (h *history) seen(room, nickname, id, by string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.lookUp(room, nickname, id); m != nil && len(m.SeenBy) < keepSeenBy && !slices.Contains(m.SeenBy, by) {
		// Not appended in place: the slice may be in the hands of somebody who asked for the history.
		m.SeenBy = slices.Concat(m.SeenBy, []string{by})
	}
}

func (h *history) lookUp(room, nickname, id string) *message {
	kept := h.rooms[room]
	i := slices.IndexFunc(kept, func(m message) bool { return m.ID == id && m.From.Nickname == nickname })
	if i < 0 {
		return nil
	}
	return &kept[i]
}
