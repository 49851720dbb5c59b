package service

import (
	"errors"
	"io"
	"slices"
	"testing"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// crowd is eight sockets: in rooms a, b, both or none, of ann's or nobody's.
func crowd(t *testing.T, w *world) []*fake {
	t.Helper()
	var sockets []*fake
	for _, s := range []struct {
		user  string
		rooms []string
	}{
		{"", nil}, {"", []string{"a"}}, {"", []string{"b"}}, {"", []string{"a", "b"}},
		{"ann", nil}, {"ann", []string{"a"}}, {"bob", []string{"b"}}, {"ann", []string{"a", "b"}},
	} {
		f := w.socket(t, "/", s.user, s.rooms...)
		f.onDeliver = func(m *rooms.Message) bool {
			if m.Acks != nil {
				m.Acks.Acked(f.ID(), nil, nil)
			}
			return true
		}
		sockets = append(sockets, f)
	}
	w.socket(t, "/chat", "ann", "a", "b") // of another namespace: nobody's
	return sockets
}

// met says by its effects whom a method selected.
type met func(f *fake) bool

// selectors are the methods that take a Target: each carries itself out and returns how many it says that it matched, if it
// says so, and whom it met.
var selectors = map[string]func(t *testing.T, w *world, target *realtimev1.Target) (matched int, whom met){
	"Emit": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		r, err := w.emit.Emit(w.ctx, &realtimev1.EmitRequest{Target: target, Event: "e"})
		must(t, err)
		return int(r.GetMatched()), gotAMessage
	},
	"EmitStream": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		return int(w.emitStream(t).ask(1, &realtimev1.EmitRequest{Target: target, Event: "e"}).GetEmitted().GetMatched()), gotAMessage
	},
	"EmitWithAck": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		answers, summary := emitWithAck(t, w, &realtimev1.EmitWithAckRequest{Target: target, Event: "e"})
		return int(summary.GetMatched()), func(f *fake) bool { return answers[f.ID().String()] != nil && gotAMessage(f) }
	},
	"JoinRooms": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		r, err := w.rooms.JoinRooms(w.ctx, &realtimev1.JoinRoomsRequest{Target: target, Rooms: []string{"new"}})
		must(t, err)
		return int(r.GetMatched()), func(f *fake) bool { return slices.Contains(f.Info().Rooms, "new") }
	},
	"LeaveRooms": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		_, err := w.rooms.JoinRooms(w.ctx, &realtimev1.JoinRoomsRequest{Target: everyone(), Rooms: []string{"old"}})
		must(t, err)
		r, err := w.rooms.LeaveRooms(w.ctx, &realtimev1.LeaveRoomsRequest{Target: target, Rooms: []string{"old"}})
		must(t, err)
		return int(r.GetMatched()), func(f *fake) bool { return !slices.Contains(f.Info().Rooms, "old") }
	},
	"UpdateSockets": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		r, err := w.sockets.UpdateSockets(w.ctx, &realtimev1.UpdateSocketsRequest{Target: target, Data: "1"})
		must(t, err)
		return int(r.GetMatched()), func(f *fake) bool { return string(f.Info().Data) == "1" }
	},
	"CountSockets": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		r, err := w.sockets.CountSockets(w.ctx, &realtimev1.CountSocketsRequest{Target: target})
		must(t, err)
		return int(r.GetCount()), nil
	},
	"ListSockets": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		stream, err := w.sockets.ListSockets(w.ctx, &realtimev1.ListSocketsRequest{Target: target})
		must(t, err)
		listed := map[string]bool{}
		for {
			r, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return len(listed), func(f *fake) bool { return listed[f.ID().String()] }
			}
			must(t, err)
			for _, s := range r.GetSockets() {
				listed[s.GetId()] = true
			}
		}
	},
	"DisconnectSockets": func(t *testing.T, w *world, target *realtimev1.Target) (int, met) {
		r, err := w.sockets.DisconnectSockets(w.ctx, &realtimev1.DisconnectSocketsRequest{Target: target})
		must(t, err)
		return int(r.GetMatched()), func(f *fake) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.closed) == 1
		}
	},
}

func gotAMessage(f *fake) bool { return len(f.events()) == 1 }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever the method, the same target selects the same sockets: those in any of the rooms, of any of the users or named, each
// once, less those that are excepted.
func TestEveryMethodSelectsAlike(t *testing.T) {
	ids := func(sockets []*fake, of ...int) (ids []string) {
		for _, i := range of {
			ids = append(ids, sockets[i].ID().String())
		}
		return ids
	}
	for name, tt := range map[string]struct {
		target func(s []*fake) *realtimev1.Target
		want   []int
	}{
		"everyone":        {func([]*fake) *realtimev1.Target { return everyone() }, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		"a room":          {func([]*fake) *realtimev1.Target { return inRooms("a") }, []int{1, 3, 5, 7}},
		"two rooms":       {func([]*fake) *realtimev1.Target { return inRooms("a", "b") }, []int{1, 2, 3, 5, 6, 7}},
		"an empty room":   {func([]*fake) *realtimev1.Target { return inRooms("none") }, nil},
		"a user":          {func([]*fake) *realtimev1.Target { return &realtimev1.Target{Users: []string{"ann"}} }, []int{4, 5, 7}},
		"users":           {func([]*fake) *realtimev1.Target { return &realtimev1.Target{Users: []string{"ann", "bob", "nobody"}} }, []int{4, 5, 6, 7}},
		"sockets":         {func(s []*fake) *realtimev1.Target { return &realtimev1.Target{Sockets: ids(s, 0, 6)} }, []int{0, 6}},
		"a socket's room": {func(s []*fake) *realtimev1.Target { return inRooms(ids(s, 2)...) }, []int{2}},
		"who is gone": {func([]*fake) *realtimev1.Target {
			return &realtimev1.Target{Sockets: []string{rooms.NewSocketID().String()}}
		}, nil},
		"all kinds": {func(s []*fake) *realtimev1.Target {
			return &realtimev1.Target{Rooms: []string{"b"}, Users: []string{"ann"}, Sockets: ids(s, 0, 7)}
		}, []int{0, 2, 3, 4, 5, 6, 7}},
		"but a room": {func([]*fake) *realtimev1.Target { return &realtimev1.Target{ExceptRooms: []string{"a"}} }, []int{0, 2, 4, 6}},
		"but sockets and their rooms": {func(s []*fake) *realtimev1.Target {
			return &realtimev1.Target{Rooms: []string{"a"}, ExceptSockets: ids(s, 1), ExceptRooms: ids(s, 3)}
		}, []int{5, 7}},
		"a user but a room": {func([]*fake) *realtimev1.Target {
			return &realtimev1.Target{Users: []string{"ann"}, ExceptRooms: []string{"b"}}
		}, []int{4, 5}},
	} {
		for method, do := range selectors {
			t.Run(method+"/"+name, func(t *testing.T) {
				w := newWorld(t)
				sockets := crowd(t, w)
				matched, whom := do(t, w, tt.target(sockets))
				if matched != len(tt.want) {
					t.Errorf("matched %d, want %d", matched, len(tt.want))
				}
				for i, f := range sockets {
					if whom != nil && whom(f) != slices.Contains(tt.want, i) {
						t.Errorf("socket %d: met %v", i, whom(f))
					}
				}
			})
		}
	}
}

// A method that takes a Target and is missing above would not be seen to select alike.
func TestEveryTargetHasASelector(t *testing.T) {
	for name := range requestFields() {
		if name.Name() != "target" {
			continue
		}
		method := string(name.Parent())
		method = method[:len(method)-len("Request")]
		if selectors[method] == nil {
			t.Errorf("nothing shows whom %s selects", method)
		}
	}
}
