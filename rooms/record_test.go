package rooms

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// recorderFunc is a Recorder that is its Record.
type recorderFunc func(t *Target, m *Message) func()

func (f recorderFunc) Record(t *Target, m *Message) func() { return f(t, m) }

// recorded returns a hub with "/" and "/chat" whose recorders are what make returns.
func recorded(t *testing.T, maker func(n *Namespace) Recorder) (h *Hub, root *Namespace) {
	t.Helper()
	h = newHub(t, HubConfig{Namespaces: []string{"/", "/chat"}, Patterns: []string{"/room-[0-9]+"}, Recorder: maker})
	root, _ = h.Namespace("/")
	return h, root
}

// PROTOCOL 5: stored are events that are neither volatile nor want an acknowledgement, also those that reach nobody.
func TestRecorderIsAskedForWhatIsStored(t *testing.T) {
	var asked []string
	_, n := recorded(t, func(n *Namespace) Recorder {
		return recorderFunc(func(_ *Target, m *Message) func() {
			asked = append(asked, n.Name()+" "+m.Event)
			return func() {}
		})
	})
	add(t, n, 1, "")
	n.Emit(Target{}, &Message{Event: "usual"})
	n.Emit(Target{}, &Message{Event: "volatile", Volatile: true})
	n.EmitWithAck(Target{}, &Message{Event: "asking"}).Cancel()
	n.Emit(Target{Rooms: []string{"empty"}}, &Message{Event: "to nobody"})
	n.Emit(Target{Sockets: []SocketID{idOf(1)}}, &Message{Event: "direct", NoCompress: true})
	if want := []string{"/ usual", "/ to nobody", "/ direct"}; !slices.Equal(asked, want) {
		t.Errorf("%q, want %q", asked, want)
	}
}

// The recorder comes before the members are selected, and done after the last has the message: what it sets is there for
// all of them.
func TestRecorderComesBeforeAndAfter(t *testing.T) {
	var log []string
	var n *Namespace
	_, n = recorded(t, func(root *Namespace) Recorder {
		if root.Name() != "/" {
			return nil
		}
		return recorderFunc(func(_ *Target, m *Message) func() {
			log = append(log, "record")
			m.Offset = "o1"
			// Whoever comes in now is selected.
			add(t, root, 3, "").onDeliver = func(m *Message) bool { log = append(log, "3 "+m.Offset); return true }
			return func() { log = append(log, "done") }
		})
	})
	for i := 1; i < 3; i++ {
		add(t, n, i, "").onDeliver = func(m *Message) bool { log = append(log, fmt.Sprint(i, " ", m.Offset)); return false }
	}
	if matched, delivered := n.Emit(Target{}, &Message{}); matched != 3 || delivered != 1 {
		t.Errorf("matched %d, delivered %d", matched, delivered)
	}
	if want := []string{"record", "1 o1", "2 o1", "3 o1", "done"}; !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
}

// What the recorder keeps is not the caller's to change.
func TestRecorderKeepsTheTarget(t *testing.T) {
	var kept *Target
	_, n := recorded(t, func(*Namespace) Recorder {
		return recorderFunc(func(t *Target, _ *Message) func() { kept = t; return func() {} })
	})
	target := Target{
		Rooms: []string{"a"}, Users: []string{"b"}, Sockets: []SocketID{idOf(1)},
		ExceptRooms: []string{"c"}, ExceptSockets: []SocketID{idOf(2)},
	}
	n.Emit(target, new(Message))
	target.Rooms[0], target.Users[0], target.Sockets[0], target.ExceptRooms[0], target.ExceptSockets[0] = "x", "x", idOf(9), "x", idOf(9)
	if kept.Rooms[0] != "a" || kept.Users[0] != "b" || kept.Sockets[0] != idOf(1) || kept.ExceptRooms[0] != "c" || kept.ExceptSockets[0] != idOf(2) {
		t.Errorf("%+v", kept)
	}
}

func TestRecorderIsDoneAfterAPanic(t *testing.T) {
	done := false
	_, n := recorded(t, func(*Namespace) Recorder {
		return recorderFunc(func(*Target, *Message) func() { return func() { done = true } })
	})
	add(t, n, 1, "").onDeliver = func(*Message) bool { panic("a bug") }
	func() {
		defer func() { _ = recover() }()
		n.Emit(Target{}, new(Message))
	}()
	if !done {
		t.Error("a recorder that holds a lock holds it for ever")
	}
}

// I2 for everyone: a recorder that holds its lock from Record to done has the messages in the order in which each member
// gets them, whoever emits.
func TestI2RecorderHasTheOrderOfTheMembers(t *testing.T) {
	var mu sync.Mutex
	var stored []*Message
	_, n := recorded(t, func(*Namespace) Recorder {
		return recorderFunc(func(_ *Target, m *Message) func() {
			mu.Lock()
			stored = append(stored, m)
			return mu.Unlock
		})
	})
	members := []*fake{add(t, n, 1, ""), add(t, n, 2, "")}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				n.Emit(Target{}, new(Message))
			}
		})
	}
	wg.Wait()
	for _, f := range members {
		if !slices.Equal(f.got, stored) {
			t.Errorf("%s has another order than what is stored", f.ID())
		}
	}
}

// I3: no lock of the package is held from Record to done. A member may do anything but emit.
func TestI3MemberMayCallBackUnderARecorder(t *testing.T) {
	var mu sync.Mutex
	h, n := recorded(t, func(*Namespace) Recorder {
		return recorderFunc(func(*Target, *Message) func() { mu.Lock(); return mu.Unlock })
	})
	f := add(t, n, 1, "", "a")
	calls := 0
	f.onDeliver = func(*Message) bool {
		calls++
		self := Target{Sockets: []SocketID{f.ID()}}
		n.Join(self, "b")
		n.Leave(self, "a")
		n.EmitWithAck(Target{Rooms: []string{"none"}}, new(Message)).Cancel()
		n.Emit(Target{Rooms: []string{"none"}}, &Message{Volatile: true})
		n.Count(Target{})
		h.Namespaces()
		n.Remove(f)
		return true
	}
	n.Emit(Target{}, new(Message))
	if calls != 1 {
		t.Errorf("%d deliveries", calls)
	}
}

// A recorder is made once for each namespace, before anybody has it, however many come at once.
func TestRecorderIsMadeOnce(t *testing.T) {
	var mu sync.Mutex
	made := map[string]int{}
	h, _ := recorded(t, func(n *Namespace) Recorder {
		mu.Lock()
		made[n.Name()]++
		mu.Unlock()
		return recorderFunc(func(*Target, *Message) func() { return func() {} })
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n, err := h.Enter("/room-1")
			if err != nil || n.Recorder() == nil {
				t.Errorf("Enter: %v, recorder %v", err, n.Recorder())
			}
		})
		wg.Go(func() {
			if n, _ := h.Namespace("/room-1"); n.hub != nil && n.Recorder() == nil {
				t.Error("found without its recorder")
			}
			for _, n := range h.Namespaces() {
				if n.Recorder() == nil {
					t.Errorf("%s listed without its recorder", n.Name())
				}
			}
		})
	}
	wg.Wait()
	if len(made) != 3 || made["/"] != 1 || made["/chat"] != 1 || made["/room-1"] != 1 {
		t.Errorf("made %v", made)
	}
	if n, _ := h.Namespace("/room-2"); n.Recorder() != nil || made["/room-2"] != 0 {
		t.Error("a namespace that does not exist has a recorder")
	}
}
